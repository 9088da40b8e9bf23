"""A new row, where there may be only so many of a kind: exact, however many come at once, and nothing leaks.

Nobody counts up or down. Whoever makes a row has the lock of that limit while it counts and writes; what is deleted
makes room by itself. A lock is a row of a table of its own, because the last release reads every row of the tables of
webhooks and schedules. A process that dies with a lock has it for ``_LIFETIME``, then the next one takes it.
"""

import random
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceResponseError,
)
from azure.data.tables import TableClient, TableEntity, TableServiceClient, UpdateMode

from shared.errors import StorageUnavailable
from shared.storage.accounts import storage_errors
from shared.storage.names import LOCKS_TABLE
from shared.storage.tables import ensure_table
from shared.timestamps import from_iso, iso, utc_now

_LIFETIME = 10.0
"""Seconds after which others take a lock. Its holder relies on half of it: clocks of machines differ."""

_LONGEST_WAIT = 20.0
_LONGEST_PAUSE = 0.2
_PATIENCE = 1.0
"""Seconds that a thread waits for the others of its process, which spares the table their collisions."""

_turn = threading.Lock()


@dataclass(frozen=True)
class Limit:
    """What is limited: ``name`` tells the limits of a tenant apart, ``what`` is how errors call it.

    ``count`` gives how many there are, of which ``most`` are allowed. It may be called more than once.
    """

    tenant: str
    name: str
    what: str
    most: int
    count: Callable[[], int]


class Locks:
    """The table of locks. Every method raises ``StorageUnavailable`` when the account is away."""

    def __init__(self, service: TableServiceClient) -> None:
        self._table = service.get_table_client(LOCKS_TABLE)

    def prepare(self) -> None:
        """Create the table unless it is there."""
        ensure_table(self._table)

    def create_within(self, table: TableClient, row: Mapping[str, Any], limit: Limit) -> bool:
        """Write a new row unless the limit is reached; whether it is there. Its keys are nobody else's."""
        holder, end, pause = secrets.token_hex(8), time.monotonic() + _LONGEST_WAIT, 0.01
        mine = _turn.acquire(timeout=_PATIENCE)
        try:
            while time.monotonic() < end:
                taken_at = time.monotonic()
                if etag := self._take(limit, holder):
                    try:
                        done = _written(table, row, limit, taken_at)
                    finally:
                        self._give_back(limit, etag)
                else:
                    done = _refused(table, row, limit)
                if done is not None:
                    return done
                time.sleep(random.uniform(0, pause))  # noqa: S311 - spreads load
                pause = min(_LONGEST_PAUSE, pause + 0.01)
        finally:
            if mine:
                _turn.release()
        raise StorageUnavailable(f"{limit.what} are being made too often at the same time; try again")

    def _take(self, limit: Limit, holder: str) -> str:
        """The ETag of the lock, or an empty text when somebody else has it."""
        until = iso(utc_now() + timedelta(seconds=_LIFETIME))
        lock = {"PartitionKey": limit.tenant, "RowKey": limit.name, "holder": holder, "until": until}
        with storage_errors():
            try:
                return str(self._table.create_entity(lock)["etag"])
            except ServiceResponseError:
                return ""  # the next look finds whose it is
            except ResourceExistsError:
                return self._take_over(lock)

    def _take_over(self, lock: Mapping[str, Any]) -> str:
        """The same, where there is a lock: one whose time is over, or that an answer was lost to, is taken."""
        found = _found(self._table, lock["PartitionKey"], lock["RowKey"])
        if found is None or (from_iso(str(found["until"])) > utc_now() and found["holder"] != lock["holder"]):
            return ""
        condition: dict[str, Any] = {"etag": found.metadata["etag"], "match_condition": MatchConditions.IfNotModified}
        try:
            return str(self._table.update_entity(lock, mode=UpdateMode.REPLACE, **condition)["etag"])
        except (ResourceModifiedError, ResourceNotFoundError, ServiceResponseError):
            return ""

    def _give_back(self, limit: Limit, etag: str) -> None:
        """Remove the lock if it is as it was taken. What cannot be removed now ends by itself."""
        lock = {"PartitionKey": limit.tenant, "RowKey": limit.name}
        with suppress(AzureError):
            self._table.delete_entity(lock, etag=etag, match_condition=MatchConditions.IfNotModified)


def _found(table: TableClient, partition: str, row: str) -> TableEntity | None:
    try:
        return table.get_entity(partition, row)
    except ResourceNotFoundError:
        return None


def _refused(table: TableClient, row: Mapping[str, Any], limit: Limit) -> bool | None:
    """False when the limit is reached, unless the row is there because an answer was lost; None while there is room."""
    with storage_errors():
        if limit.count() < limit.most:
            return None
        return _found(table, row["PartitionKey"], row["RowKey"]) is not None


def _written(table: TableClient, row: Mapping[str, Any], limit: Limit, taken_at: float) -> bool | None:
    """Count and write with the lock; None when it took so long that somebody else may have the lock by now."""
    if (done := _refused(table, row, limit)) is not None:
        return done
    with storage_errors():
        try:
            table.create_entity(row)
        except ResourceExistsError:
            return True
        except ServiceResponseError:
            return None  # the next look finds it, if it was written all the same
        if time.monotonic() - taken_at < _LIFETIME / 2:
            return True
        table.delete_entity(row["PartitionKey"], row["RowKey"])
    return None
