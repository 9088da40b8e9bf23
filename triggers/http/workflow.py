"""``/exports/{id}/workflow``: how the orchestrations of an export are doing, for everybody who may see the export.

The status API of the durable engine needs a key that opens every instance; this needs none, and shows names, times and
numbers only.
"""

import re
from datetime import UTC, datetime
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from shared.api import schemas
from shared.api.operations import Access, Answer, Parameter
from shared.durable.history import Shown, events_of, shown
from shared.durable.instance_ids import PARTS_PER_GROUP, export_instance, group_instance, notification_instance
from shared.errors import NotFound, WrongCursor
from shared.jobs.records import ExportRecord
from shared.timestamps import iso
from triggers.http.endpoint import caller_of, in_thread, json_response, request_services
from triggers.http.exports import visible_record
from triggers.http.operation import operation
from triggers.http.parameters import EXPORT_ID, INSTANCE, POSITION, limit
from triggers.http.query_params import checked, limit_of

_ITEMS = 100
_NUMBERS = ("parts", "totalParts", "rows", "totalRows")
_PHASE = re.compile(r"[a-z]{1,20}")


@operation(
    "GET",
    "exports/{id}/workflow",
    summary="Get the workflow of an export",
    description="Returns what the export's orchestrations have done: names, times, attempts and counts.",
    access=Access.OWNER,
    audit="seen",
    answers={200: Answer("The workflow with one page of its history.", schemas.Workflow)},
    parameters=(
        EXPORT_ID,
        Parameter("instance", "Another orchestration of the same export: an item's `instance`.", INSTANCE),
        limit(100),
        POSITION,
    ),
    tag="exports",
)
async def export_workflow(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    record = await in_thread(visible_record, context, caller, req.route_params["id"])
    query = checked(req.params, {"instance": str, "limit": lambda text: limit_of(text, _ITEMS), "cursor": _position_of})
    instance = instance_of(record, query.get("instance", ""))
    status = await client.get_status(instance, show_history=True, show_history_output=True, show_input=True)
    return json_response(resource(record, instance, status, query.get("limit", _ITEMS), query.get("cursor", 0)))


def instance_of(record: ExportRecord, wanted: str) -> str:
    """The orchestration that is asked for: the present attempt's unless another one of the same export is named.

    Raises ``NotFound`` for one that is not of this export.
    """
    if not wanted:
        return export_instance(record.id, record.attempt)
    for attempt in range(record.attempt, 0, -1):
        own = export_instance(record.id, attempt)
        if wanted in (own, notification_instance(record.id, attempt)):
            return wanted
        if wanted.startswith(f"{own}-parts-") and re.fullmatch(r"[0-9]{6,9}", wanted.removeprefix(f"{own}-parts-")):
            return wanted
    raise NotFound("this export has no orchestration of this id")


def resource(record: ExportRecord, instance: str, status: Any, limit: int, first: int) -> dict[str, Any]:
    """The workflow as the API shows it; without a history where the engine does not know the orchestration."""
    known = status if status and status.runtime_status is not None else None
    history = list(shown(events_of(known)))
    page = history[first : first + limit]
    end = first + len(page)
    return {
        "id": record.id,
        "attempt": record.attempt,
        "instance": instance,
        "runtimeStatus": known.runtime_status.name if known else None,
        "createdAt": _time(known.created_time) if known else None,
        "lastUpdatedAt": _time(known.last_updated_time) if known else None,
        "progress": _progress(known.custom_status if known else None),
        "items": [_event(event, instance) for event in page],
        "nextCursor": str(end) if end < len(history) else None,
    }


def _event(event: Shown, instance: str) -> dict[str, Any]:
    group = event.name == "export_parts" and event.event.startswith("SubOrchestration")
    return {
        "time": event.time,
        "event": event.event,
        "name": event.name or None,
        "scheduledAt": event.scheduled_at or None,
        "part": event.part,
        "attempt": event.attempt,
        "failure": event.failure or None,
        "instance": group_instance(instance, (event.position - 1) * PARTS_PER_GROUP) if group else None,
    }


def _time(moment: datetime | None) -> str | None:
    """A time of the engine, which is UTC also where it does not say so."""
    return iso(moment if moment.tzinfo else moment.replace(tzinfo=UTC)) if moment else None


def _progress(custom: Any) -> dict[str, Any] | None:
    """The custom status, as far as it is a phase and numbers."""
    if not isinstance(custom, dict) or not _PHASE.fullmatch(str(custom.get("phase", ""))):
        return None
    numbers = {name: custom.get(name, 0) for name in _NUMBERS}
    return {"phase": custom["phase"], **{n: v if isinstance(v, int) else 0 for n, v in numbers.items()}}


def _position_of(text: str) -> int:
    """Where a page ended: a number of events."""
    if not re.fullmatch(r"[0-9]{0,9}", text):
        raise WrongCursor
    return int(text or 0)
