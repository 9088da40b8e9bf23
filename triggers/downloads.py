"""``/exports/{id}/download``: a fresh URL for the file, and the note that it was fetched."""

from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func

from shared.clock import utc_now
from shared.errors import Conflict, FieldError, Gone, ValidationFailed
from shared.records import ExportRecord, from_iso, iso
from shared.services import Services
from shared.transitions import Status
from triggers.exports import visible_record
from triggers.http import caller_of, endpoint, in_thread, json_response, request_services
from triggers.seen import no_news

bp = df.Blueprint()

URL_LIFETIME = timedelta(minutes=10)


@bp.route(route="exports/{id}/download", methods=["GET", "HEAD"])
@bp.durable_client_input(client_name="client")
@endpoint
async def download_export(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    caller = await caller_of(req)
    redirect = _redirect(req.params.get("redirect"))
    context = await request_services()
    record = await in_thread(visible_record, context, caller, req.route_params["id"])
    url, expires = await in_thread(file_url, record, context)
    if req.method == "GET":
        await note_download(record, context, client, caller.name)
    if redirect:
        return func.HttpResponse(status_code=302, headers={"Location": url, "Cache-Control": "no-store"})
    return json_response({"url": url, "expiresAt": expires})


def file_url(record: ExportRecord, context: Services) -> tuple[str, str]:
    """A URL that reads the file for ten minutes, and its end. Raises ``Conflict`` or ``Gone``: there is no file."""
    if record.status in (Status.EXPIRED, Status.CANCELLED):
        raise Gone(f"the export is {record.status}; its file is not there; ask for it again")
    if record.status != Status.COMPLETED:
        raise Conflict(f"the export is {record.status}; there is a file to download when it is Completed")
    if not record.hold and from_iso(record.expires_at) <= utc_now():
        raise Gone(f"the file expired at {record.expires_at}; ask for the export again")
    url, expires = context.blobs.read_url(
        record.file_blob, URL_LIFETIME, download_as=record.file_name, content_type=record.content_type
    )
    return url, iso(expires)


async def note_download(
    record: ExportRecord, context: Services, client: df.DurableOrchestrationClient, who: str
) -> None:
    """Remember the first download, and wake the notification that may be waiting for it."""
    await in_thread(context.log.add, record.tenant, record.id, "downloaded", f"{who} downloaded the file.")
    if record.downloaded_at:
        return
    await in_thread(
        context.records.change, record.tenant, record.id, f"download-{record.attempt}", downloaded_at=iso(utc_now())
    )
    await no_news(record, "downloaded", context, client)


def _redirect(text: str | None) -> bool:
    if text not in (None, "true", "false"):
        raise ValidationFailed([FieldError("redirect", f"takes true or false, got '{text[:20]}'")])
    return text != "false"
