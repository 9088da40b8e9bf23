"""A new row, where a partition may have only so many of a kind: exact, however many come at once, and nothing leaks.

Nobody counts up or down. A guard row in the same partition changes in the same transaction as the new row is written
(entity group transaction), on condition that it is as it was before the rows were counted. So of two who counted at
the same time one is refused, and counts again. A process that dies leaves nothing, and what is deleted makes room by
itself.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError, ServiceResponseError
from azure.data.tables import TableClient, TableEntity, UpdateMode

from shared.errors import StorageUnavailable
from shared.storage.accounts import storage_errors

FIRST_KEY = "0"
"""Row keys of guards are less than this, those of other rows are not: ``RowKey ge '0'`` leaves guards out."""

_RACES = 100
_LONGEST_PAUSE = 0.2
_PATIENCE = 1.0
"""Seconds that a thread waits for the others of its process, which spares the table their collisions."""

_LOST_RACE = (404, 409, 412)
_turn = threading.Lock()


def guard_key(name: str) -> str:
    """The row key of a guard; ``name`` tells the guards of a partition apart."""
    return f"!{name}"


def create_within(
    table: TableClient, row: Mapping[str, Any], guard: str, count: Callable[[], int], most: int, what: str
) -> bool:
    """Write a new row unless ``count()`` is ``most`` or more; whether it was written.

    ``count`` may be called more than once. Raises ``StorageUnavailable``, which says that it was about ``what``.
    """
    mine = _turn.acquire(timeout=_PATIENCE)
    try:
        for race in range(_RACES):
            with storage_errors():
                before = _found(table, row["PartitionKey"], guard)
                if _found(table, row["PartitionKey"], row["RowKey"]) is not None:
                    return True  # the answer to the last try was lost
                if count() >= most:
                    return False
                if _written(table, row, guard, before):
                    return True
            time.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.01 * (race + 1))))  # noqa: S311 - spreads load
    finally:
        if mine:
            _turn.release()
    raise StorageUnavailable(f"{what} are being made too often at the same time; try again")


def _found(table: TableClient, partition: str, row: str) -> TableEntity | None:
    try:
        return table.get_entity(partition, row)
    except ResourceNotFoundError:
        return None


def _written(table: TableClient, row: Mapping[str, Any], guard: str, before: TableEntity | None) -> bool:
    guarding = {"PartitionKey": row["PartitionKey"], "RowKey": guard, "made": 1}
    first: Any = ("create", guarding)
    if before is not None:
        guarding["made"] += before["made"]
        condition = {"etag": before.metadata["etag"], "match_condition": MatchConditions.IfNotModified}
        first = ("update", guarding, {"mode": UpdateMode.REPLACE, **condition})
    try:
        table.submit_transaction([first, ("create", row)])
    except ServiceResponseError:
        return False  # the next look finds it, if it was written all the same
    except HttpResponseError as error:
        if error.status_code in _LOST_RACE:
            return False
        raise
    return True
