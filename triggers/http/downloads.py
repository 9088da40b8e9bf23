"""``/exports/{id}/download``: a fresh URL for the file; HEAD tells what the file is and gives no URL."""

from base64 import b64encode

import azure.durable_functions as df
import azure.functions as func

from shared.errors import FieldError, ValidationFailed
from shared.jobs.file_access import check_file, file_url
from shared.jobs.records import ExportRecord
from shared.storage.sas import content_disposition
from triggers.http.endpoint import caller_of, endpoint, in_thread, json_response, request_services
from triggers.http.exports import visible_record

bp = df.Blueprint()


@bp.route(route="exports/{id}/download", methods=["GET", "HEAD"])
@bp.durable_client_input(client_name="client")
@endpoint
async def download_export(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    caller = await caller_of(req)
    redirect = _redirect(req.params.get("redirect"))
    context = await request_services()
    record = await in_thread(visible_record, context, caller, req.route_params["id"])
    if req.method == "HEAD":
        check_file(record)
        return func.HttpResponse(headers=file_headers(record))
    status = 302 if redirect else 200
    url, expires = await file_url(record, context, client, status=status, who=caller.name)
    if redirect:
        return func.HttpResponse(status_code=status, headers={"Location": url, "Cache-Control": "no-store"})
    return json_response({"url": url, "expiresAt": expires})


def file_headers(record: ExportRecord) -> dict[str, str]:
    """What the file is: type, size in bytes, name (RFC 6266) and checksum of its bytes (RFC 9530, section 3)."""
    digest = b64encode(bytes.fromhex(record.file_sha256)).decode()
    return {
        "Cache-Control": "no-store",
        "Content-Type": record.content_type,
        "Content-Length": str(record.file_bytes),
        "Content-Disposition": content_disposition(record.file_name),
        "Repr-Digest": f"sha-256=:{digest}:",
    }


def _redirect(text: str | None) -> bool:
    if text not in (None, "true", "false"):
        raise ValidationFailed([FieldError("redirect", f"takes true or false, got '{text[:20]}'")])
    return text != "false"
