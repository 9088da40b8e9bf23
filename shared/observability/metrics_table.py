"""The sums that processes have counted: one row for each process, and one for those that are gone.

All rows are in one partition, so that a row is added to the total and removed in one transaction: whoever reads counts
it once, whatever dies in between.
"""

import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableServiceClient, TableTransactionError, UpdateMode

from shared.observability.metrics import Sums, added
from shared.storage.accounts import storage_errors
from shared.storage.long_text import join_text, split_text
from shared.storage.names import COUNTS_TABLE
from shared.storage.tables import ensure_table
from shared.timestamps import utc_now

_PARTITION = "counts"
_TOTAL = "total"
_IDLE = timedelta(hours=1)
"""A row that was not written for so long is added to the total; its process, should it go on, begins another."""


class CountsTable:
    """The table. Every method raises ``StorageUnavailable`` when the account is away."""

    def __init__(self, service: TableServiceClient) -> None:
        self._table = service.get_table_client(COUNTS_TABLE)

    def prepare(self) -> None:
        """Create the table unless it is there."""
        ensure_table(self._table)

    def put(self, process: str, sums: Sums) -> None:
        """See ``shared.observability.metrics.Store``."""
        with storage_errors():
            self._table.upsert_entity(_entity(process, sums), mode=UpdateMode.REPLACE)

    def replace(self, process: str, sums: Sums) -> bool:
        """See ``shared.observability.metrics.Store``."""
        with storage_errors():
            try:
                self._table.update_entity(_entity(process, sums), mode=UpdateMode.REPLACE)
            except ResourceNotFoundError:
                return False
        return True

    def total(self, idle: timedelta = _IDLE) -> Sums:
        """The sums of all processes. Rows that were ``idle`` for so long are put together on the way."""
        whole: Sums = {}
        total: Any = None
        old: list[Any] = []
        with storage_errors():
            for entity in self._table.query_entities(f"PartitionKey eq '{_PARTITION}'"):
                whole = added(whole, _sums(entity))
                if entity["RowKey"] == _TOTAL:
                    total = entity
                elif utc_now() - (entity.metadata["timestamp"] or utc_now()) > idle:
                    old.append(entity)
            with suppress(TableTransactionError, ResourceNotFoundError):  # somebody else was faster
                self._put_together(total, old[:_IN_ONE_TRANSACTION])
        return whole

    def _put_together(self, total: Any, old: list[Any]) -> None:
        if not old:
            return
        sums: Sums = _sums(total) if total else {}
        for entity in old:
            sums = added(sums, _sums(entity))
        unchanged = MatchConditions.IfNotModified
        if total:
            options = {"mode": UpdateMode.REPLACE, "etag": total.metadata["etag"], "match_condition": unchanged}
            write: Any = ("update", _entity(_TOTAL, sums), options)
        else:
            write = ("create", _entity(_TOTAL, sums))
        removals = [("delete", e, {"etag": e.metadata["etag"], "match_condition": unchanged}) for e in old]
        self._table.submit_transaction([write, *removals])


_IN_ONE_TRANSACTION = 90
"""A transaction takes a hundred changes."""


def _entity(row: str, sums: Sums) -> dict[str, Any]:
    series = [[name, labels, values] for (name, labels), values in sums.items()]
    return {"PartitionKey": _PARTITION, "RowKey": row, **split_text("sums", json.dumps(series, separators=(",", ":")))}


def _sums(entity: Any) -> Sums:
    return {(name, tuple(labels)): values for name, labels, values in json.loads(join_text(entity, "sums"))}
