"""``/d/{token}``: where the buttons of mails lead that older releases have sent. Looking changes nothing.

Their tokens are signed, and stand in the path. They are good as long as their file; no new ones are made.
"""

from functools import partial

import azure.durable_functions as df
import azure.functions as func

from shared.api.operations import Access, Answer
from shared.errors import NotFound
from shared.notifications.links import signed_file_ref
from shared.services import Services
from triggers.http.link_access import Target, downloaded, shown
from triggers.http.operation import operation
from triggers.http.parameters import LOCATION, TOKEN


@operation(
    "GET",
    "d/{token}",
    summary="Open the page of a mail link of an older release",
    description="Shows the page that a link in a mail of an older release leads to. It changes nothing.",
    access=Access.PUBLIC,
    audit="seen",
    answers={
        200: Answer("A page with a button.", media_type="text/html"),
        **{s: Answer("A page that says so.", media_type="text/html") for s in (403, 404, 409, 410, 503)},
    },
    parameters=(TOKEN,),
    tag="mail",
)
async def landing_page(req: func.HttpRequest) -> func.HttpResponse:
    return await shown(req, partial(_target, req.route_params["token"]), by_form=True)


@operation(
    "POST",
    "d/{token}",
    summary="Download by a mail link of an older release",
    description="Redirects to a URL that reads the file for ten minutes.",
    access=Access.PUBLIC,
    audit="downloaded",
    answers={
        303: Answer("To a URL that reads the file for ten minutes.", headers=LOCATION),
        **{s: Answer("A page that says so.", media_type="text/html") for s in (403, 404, 409, 410, 503)},
    },
    parameters=(TOKEN,),
    tag="mail",
    takes_forms=True,
)
async def landing_download(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    return await downloaded(req, client, partial(_target, req.route_params["token"]), 303, _see_other)


def _see_other(url: str, _: str) -> func.HttpResponse:
    return func.HttpResponse(status_code=303, headers={"Location": url, "Cache-Control": "no-store"})


def _target(token: str, context: Services) -> Target | None:
    try:
        ref, generation = signed_file_ref(token, context.settings)
    except NotFound:
        return None
    record = context.records.get(ref.tenant, ref.export_id)
    made_at = record.completed_at or record.created_at if record else ""
    revoked = record is not None and context.links.were_revoked(ref.tenant, record.created_by, made_at)
    return Target(ref.tenant, ref.export_id, generation, "of an older release", revoked)
