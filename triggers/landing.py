"""``/d/{token}``: where the button of a mail leads. Looking changes nothing; the page's button starts the download."""

from dataclasses import dataclass
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from shared.catalogue import export_type_named
from shared.errors import NotFound, StorageUnavailable
from shared.links import landing_ref
from shared.notices.messages import locale_of, time_zone_of, title_in
from shared.notices.pages import page, preferred_locale
from shared.records import ExportRecord, from_iso
from shared.services import Services
from shared.settings import settings
from triggers.file_access import file_url, why_no_file
from triggers.http import endpoint, in_thread, request_services
from triggers.trail import about

bp = df.Blueprint()

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_STATUS = {"unknown": 404, "failed": 409, "running": 409, "busy": 503}
"""Of the page that says why there is no file; 410 for all other reasons."""


@dataclass(frozen=True)
class Found:
    """What a link leads to. ``reason``: why there is no file, empty when there is one."""

    reason: str
    record: ExportRecord | None = None


@bp.route(route="d/{token}", methods=["GET", "HEAD"])
@endpoint
async def landing_page(req: func.HttpRequest) -> func.HttpResponse:
    found = await _find(req)
    if found.reason or found.record is None:
        return _no_file(found, req)
    record = found.record
    values = _about(record) | {"file_name": record.file_name, "rows": record.file_rows, "bytes": record.file_bytes}
    return html_response(200, page("landing", values, locale_of(record)))


@bp.route(route="d/{token}", methods=["POST"])
@bp.durable_client_input(client_name="client")
@endpoint
async def landing_download(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    found = await _find(req)
    if found.reason or found.record is None:
        return _no_file(found, req)
    try:
        context = await request_services()
        url, _ = await file_url(found.record, context, client, status=303, who="Somebody with the link from the mail")
    except StorageUnavailable:
        return _no_file(Found("busy"), req)
    return func.HttpResponse(status_code=303, headers={"Location": url, "Cache-Control": "no-store"})


async def _find(req: func.HttpRequest) -> Found:
    try:
        ref, generation = landing_ref(req.route_params["token"], settings())
        context = await request_services()
        return await in_thread(_look, ref.tenant, ref.export_id, generation, context)
    except NotFound:
        return Found("unknown")
    except StorageUnavailable:
        return Found("busy")


def _look(tenant: str, export_id: str, generation: int, context: Services) -> Found:
    record = context.records.get(tenant, export_id)
    if record is None:
        return Found("deleted")
    about(record.tenant, record.id, by="link")
    if record.links != generation:
        return Found("revoked", record)
    return Found(why_no_file(record) or "", record)


def _about(record: ExportRecord) -> dict[str, Any]:
    title = title_in(export_type_named(record.export_type), locale_of(record))
    expires_at = from_iso(record.expires_at) if record.expires_at else None
    return {"title": title, "expires_at": expires_at, "time_zone": time_zone_of(record)}


def _no_file(found: Found, req: func.HttpRequest) -> func.HttpResponse:
    values: dict[str, Any] = {"reason": found.reason}
    locale = preferred_locale(req.headers.get("Accept-Language", ""))
    if found.record:
        values |= _about(found.record) | {"error": found.record.error_message.rstrip(".")}
        locale = locale_of(found.record)
    return html_response(_STATUS.get(found.reason, 410), page("no-file", values, locale))


def html_response(status: int, text: str) -> func.HttpResponse:
    """A page that no cache keeps, that runs nothing and that no other page may frame."""
    return func.HttpResponse(text, status_code=status, headers=HEADERS, mimetype="text/html", charset="utf-8")
