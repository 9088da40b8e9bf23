"""The life of a run: decided on, begun, settled. Each step is one write under the schedule's ETag.

1. *Decide* (``decide``): the row says which time is run, under which export id, over which window, and what the
   schedule waits for next. From here on the run happens, once, whatever dies.
2. *Begin*: the export is made under that id, which follows from the schedule and the time, so that a second one is
   not possible. The row says that it runs.
3. *Settle* (``settle``): the export has ended; the row counts how.

Where rows have numbers instead of times, the row says before that (``_marked``) which number was the highest when the
run was due, and it is decided on once every row up to there is committed.

The windows of an incremental schedule form a chain. A run begins where the last one that succeeded ended. When the last
one failed, the next takes over its window, and the failed export says so: it cannot be retried any more, or its rows
would be in two files.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import repeat
from uuid import uuid4

from shared.catalog.export_types import SqlExport
from shared.catalog.registry import export_type_named
from shared.errors import SourceUnavailable, TookTooLong
from shared.jobs.records import ExportRecord, export_id
from shared.jobs.status import FINAL, Status
from shared.requests.build_query import numbers_from
from shared.requests.export_request import ExportRequest
from shared.schedules.cron import Due
from shared.schedules.store import ACTIVE, RUNNING, SETTLED, STARTING, STOPPED, Run, Schedule
from shared.services import Services
from shared.sources import open_source
from shared.sources.deadline import Deadline
from shared.text import count
from shared.timestamps import from_iso, iso, utc_now

COMPLETED, REFUSED, MISSING = "Completed", "Refused", "Missing"
"""Outcomes of a run; others are the status of its export: Failed or Cancelled. Refused: the owner may not export it."""


class StillRuns(Exception):
    """The export of the last run has not ended, or somebody has retried it."""


class CannotRun(Exception):
    """The run cannot be made, and later ones cannot either; the reason is a sentence for the schedule's owner."""


def run_export_id(schedule: Schedule, due: datetime) -> str:
    """The id of the export of a run: one for each time of a schedule."""
    return export_id(due, hashlib.sha256(f"{schedule.id}/{iso(due)}".encode()).digest()[:15])


def is_due(schedule: Schedule, now: datetime) -> bool:
    """Whether it is time for a run, and the last one has ended."""
    return schedule.state == ACTIVE and schedule.run_state not in (STARTING, RUNNING) and schedule.waiting.run_at <= now


def decide(schedule: Schedule, now: datetime, context: Services) -> Schedule | None:
    """Decide on the next run when it is time; give the schedule as it is then, None when there is nothing to do.

    Raises ``CannotRun``, and ``StillRuns`` while the last run is on its way: then its time waits.
    """
    if not is_due(schedule, now):
        return None
    numbered = _numbered(schedule)
    if numbered is not None:
        marked = _marked(schedule, numbered, context)
        if marked is None or now - from_iso(marked.marked_at) < numbered.settle:
            return None
        schedule, now = marked, from_iso(marked.marked_at)
    decision = schedule.timing.decide(schedule.waiting, now)
    changes = {"due_at": iso(decision.following.at), "run_at": iso(decision.following.run_at)}
    window = ("", "")
    if decision.run is not None:
        wanted = run_export_id(schedule, decision.run.at)
        if schedule.incremental:
            window = _window(schedule, decision.run, wanted, context)
        changes |= {
            "run_due": iso(decision.run.at),
            "run_export_id": wanted,
            "run_from": window[0],
            "run_to": window[1],
            "run_state": STARTING,
            "run_outcome": "",
        }
    decided = context.schedules.change(
        schedule,
        f"decide-{uuid4().hex}",
        guard=lambda present: present.last_op_id == schedule.last_op_id,
        **changes,
    )
    if decided is None or decision.run is None:
        return None
    run = Run(schedule.id, decided.run_due, decided.run_export_id, decision.missed, *window)
    context.schedules.note(run)
    return decided


def _window(schedule: Schedule, run: Due, wanted: str, context: Services) -> tuple[str, str]:
    """From where the last successful run ended, to as near to this one's time as all rows are committed."""
    export_type = export_type_named(ExportRequest.model_validate_json(schedule.request).export_type)
    if not (isinstance(export_type, SqlExport) and export_type.watermark_sql):
        raise CannotRun(f"export type '{export_type.name}' has no watermark any more")
    start = schedule.run_from if _failed(schedule, wanted, context) else schedule.run_to
    if export_type.watermark_type == "integer":
        return start, str(max(int(start or 0), int(schedule.mark)))
    return start, max(start, iso(run.at - export_type.settle))


def _numbered(schedule: Schedule) -> SqlExport | None:
    """The export type of an incremental schedule whose rows have numbers."""
    if not schedule.incremental:
        return None
    export_type = export_type_named(ExportRequest.model_validate_json(schedule.request).export_type)
    if isinstance(export_type, SqlExport) and export_type.watermark_type == "integer":
        return export_type
    return None


def _marked(schedule: Schedule, export_type: SqlExport, context: Services) -> Schedule | None:
    """The schedule with the mark of the time that it waits for; None when somebody else has changed it meanwhile.

    Numbers up to the highest were drawn before that, so that all rows with one of them are committed when ``settle``
    has passed. Raises ``SourceUnavailable`` and ``QueryFailed``.
    """
    if schedule.marked_for == schedule.due_at:
        return schedule
    first = schedule.run_from if schedule.run_outcome != COMPLETED else schedule.run_to
    query = numbers_from(export_type, schedule.tenant, first)
    try:
        with Deadline.after(MARK_SECONDS).interrupting() as interrupt:
            ranges = open_source(context.settings.source_url).plan(query, repeat(_ALL), interrupt=interrupt)
    except TookTooLong:
        raise SourceUnavailable(f"the database has not given the mark within {MARK_SECONDS} seconds") from None
    mark = str(int(str(ranges[-1].upper[0])) + 1) if ranges else first or "0"
    return context.schedules.change(
        schedule,
        f"mark-{uuid4().hex}",
        guard=lambda present: present.last_op_id == schedule.last_op_id,
        mark=mark,
        marked_at=iso(utc_now()),  # later than the look, never before it
        marked_for=schedule.due_at,
    )


_ALL = 10**9
"""Rows of a range that has all of them."""

MARK_SECONDS = 120
"""How long the database may look for a mark; after that, nothing runs there any more."""


def _failed(schedule: Schedule, wanted: str, context: Services) -> bool:
    """Whether the last run did not deliver its window; then its export never will. Raises ``StillRuns``."""
    if not schedule.run_export_id:
        return False
    record = context.records.get(schedule.tenant, schedule.run_export_id)
    if record is None:
        return schedule.run_outcome != COMPLETED
    if delivered(record):
        return False

    def check(present: ExportRecord) -> None:
        if present.status not in FINAL or delivered(present):
            raise StillRuns

    context.records.change(record.tenant, record.id, f"superseded-{wanted}", guard=check, superseded_by=wanted)
    return True


def delivered(record: ExportRecord) -> bool:
    """Whether the export has, or had, its file."""
    return record.status == Status.COMPLETED or (record.status == Status.EXPIRED and bool(record.file_name))


def settle(schedule: Schedule, context: Services, note: str = "") -> Schedule | None:
    """Count how the last run ended; give the schedule as it is then, None when it has not ended, or is settled.

    ``note``: the run could not be begun, for this reason, and the schedule is stopped.
    """
    if schedule.run_state not in (STARTING, RUNNING):
        return None
    outcome = REFUSED
    if not note:
        record = context.records.get(schedule.tenant, schedule.run_export_id)
        if (record is None and schedule.run_state == STARTING) or (record is not None and record.status not in FINAL):
            return None
        outcome = MISSING if record is None else COMPLETED if delivered(record) else str(record.status)
    failures = schedule.failures + 1 if outcome == Status.FAILED else 0 if outcome == COMPLETED else schedule.failures
    most = _or_setting(schedule.stop_after_failures, context.settings.schedule_stop_after_failures)
    reason = note
    if most and failures >= most:
        reason = f"{count(failures, 'run')} failed in a row"
    settled = context.schedules.change(
        schedule,
        f"settle-{uuid4().hex}",
        guard=lambda present: (present.run_due, present.run_state) == (schedule.run_due, schedule.run_state),
        run_state=SETTLED,
        run_outcome=outcome,
        failures=failures,
        **(stopping(schedule, reason) if reason and schedule.state == ACTIVE else {}),
    )
    if settled is not None:
        explain(schedule, note, context, outcome)
    return settled


def settle_before_removal(record: ExportRecord, context: Services) -> None:
    """Count the end of a run's export that is about to be deleted: afterwards nobody could tell how it was."""
    schedule = context.schedules.get(record.tenant, str(record.request.get("schedule", "-")))
    if schedule is not None and schedule.run_export_id == record.id:
        settle(schedule, context)


def explain(schedule: Schedule, note: str, context: Services, outcome: str = "") -> None:
    """Note in the history how the last run ended, or what is in its way."""
    run = context.schedules.run(schedule) or Run(
        schedule.id, schedule.run_due, schedule.run_export_id, 0, schedule.run_from, schedule.run_to
    )
    context.schedules.note(replace(run, outcome=outcome, note=note))


def stopping(schedule: Schedule, reason: str) -> dict[str, str]:
    """The changes that stop a schedule; ``notice`` has its owner told."""
    notice = f"{schedule.id}/{schedule.run_due or schedule.due_at}"
    return {"state": STOPPED, "stop_reason": reason, "notice": notice, "due_at": "", "run_at": ""}


def refuse(schedule: Schedule, reason: str, context: Services) -> Schedule | None:
    """Stop a schedule that is due before anything runs for it, and note why; None when somebody else was faster.

    What the row says of the last run stays, for the window of a later run goes by it.
    """
    due = from_iso(schedule.due_at)
    stopped = context.schedules.change(
        schedule,
        f"refuse-{uuid4().hex}",
        guard=lambda present: present.last_op_id == schedule.last_op_id,
        **{**stopping(schedule, reason), "notice": f"{schedule.id}/{schedule.due_at}"},
    )
    if stopped is not None:
        refused = Run(schedule.id, schedule.due_at, run_export_id(schedule, due), outcome=REFUSED, note=reason)
        context.schedules.note(refused)
    return stopped


def unread(schedule: Schedule, context: Services) -> int:
    """How many files in a row nobody has fetched, when they are as many as stop a schedule; else 0."""
    most = _or_setting(schedule.stop_after_unread, context.settings.schedule_stop_after_unread)
    runs: Sequence[Run] = context.schedules.runs(schedule.id, most, "")[0] if most else ()
    if not most or len(runs) < most:
        return 0
    for run in runs:
        record = context.records.get(schedule.tenant, run.export_id)
        if run.due <= schedule.resumed_at or run.outcome != COMPLETED or record is None or record.downloaded_at:
            return 0
    return most


def _or_setting(own: int, setting: int) -> int:
    return setting if own < 0 else own
