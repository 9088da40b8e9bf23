"""``/exports/{id}/download``: a fresh URL for the file; HEAD tells what the file is and gives no URL."""

from base64 import b64encode

import azure.durable_functions as df
import azure.functions as func

from shared.api import schemas
from shared.api.operations import Access, Answer, Parameter
from shared.errors import FieldError, ValidationFailed
from shared.jobs.file_access import check_file, file_url
from shared.jobs.records import ExportRecord
from shared.jobs.rights import check_file_of
from shared.storage.sas import content_disposition
from triggers.http.endpoint import caller_of, in_thread, json_response, request_services
from triggers.http.exports import visible_record
from triggers.http.operation import operation
from triggers.http.parameters import EXPORT_ID, FILE_HEADERS, LOCATION, one_of


@operation(
    "GET",
    "exports/{id}/download",
    summary="Download the file",
    description=(
        "Redirects to a URL that reads the file for ten minutes. The download is recorded in the audit log "
        "before the URL is issued."
    ),
    access=Access.OWNER,
    audit="downloaded",
    answers={
        200: Answer("With `redirect=false`: the URL.", schemas.DownloadUrl),
        302: Answer("A redirect to the file.", headers=LOCATION),
    },
    parameters=(EXPORT_ID, Parameter("redirect", "false: answer with the URL instead.", one_of(("true", "false")))),
    refuses=(409, 410),
    tag="exports",
    head=False,
)
async def download_export(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    caller = await caller_of(req)
    redirect = _redirect(req.params.get("redirect"))
    context = await request_services()
    record = await in_thread(visible_record, context, caller, req.route_params["id"])
    status = 302 if redirect else 200
    url, expires = await file_url(record, caller, context, client, status=status, who=caller.name)
    if redirect:
        return func.HttpResponse(status_code=status, headers={"Location": url, "Cache-Control": "no-store"})
    return json_response({"url": url, "expiresAt": expires})


@operation(
    "HEAD",
    "exports/{id}/download",
    summary="Get the headers of the file",
    description="Returns size, type, name and checksum of the file, and no URL. It is not a download.",
    access=Access.OWNER,
    audit="seen",
    answers={200: Answer("The file is there.", headers=FILE_HEADERS)},
    parameters=(EXPORT_ID,),
    refuses=(409, 410),
    tag="exports",
)
async def download_export_head(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    record = await in_thread(visible_record, context, caller, req.route_params["id"])
    check_file_of(record, caller, context)
    check_file(record)
    return func.HttpResponse(headers=file_headers(record))


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
