"""``/operations/{id}``: an export as a long-running operation, for clients that follow ``Operation-Location``.

The shape is that of the Microsoft REST API guidelines ("Long-running operations"), which azure-core's ``LROPoller`` and
its sisters in other languages follow: ``Succeeded`` leads to ``resourceLocation``, the others end with ``error``.
"""

from typing import Any

import azure.durable_functions as df
import azure.functions as func

from shared.api import schemas
from shared.api.operations import Access, Answer
from shared.jobs.records import ExportRecord
from shared.jobs.status import Status
from shared.notifications.read_receipts import note_seen
from triggers.http.endpoint import caller_of, json_response, request_services
from triggers.http.exports import current, poll_headers
from triggers.http.operation import operation
from triggers.http.parameters import EXPORT_ID

_CANCELLED = {"code": "cancelled", "message": "the export was cancelled"}


@operation(
    "GET",
    "operations/{id}",
    summary="Get an export as a long-running operation",
    description=(
        "Returns the status in the form that Azure clients with long-running operations expect; "
        "`Operation-Location` of a started export leads here."
    ),
    access=Access.OWNER,
    audit="seen",
    answers={200: Answer("The operation.", schemas.Operation)},
    parameters=(EXPORT_ID,),
    tag="exports",
)
async def export_operation(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    record, body = await current(req.route_params["id"], caller, context, client)
    if req.method == "GET":
        await note_seen(record, caller, context, client)
    return json_response(monitor(record, body), headers=poll_headers(record, body))


def monitor(record: ExportRecord, resource: dict[str, Any]) -> dict[str, Any]:
    """The operation that an export's record and status resource amount to."""
    status = operation_status(record)
    body: dict[str, Any] = {
        "id": record.id,
        "status": status,
        "percentComplete": resource["progress"]["percent"],
        "createdDateTime": record.created_at,
        "lastActionDateTime": record.completed_at or record.started_at or record.created_at,
        "resourceLocation": resource["links"]["self"] if status == "Succeeded" else None,
    }
    if status == "Failed":
        body["error"] = {"code": record.error_code, "message": record.error_message}
    if status == "Canceled":
        body["error"] = _CANCELLED
    return body


def operation_status(record: ExportRecord) -> str:
    """The operation's status. An expired export keeps the one that it ended with."""
    if record.status == Status.EXPIRED:
        if record.file_name:
            return "Succeeded"
        return "Failed" if record.error_code else "Canceled"
    return _STATUS[Status(record.status)]


_STATUS = {
    Status.PENDING: "NotStarted",
    Status.PROCESSING: "Running",
    Status.COMPLETED: "Succeeded",
    Status.FAILED: "Failed",
    Status.CANCELLED: "Canceled",
}
