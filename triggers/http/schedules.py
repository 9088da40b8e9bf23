"""``/schedules``: exports that are made again and again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import uuid4

import azure.functions as func

from shared.api import schemas
from shared.api.operations import Access, Answer
from shared.audit.recorder import about, owner_checked
from shared.errors import Conflict, NotFound
from shared.identity.caller import Caller
from shared.jobs.ownership_check import check_owned
from shared.jobs.records import new_export_id
from shared.requests.export_request import ExportRequest, parse_body
from shared.schedules.cron import check_cron, occurrences
from shared.schedules.leavers import check_resumable
from shared.schedules.requests import ScheduleChanges, ScheduleRequest, check_export, check_reach, check_timing
from shared.schedules.store import ACTIVE, PAUSED, Run, Schedule
from shared.services import Services
from shared.settings import Settings
from shared.timestamps import from_iso, iso, utc_now
from triggers.http.endpoint import caller_of, in_thread, json_response, request_services
from triggers.http.operation import operation
from triggers.http.parameters import CURSOR, EXPORT_ID, LOCATION, SCHEDULE_LINKS, limit
from triggers.http.query_params import cursor_of, is_id, limit_of

_MISSING = "there is no schedule of this id that you may see"
_EXAMPLE = '{"name": "Every morning", "cron": "0 6 * * *", "request": {"exportType": "sessions"}}'
_SHOWN = 5
"""Next runs that are shown."""
_SEEN_AGAIN = timedelta(hours=1)
"""How much older what is known of the owner may be before a look at the schedule renews it."""


@operation(
    "POST",
    "schedules",
    summary="Create a schedule",
    description="Repeats an export on a cron schedule in a time zone.",
    access=Access.EXPORTER,
    audit="changed",
    answers={201: Answer("The schedule.", schemas.Schedule, headers=LOCATION, links=SCHEDULE_LINKS)},
    body=ScheduleRequest,
    refuses=(409,),
    tag="schedules",
)
async def create_schedule(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    wanted = parse_body(ScheduleRequest, req.get_body(), _EXAMPLE)
    check_timing(wanted.cron, wanted.time_zone)
    export_type = check_export(wanted.request, wanted.incremental, wanted.period, caller)
    await check_owned(wanted.request, export_type, caller, check_reach)
    context = await request_services()
    schedule = await in_thread(create, wanted, caller, context)
    about(schedule.tenant, subject=f"schedule {schedule.id} of {wanted.request.export_type}: {wanted.cron}")
    body = resource(schedule, None, context.settings)
    return json_response(body, 201, {"Location": body["links"]["self"]})


@operation(
    "GET",
    "schedules",
    summary="List schedules",
    description="Lists the caller's schedules; for an Admin, all schedules of the tenant.",
    access=Access.EXPORTER,
    audit="listed",
    answers={200: Answer("One page of schedules.", schemas.SchedulePage)},
    parameters=(limit(50), CURSOR),
    tag="schedules",
)
async def list_schedules(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    limit, after = limit_of(req.params.get("limit"), 50), cursor_of(req.params.get("cursor"))
    context = await request_services()
    user = "" if caller.administers else caller.user
    found, cursor = await in_thread(context.schedules.page, caller.tenant, user, limit, after)
    items = [resource(schedule, None, context.settings) for schedule in found]
    return json_response({"items": items, "nextCursor": cursor or None})


@operation(
    "GET",
    "schedules/{id}",
    summary="Get a schedule",
    description="Returns a schedule with its last run and its next run.",
    access=Access.OWNER,
    audit="seen",
    answers={200: Answer("The schedule.", schemas.Schedule)},
    parameters=(EXPORT_ID,),
    tag="schedules",
)
async def schedule_status(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    schedule = await in_thread(visible_schedule, context, caller, req.route_params["id"])
    schedule = await in_thread(seen, schedule, caller, context)
    last = await in_thread(context.schedules.run, schedule)
    return json_response(resource(schedule, last, context.settings))


@operation(
    "PATCH",
    "schedules/{id}",
    summary="Change a schedule",
    description="Changes, pauses or resumes a schedule. Omitted fields keep their values.",
    access=Access.OWNER,
    audit="changed",
    answers={200: Answer("The changed schedule.", schemas.Schedule)},
    parameters=(EXPORT_ID,),
    body=ScheduleChanges,
    tag="schedules",
)
async def change_schedule(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    schedule = await in_thread(visible_schedule, context, caller, req.route_params["id"])
    wanted = parse_body(ScheduleChanges, req.get_body(), '{"paused": true}')
    about(schedule.tenant, subject=f"schedule {schedule.id}: {_told(wanted)}")
    schedule = await in_thread(seen, schedule, caller, context)
    if wanted.request is not None:
        owner = Caller.from_json(schedule.caller)
        period = wanted.period if "period" in wanted.model_fields_set else schedule.period
        export_type = check_export(wanted.request, schedule.incremental, period, owner)
        await check_owned(wanted.request, export_type, owner, check_reach)
    schedule = await in_thread(change, schedule, wanted, context)
    last = await in_thread(context.schedules.run, schedule)
    return json_response(resource(schedule, last, context.settings))


@operation(
    "DELETE",
    "schedules/{id}",
    summary="Delete a schedule",
    description="Removes a schedule. Exports that it has made are kept.",
    access=Access.OWNER,
    audit="deleted",
    answers={204: Answer("The schedule was deleted.")},
    parameters=(EXPORT_ID,),
    tag="schedules",
)
async def delete_schedule(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    schedule = await in_thread(visible_schedule, context, caller, req.route_params["id"])
    await in_thread(context.schedules.delete, schedule)
    await in_thread(context.delivery.forget, schedule.id)
    return func.HttpResponse(status_code=204)


@operation(
    "GET",
    "schedules/{id}/runs",
    summary="List the runs of a schedule",
    description="Lists the runs of a schedule, newest first.",
    access=Access.OWNER,
    audit="listed",
    answers={200: Answer("One page of runs.", schemas.ScheduleRunPage)},
    parameters=(EXPORT_ID, limit(50), CURSOR),
    tag="schedules",
)
async def schedule_runs(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    schedule = await in_thread(visible_schedule, context, caller, req.route_params["id"])
    limit, after = limit_of(req.params.get("limit"), 50), cursor_of(req.params.get("cursor"))
    found, cursor = await in_thread(context.schedules.runs, schedule.id, limit, after)
    items = [run_resource(run, context.settings) for run in found]
    return json_response({"items": items, "nextCursor": cursor or None})


def visible_schedule(context: Services, caller: Caller, schedule_id: str) -> Schedule:
    """The schedule, when this caller may see it. A foreign id and a missing one raise the same ``NotFound``."""
    owner_checked()
    if not is_id(schedule_id):
        raise NotFound(_MISSING)
    schedule = context.schedules.get(caller.tenant, schedule_id)
    if schedule is None and caller.all_tenants:
        schedule = context.schedules.anywhere(schedule_id)
    if schedule is None or not (caller.administers or schedule.created_by == caller.user):
        raise NotFound(_MISSING)
    about(schedule.tenant, subject=f"schedule {schedule.id}")
    return schedule


def create(wanted: ScheduleRequest, caller: Caller, context: Services) -> Schedule:
    """Write a schedule. Raises ``Conflict`` when the user has too many."""
    now = utc_now()
    schedule = Schedule(
        tenant=caller.tenant,
        id=new_export_id(now),
        name=wanted.name,
        created_by=caller.user,
        created_at=iso(now),
        cron=wanted.cron,
        time_zone=wanted.time_zone,
        request=_text(wanted.request),
        caller=caller.to_json(),
        caller_seen_at=iso(now),
        incremental=wanted.incremental,
        period=wanted.period,
        jitter_seconds=wanted.jitter_seconds,
        catch_up=wanted.catch_up,
        stop_after_failures=-1 if wanted.stop_after_failures is None else wanted.stop_after_failures,
        stop_after_unread=-1 if wanted.stop_after_unread is None else wanted.stop_after_unread,
        state=PAUSED if wanted.paused else ACTIVE,
    )
    if not wanted.paused:
        first = schedule.timing.first(now)
        schedule = replace(schedule, due_at=iso(first.at), run_at=iso(first.run_at))
    most = context.settings.max_schedules_per_user
    if not context.schedules.create(schedule, most):
        raise Conflict(f"you have {most:,} schedules, which is the limit; delete one")
    return schedule


def change(schedule: Schedule, wanted: ScheduleChanges, context: Services) -> Schedule:
    """Change what was asked for.

    Raises ``ValidationFailed``, ``NotAllowed``, ``Conflict`` when its owner has left, and ``NotFound`` when it is gone.
    """
    given = {name: getattr(wanted, name) for name in wanted.model_fields_set}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if wanted.request is not None:
        changes["request"] = _text(wanted.request)
    for name in ("stop_after_failures", "stop_after_unread"):
        if name in given and given[name] is None:
            changes[name] = -1
    if "period" in given:
        changes["period"] = given["period"]
    paused = changes.pop("paused", None)
    changed = replace(schedule, **changes)
    check_timing(changed.cron, changed.time_zone)
    owner = Caller.from_json(schedule.caller)
    request = ExportRequest.model_validate_json(changed.request)
    check_export(request, schedule.incremental, changed.period, owner)
    if paused is False:
        check_resumable(schedule, context)
    if paused is True:
        changes |= {"state": PAUSED, "stop_reason": "", "due_at": "", "run_at": ""}
    elif (paused is False and schedule.state != ACTIVE) or (
        schedule.state == ACTIVE and changed.timing != schedule.timing
    ):
        first = changed.timing.first(utc_now())
        changes |= {"state": ACTIVE, "stop_reason": "", "due_at": iso(first.at), "run_at": iso(first.run_at)}
        changes |= {"failures": 0, "resumed_at": iso(utc_now())} if schedule.state != ACTIVE else {}
    done = context.schedules.change(schedule, f"change-{uuid4().hex}", **changes)
    if done is None:
        raise NotFound(_MISSING)
    return done


def seen(schedule: Schedule, caller: Caller, context: Services) -> Schedule:
    """Note what the owner may do now, when it is the owner who comes."""
    now = utc_now()
    fresh = Caller.from_json(schedule.caller) == caller and now - from_iso(schedule.caller_seen_at) < _SEEN_AGAIN
    if fresh or caller.user != schedule.created_by or caller.tenant != schedule.tenant:
        return schedule
    noted = context.schedules.change(schedule, f"seen-{uuid4().hex}", caller=caller.to_json(), caller_seen_at=iso(now))
    return noted or schedule


def resource(schedule: Schedule, last: Run | None, settings: Settings) -> dict[str, Any]:
    """A schedule as the API shows it."""
    base = f"{settings.public_url.rstrip('/')}/api/schedules/{schedule.id}"
    coming: list[datetime] = []
    if schedule.state == ACTIVE:
        after = from_iso(schedule.due_at).astimezone(UTC) - timedelta(seconds=1)
        coming = list(islice(occurrences(schedule.cron, schedule.time_zone, after), _SHOWN))
    return {
        "id": schedule.id,
        "name": schedule.name,
        "cron": schedule.cron,
        "timeZone": schedule.time_zone,
        "summary": check_cron(schedule.cron),
        "request": ExportRequest.model_validate_json(schedule.request).model_dump(
            mode="json", by_alias=True, exclude_unset=True
        ),
        "incremental": schedule.incremental,
        "period": schedule.period,
        "jitterSeconds": schedule.jitter_seconds,
        "catchUp": schedule.catch_up,
        "stopAfterFailures": _or_null(schedule.stop_after_failures),
        "stopAfterUnread": _or_null(schedule.stop_after_unread),
        "state": schedule.state,
        "stopReason": schedule.stop_reason or None,
        "failuresInARow": schedule.failures,
        "createdBy": schedule.created_by,
        "createdAt": schedule.created_at,
        "nextRuns": [iso(moment) for moment in coming],
        "lastRun": run_resource(last, settings) if last else None,
        "links": {"self": base, "runs": f"{base}/runs"},
    }


def run_resource(run: Run, settings: Settings) -> dict[str, Any]:
    """A run as the API shows it."""
    return {
        "due": run.due,
        "exportId": run.export_id,
        "outcome": run.outcome or None,
        "missed": run.missed,
        "window": {"from": _bound(run.window_from), "to": _bound(run.window_to)} if run.window_to else None,
        "note": run.note or None,
        "links": {"export": f"{settings.public_url.rstrip('/')}/api/exports/{run.export_id}"},
    }


def _told(wanted: ScheduleChanges) -> str:
    """What is to change, for the audit log: times and states as they are to be, of all else the names."""
    shown = {"cron", "time_zone", "paused"}
    names = [name for name in ScheduleChanges.model_fields if name in wanted.model_fields_set]
    return ", ".join(f"{name} {getattr(wanted, name)}" if name in shown else name for name in names) or "nothing"


def _bound(text: str) -> str | int | None:
    """An end of a window: a time, or a number where rows have numbers."""
    return int(text) if text.isdecimal() else text or None


def _text(request: ExportRequest) -> str:
    return request.model_dump_json(by_alias=True, exclude_unset=True)


def _or_null(own: int) -> int | None:
    return None if own < 0 else own
