"""What a tenant has running and waiting, and what it used today: one row a tenant, changed by one writer at a time.

The row is the list of exports that are not at their end, too: an export is entered before its record is written and
struck off after its end, so that the watchdog finds whatever was lost in between without looking at any other record.
Some of them run, and the others wait for their turn (``docs/decisions/0003-tenants-take-turns.md``).
"""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceResponseError,
)
from azure.data.tables import TableServiceClient, UpdateMode

from shared.errors import FileOverQuota, QuotaReached, StorageUnavailable
from shared.storage.accounts import storage_errors
from shared.storage.long_text import join_text, split_text
from shared.storage.names import USAGE_TABLE
from shared.storage.tables import ensure_table
from shared.timestamps import utc_now

_RACES = 100
_LOST_ANSWERS = 3
_LONGEST_PAUSE = 0.2
_PATIENCE = 1.0
"""Seconds that a thread waits for the others of its process, which spares the table their collisions."""

_RUNNING_RETRY_SECONDS = 30


@dataclass(frozen=True)
class Limits:
    """The most that a tenant, and a user in it, may have running or waiting, start in a day, and make in bytes a day.

    A day is one of UTC. Bytes are those of finished files. ``at_once`` of a tenant's exports run, the others wait.
    """

    running_per_tenant: int
    running_per_user: int
    exports_per_tenant: int
    exports_per_user: int
    bytes_per_tenant: int
    bytes_per_user: int
    at_once: int


@dataclass(frozen=True)
class Turns:
    """The ids of exports whose turn has just come, and of those that wait on."""

    chosen: tuple[str, ...]
    waiting: tuple[str, ...]


@dataclass(frozen=True)
class LiveExport:
    """An export that is not known to have ended; ``since`` is when it was entered, ``runs``: it has had its turn."""

    tenant: str
    export_id: str
    user: str
    since: datetime
    runs: bool


_EARLIER = -1
"""Bytes that were charged before midnight: they do not count again."""


@dataclass
class _Live:
    """An export in the row: who asked, the second of its entry, whether it has had its turn, and bytes charged."""

    user: str
    since: int
    runs: bool = True
    charged: int = 0


@dataclass(frozen=True)
class TenantUse:
    """What a tenant has: exports running, exports begun today, bytes of files made today."""

    tenant: str
    running: int
    exports: int
    bytes: int


@dataclass
class _Day:
    """One tenant's row. ``live`` by export id, in the order of entry; the others count by user since midnight."""

    day: str
    live: dict[str, _Live] = field(default_factory=dict)
    exports: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)


class Usage:
    """The table of usage. Every method raises ``StorageUnavailable`` when the account is away."""

    def __init__(self, service: TableServiceClient) -> None:
        self._table = service.get_table_client(USAGE_TABLE)
        self._turn = threading.Lock()

    def prepare(self) -> None:
        """Create the table unless it is there."""
        ensure_table(self._table)

    def enter(self, tenant: str, user: str, export_id: str, limits: Limits, *, counts: bool = True) -> bool:
        """Note that an export begins; once, however often it is said. Raises ``QuotaReached``.

        ``counts``: as one of today's exports, too. Gives whether it may run now; otherwise it waits for its turn.
        """
        runs = False

        def change(row: _Day, now: datetime) -> bool:
            nonlocal runs
            if export_id in row.live:
                runs = row.live[export_id].runs
                return False
            _check(row, user, limits, now)
            runs = len(row.live) < limits.at_once  # one that waits goes first, and whoever gives turns starts it
            row.live[export_id] = _Live(user, int(now.timestamp()), runs)
            if counts:
                row.exports[user] = row.exports.get(user, 0) + 1
            return True

        self._change(tenant, change)
        return runs

    def next_turns(self, tenant: str, limits: Limits) -> Turns:
        """Give as many exports their turn as there is room for."""
        chosen: list[str] = []
        waiting: list[str] = []

        def change(row: _Day, _now: datetime) -> bool:
            chosen[:] = _take_turns(row, limits.at_once)
            waiting[:] = [export_id for export_id, entry in row.live.items() if not entry.runs]
            return bool(chosen)

        self._change(tenant, change)
        return Turns(tuple(chosen), tuple(waiting))

    def charge(self, tenant: str, export_id: str, file_bytes: int, limits: Limits) -> None:
        """Count the bytes of a file that is about to be published; once. Raises ``FileOverQuota`` if it has no room."""

        def change(row: _Day, _now: datetime) -> bool:
            entry = row.live.get(export_id)
            if entry is None or entry.charged or not file_bytes:
                return False
            for whose, limit, used in (
                ("your organisation", limits.bytes_per_tenant, sum(row.bytes.values())),
                ("you", limits.bytes_per_user, row.bytes.get(entry.user, 0)),
            ):
                if used + file_bytes > limit:
                    have = "has" if whose != "you" else "have"
                    raise FileOverQuota(
                        f"{whose} {have} {used:,} bytes of files today, and this file has {file_bytes:,}; the limit is "
                        f"{limit:,}; retry the export after midnight UTC"
                    )
            entry.charged = file_bytes
            row.bytes[entry.user] = row.bytes.get(entry.user, 0) + file_bytes
            return True

        self._change(tenant, change)

    def leave(self, tenant: str, export_id: str, file_bytes: int = 0) -> None:
        """Note that an export has ended, with a file of so many bytes; once, however often it is said."""

        def change(row: _Day, _now: datetime) -> bool:
            entry = row.live.pop(export_id, None)
            if entry is None:
                return False
            if entry.charged == 0 or (entry.charged > 0 and not file_bytes):
                row.bytes[entry.user] = row.bytes.get(entry.user, 0) + file_bytes - entry.charged
            return True

        self._change(tenant, change)

    def tenants(self) -> Iterator[TenantUse]:
        """What every tenant has running and used today."""
        today = utc_now().date().isoformat()
        with storage_errors():
            for entity in self._table.list_entities():
                row = _row(entity, today)
                used = (sum(row.exports.values()), sum(row.bytes.values()))
                yield TenantUse(entity["PartitionKey"], len(row.live), *used)

    def live(self) -> Iterator[LiveExport]:
        """Every export of every tenant that has not left."""
        with storage_errors():
            for entity in self._table.list_entities():
                for export_id, entry in _row(entity, "").live.items():
                    since = datetime.fromtimestamp(entry.since, UTC)
                    yield LiveExport(entity["PartitionKey"], export_id, entry.user, since, entry.runs)

    def _change(self, tenant: str, change: Callable[[_Day, datetime], bool]) -> None:
        mine = self._turn.acquire(timeout=_PATIENCE)
        try:
            self._change_in_turn(tenant, change)
        finally:
            if mine:
                self._turn.release()

    def _change_in_turn(self, tenant: str, change: Callable[[_Day, datetime], bool]) -> None:
        lost = 0
        for race in range(_RACES):
            with storage_errors():
                now = utc_now()
                try:
                    entity = self._table.get_entity(tenant, "")
                except ResourceNotFoundError:
                    entity = None
                row = _row(entity or {}, now.date().isoformat())
                if not change(row, now):
                    return
                try:
                    if entity is None:
                        self._table.create_entity(_entity(tenant, row))
                    else:
                        self._table.update_entity(
                            _entity(tenant, row),
                            mode=UpdateMode.REPLACE,
                            etag=entity.metadata["etag"],
                            match_condition=MatchConditions.IfNotModified,
                        )
                except ServiceResponseError:
                    lost += 1  # it may have been written all the same: then the next look finds it
                    if lost == _LOST_ANSWERS:
                        raise
                except (ResourceExistsError, ResourceModifiedError):
                    time.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.01 * (race + 1))))  # noqa: S311 - spreads load
                else:
                    return
        raise StorageUnavailable("the organisation's exports are being counted too often at the same time; try again")


def _check(row: _Day, user: str, limits: Limits, now: datetime) -> None:
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    tomorrow = int((midnight - now).total_seconds()) + 1
    live = [entry.user for entry in row.live.values()]
    running = "exports running or waiting"
    for who, limit, used, what, wait in (
        ("your organisation has", limits.running_per_tenant, len(live), running, _RUNNING_RETRY_SECONDS),
        ("you have", limits.running_per_user, live.count(user), running, _RUNNING_RETRY_SECONDS),
        ("your organisation has", limits.exports_per_tenant, sum(row.exports.values()), "exports today", tomorrow),
        ("you have", limits.exports_per_user, row.exports.get(user, 0), "exports today", tomorrow),
        ("your organisation has", limits.bytes_per_tenant, sum(row.bytes.values()), "bytes of files today", tomorrow),
        ("you have", limits.bytes_per_user, row.bytes.get(user, 0), "bytes of files today", tomorrow),
    ):
        if used >= limit:
            until = "when one has ended" if wait == _RUNNING_RETRY_SECONDS else "after midnight UTC"
            raise QuotaReached(f"{who} {used:,} {what}; the limit is {limit:,}; try again {until}", wait)


def _take_turns(row: _Day, at_once: int) -> list[str]:
    """Let exports run while there is room: first those of whoever has fewest running, then those that wait longest."""
    running = Counter(entry.user for entry in row.live.values() if entry.runs)
    waiting = [export_id for export_id, entry in row.live.items() if not entry.runs]
    chosen: list[str] = []
    while waiting and running.total() < at_once:
        export_id = min(waiting, key=lambda waits: running[row.live[waits].user])
        waiting.remove(export_id)
        row.live[export_id].runs = True
        running[row.live[export_id].user] += 1
        chosen.append(export_id)
    return chosen


def _row(entity: Any, today: str) -> _Day:
    """The row as it stands today: yesterday's counts are no more."""
    if not entity:
        return _Day(today)
    live = {i: _Live(*values) for i, values in json.loads(join_text(entity, "live")).items()}
    if today and entity["day"] != today:
        for entry in live.values():
            entry.charged = _EARLIER if entry.charged else 0
        return _Day(today, live)
    return _Day(entity["day"], live, json.loads(entity["exports"]), json.loads(entity["bytes"]))


def _entity(tenant: str, row: _Day) -> dict[str, Any]:
    live = {i: (entry.user, entry.since, entry.runs, entry.charged) for i, entry in row.live.items()}
    return {
        "PartitionKey": tenant,
        "RowKey": "",
        "day": row.day,
        "exports": json.dumps(row.exports),
        "bytes": json.dumps(row.bytes),
        **split_text("live", json.dumps(live, separators=(",", ":"))),
    }
