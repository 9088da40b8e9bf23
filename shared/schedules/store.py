"""The rows of schedules and of their runs."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from functools import partial
from typing import Any, Self

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableServiceClient, UpdateMode

from shared.schedules.cron import Due, Timing
from shared.schedules.periods import Period
from shared.storage.accounts import storage_errors
from shared.storage.limited import Limit, Locks
from shared.storage.long_text import join_text, split_text
from shared.storage.names import SCHEDULE_RUNS_TABLE, SCHEDULES_TABLE
from shared.storage.pages import listing_page
from shared.storage.tables import change_row, ensure_table, entity_page, quoted
from shared.storage.user_key import person_key
from shared.timestamps import from_iso, iso

ACTIVE, PAUSED, STOPPED = "active", "paused", "stopped"
"""The state of a schedule: its owner paused it; Sluice stopped it, for a reason."""

STARTING, RUNNING, SETTLED = "starting", "running", "settled"
"""How far a run is: decided on; its export is there; how that ended is counted."""


@dataclass(frozen=True)
class Schedule:
    """One schedule. Times are ISO-8601 UTC, empty when there is none.

    ``due_at`` and ``run_at`` are what it waits for. ``run_...`` is its last run, of which there is one at a time:
    ``run_from`` and ``run_to`` are the window of an incremental run, ``run_outcome`` how its export ended.
    ``mark`` is the number of the first row that the next run leaves out, where rows have numbers, as it was at
    ``marked_at`` for the time ``marked_for``.
    ``failures`` are those in a row, since ``resumed_at`` if it was stopped before. ``notice`` names a stop that its
    owner has not been told of.
    """

    tenant: str
    id: str
    name: str
    created_by: str
    created_at: str
    cron: str
    time_zone: str
    request: str
    caller: Mapping[str, Any]
    caller_seen_at: str
    incremental: bool = False
    period: Period | None = None
    jitter_seconds: int = 0
    catch_up: bool = True
    stop_after_failures: int = -1
    stop_after_unread: int = -1
    state: str = ACTIVE
    stop_reason: str = ""
    notice: str = ""
    due_at: str = ""
    run_at: str = ""
    run_due: str = ""
    run_export_id: str = ""
    run_from: str = ""
    run_to: str = ""
    run_state: str = ""
    run_outcome: str = ""
    mark: str = ""
    marked_at: str = ""
    marked_for: str = ""
    failures: int = 0
    resumed_at: str = ""
    last_op_id: str = ""

    @property
    def timing(self) -> Timing:
        return Timing(self.id, self.cron, self.time_zone, self.jitter_seconds, self.catch_up)

    @property
    def waiting(self) -> Due:
        """What an active schedule waits for."""
        return Due(from_iso(self.due_at), from_iso(self.run_at))

    def to_entity(self) -> dict[str, Any]:
        values = asdict(self)
        values["caller"] = json.dumps(dict(self.caller), ensure_ascii=False)
        values |= split_text("request", values.pop("request"))
        values["period"] = self.period or ""
        return {"PartitionKey": values.pop("tenant"), "RowKey": values.pop("id"), **values}

    @classmethod
    def from_entity(cls, entity: Mapping[str, Any]) -> Self:
        known = {f.name for f in fields(cls)}
        values = {name: value for name, value in entity.items() if name in known}
        values["request"] = join_text(entity, "request")
        values["period"] = entity.get("period") or None
        values["caller"] = json.loads(values["caller"])
        return cls(tenant=entity["PartitionKey"], id=entity["RowKey"], **values)


@dataclass(frozen=True)
class Run:
    """One run of a schedule, for its history. ``missed`` are the times that it makes up for; ``note`` says what was
    in the way."""

    schedule_id: str
    due: str
    export_id: str
    missed: int = 0
    window_from: str = ""
    window_to: str = ""
    outcome: str = ""
    note: str = ""

    def to_entity(self) -> dict[str, Any]:
        values = asdict(self)
        return {"PartitionKey": values.pop("schedule_id"), "RowKey": run_row(self.due), **values}

    @classmethod
    def from_entity(cls, entity: Mapping[str, Any]) -> Self:
        known = {f.name for f in fields(cls)}
        values = {name: value for name, value in entity.items() if name in known}
        return cls(schedule_id=entity["PartitionKey"], **values)


_LAST_SECOND = 10**11


def run_row(due: str) -> str:
    """The row key of a run: the latest come first."""
    return f"{_LAST_SECOND - int(from_iso(due).timestamp()):011d}"


class Schedules:
    """The tables of schedules and runs. Every method raises ``StorageUnavailable`` when the account is away."""

    def __init__(self, service: TableServiceClient) -> None:
        self._schedules = service.get_table_client(SCHEDULES_TABLE)
        self._runs = service.get_table_client(SCHEDULE_RUNS_TABLE)
        self._locks = Locks(service)

    def prepare(self) -> None:
        """Create the tables unless they are there."""
        for table in (self._schedules, self._runs):
            ensure_table(table)
        self._locks.prepare()

    def create(self, schedule: Schedule, most: int) -> bool:
        """Write a new schedule unless its owner has ``most``; whether it was written."""
        name = f"schedules-{person_key(schedule.created_by)}"
        limit = Limit(schedule.tenant, name, "schedules", most, partial(self._count, schedule))
        return self._locks.create_within(self._schedules, schedule.to_entity(), limit)

    def _count(self, schedule: Schedule) -> int:
        """How many schedules the owner of this one has."""
        where = f"PartitionKey eq '{schedule.tenant}' and created_by eq '{quoted(schedule.created_by)}'"
        with storage_errors():
            return sum(1 for _ in self._schedules.query_entities(where, select=["RowKey"]))

    def get(self, tenant: str, schedule_id: str) -> Schedule | None:
        """The schedule, or None when this tenant has none of that id."""
        with storage_errors():
            try:
                return Schedule.from_entity(self._schedules.get_entity(tenant, schedule_id))
            except ResourceNotFoundError:
                return None

    def anywhere(self, schedule_id: str) -> Schedule | None:
        """The schedule of any tenant; for callers that may see all of them."""
        with storage_errors():
            found = self._schedules.query_entities(f"RowKey eq '{schedule_id}'")
            return next(map(Schedule.from_entity, found), None)

    def page(self, tenant: str, user: str, limit: int, after: str) -> tuple[list[Schedule], str]:
        """Up to ``limit`` schedules of a tenant, or of one user in it, newest first; see ``listing_page``."""
        where = f"PartitionKey eq '{tenant}'"
        where += f" and created_by eq '{quoted(user)}'" if user else ""
        found, cursor = listing_page(self._schedules, where, after, limit)
        return [Schedule.from_entity(entity) for entity in found], cursor

    def with_work(self, now: datetime) -> Iterator[Schedule]:
        """Those that are due, have a run on its way, or an owner to be told."""
        where = (
            f"(state eq '{ACTIVE}' and run_at le '{iso(now)}')"
            f" or run_state eq '{STARTING}' or run_state eq '{RUNNING}' or notice gt ''"
        )
        with storage_errors():
            yield from map(Schedule.from_entity, self._schedules.query_entities(where))

    def change(
        self,
        schedule: Schedule,
        op_id: str,
        *,
        guard: Callable[[Schedule], bool] = lambda present: True,
        **changes: Any,
    ) -> Schedule | None:
        """Change a schedule once per ``op_id`` while ``guard`` holds; None when it does not, or there is none."""

        def change(present: Schedule) -> Schedule | None:
            if present.last_op_id == op_id:
                return present
            return replace(present, **changes, last_op_id=op_id) if guard(present) else None

        what = f"schedule {schedule.id}"
        return change_row(self._schedules, schedule.tenant, schedule.id, Schedule.from_entity, change, what)

    def delete(self, schedule: Schedule) -> None:
        """Remove a schedule with its history; nothing happens when it is gone. Its exports stay."""
        with storage_errors():
            self._schedules.delete_entity(schedule.tenant, schedule.id)
            for entity in self._runs.query_entities(f"PartitionKey eq '{schedule.id}'"):
                self._runs.delete_entity(entity)

    def note(self, run: Run) -> None:
        """Write a run as it is now."""
        with storage_errors():
            self._runs.upsert_entity(run.to_entity(), mode=UpdateMode.REPLACE)

    def run(self, schedule: Schedule) -> Run | None:
        """The last run of a schedule, or None."""
        with storage_errors():
            try:
                return Run.from_entity(self._runs.get_entity(schedule.id, run_row(schedule.run_due)))
            except (ResourceNotFoundError, ValueError):
                return None

    def runs(self, schedule_id: str, limit: int, after: str) -> tuple[list[Run], str]:
        """Up to ``limit`` runs, the latest first, from a cursor on; see ``listing_page``."""
        found, cursor = listing_page(self._runs, f"PartitionKey eq '{schedule_id}'", after, limit)
        return [Run.from_entity(entity) for entity in found], cursor

    def old_runs(self, before: str, after: str, limit: int) -> tuple[list[Run], str]:
        """A page of runs that were due before that time; see ``entity_page``."""
        found, cursor = entity_page(self._runs, f"due le '{before}'", after, limit)
        return [Run.from_entity(entity) for entity in found], cursor

    def delete_run(self, run: Run) -> None:
        """Remove a run from the history."""
        with storage_errors():
            self._runs.delete_entity(run.schedule_id, run_row(run.due))
