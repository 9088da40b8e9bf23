"""``/exports/{id}/links`` and ``/revoke-links``: a mail went to the wrong place, and its link is to lead nowhere."""

from typing import Any
from uuid import uuid4

import azure.functions as func

from shared.api import schemas
from shared.api.operations import Access, Answer, Parameter
from shared.audit.recorder import about
from shared.errors import NotFound
from shared.identity.caller import Caller
from shared.jobs.records import ExportRecord
from shared.services import Services
from shared.storage.links import Link
from shared.timestamps import utc_now
from triggers.http.endpoint import caller_of, in_thread, json_response, request_services
from triggers.http.exports import visible_record
from triggers.http.operation import operation
from triggers.http.parameters import EXPORT_ID

_HASH_LENGTH = 64


@operation(
    "GET",
    "exports/{id}/links",
    summary="List the links to a file",
    description="Lists every link to the file that was sent, oldest first.",
    access=Access.OWNER,
    audit="listed",
    answers={200: Answer("The links.", schemas.SentLinks)},
    parameters=(EXPORT_ID,),
    tag="exports",
)
async def list_links(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    record = await in_thread(visible_record, context, caller, req.route_params["id"])
    found = await in_thread(context.links.of_export, record.tenant, record.id)
    return json_response({"items": [resource(link, record) for link in found]})


@operation(
    "DELETE",
    "exports/{id}/links/{link}",
    summary="Revoke one link",
    description="Invalidates one link to the file. It then leads to a page that says so.",
    access=Access.OWNER,
    audit="changed",
    answers={204: Answer("The link was revoked.")},
    parameters=(EXPORT_ID, Parameter("link", "The link's id.", {"type": "string"}, required=True)),
    tag="exports",
)
async def revoke_link(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    record = await in_thread(visible_record, context, caller, req.route_params["id"])
    link = req.route_params["link"]
    if not (len(link) == _HASH_LENGTH and link.isalnum() and link.isascii()):
        raise NotFound("the export has no link of this id")
    about(record.tenant, record.id, f"link {link}")
    await in_thread(revoke_one, record, link, caller, context)
    return func.HttpResponse(status_code=204)


@operation(
    "POST",
    "exports/{id}/revoke-links",
    summary="Revoke the links of an export",
    description="Invalidates every link to this file in mails that were sent before. A later mail carries a new link.",
    access=Access.OWNER,
    audit="changed",
    answers={204: Answer("The links were revoked.")},
    parameters=(EXPORT_ID,),
    tag="exports",
)
async def revoke_links(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    record = await in_thread(visible_record, context, caller, req.route_params["id"])
    about(record.tenant, record.id, "all links")
    await in_thread(revoke, record, caller, context)
    return func.HttpResponse(status_code=204)


def resource(link: Link, record: ExportRecord) -> dict[str, Any]:
    """A link as the API shows it: never its token, which nobody keeps."""
    return {
        "id": link.id,
        "sentTo": link.user,
        "channel": link.channel,
        "kind": link.kind,
        "createdAt": link.created_at,
        "revokedAt": link.revoked_at or None,
        "good": not link.revoked_at and link.generation == record.links,
    }


def revoke_one(record: ExportRecord, link: str, caller: Caller, context: Services) -> None:
    """Make one link worthless. Raises ``NotFound`` when the export has none of this id."""
    if context.links.revoke(record.tenant, record.id, link, utc_now()) is None:
        raise NotFound("the export has no link of this id")
    context.log.add(record.tenant, record.id, "link-revoked", f"{caller.name} revoked one link to the file.")


def revoke(record: ExportRecord, caller: Caller, context: Services) -> None:
    """Begin a new generation of links; what of an older one comes is refused."""
    context.records.change(record.tenant, record.id, f"revoke-{uuid4().hex}", links=record.links + 1)
    now = utc_now()
    for link in context.links.of_export(record.tenant, record.id):
        context.links.revoke(record.tenant, record.id, link.id, now)
    context.log.add(record.tenant, record.id, "links-revoked", f"{caller.name} revoked the links to the file.")
