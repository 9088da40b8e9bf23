"""What happened to exports and is still to be announced: rows beside the records, written in the same transaction.

A row stays until everybody who wants to hear of it is sure to: webhooks (``activities/announce.py``), and whoever asked
for an export that has completed or failed (``activities/notify.py``).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal, Self

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError, ServiceResponseError
from azure.data.tables import TableServiceClient

from shared.storage.accounts import storage_errors
from shared.storage.long_text import join_text, split_text
from shared.storage.names import EXPORTS_TABLE
from shared.storage.tables import change_row

FIRST_ROW = "~"
"""Keys of outbox rows begin with it: in a tenant's partition they come after the ids of all exports."""


class EventType(StrEnum):
    """What can happen, as receivers see it."""

    EXPORT_COMPLETED = "export.completed"
    EXPORT_FAILED = "export.failed"
    EXPORT_CANCELLED = "export.cancelled"
    EXPORT_EXPIRED = "export.expired"
    WEBHOOK_PING = "webhook.ping"


Hearer = Literal["webhooks", "asker"]
"""Who is told of an event: the tenant's webhooks, and who asked for the export."""


@dataclass(frozen=True)
class Entry:
    """An event to announce. ``id`` is the event's, the same however often it is announced; ``at`` is ISO-8601 UTC.

    With an ``endpoint`` the event is for this one only, and ``round`` is which time it is sent there. ``told`` are
    those who need not be told any more.
    """

    tenant: str
    id: str
    type: str
    at: str
    data: Mapping[str, Any] = field(default_factory=dict)
    endpoint: str = ""
    delivery: str = ""
    round: int = 1
    told: frozenset[Hearer] = frozenset()

    @property
    def to_tell(self) -> frozenset[Hearer]:
        """Who is still to be told."""
        asked = not self.endpoint and self.type in (EventType.EXPORT_COMPLETED, EventType.EXPORT_FAILED)
        hearers: frozenset[Hearer] = frozenset(("webhooks", "asker") if asked else ("webhooks",))
        return hearers - self.told

    def to_entity(self) -> dict[str, Any]:
        """The table row."""
        return {
            "PartitionKey": self.tenant,
            "RowKey": self.row,
            "event": self.id,
            "type": self.type,
            "at": self.at,
            "endpoint": self.endpoint,
            "delivery": self.delivery,
            "round": self.round,
            "told": ",".join(sorted(self.told)),
            **split_text("data", json.dumps(dict(self.data), ensure_ascii=False)),
        }

    @classmethod
    def from_entity(cls, entity: Mapping[str, Any]) -> Self:
        """The entry in a table row."""
        return cls(
            entity["PartitionKey"],
            entity["event"],
            entity["type"],
            entity["at"],
            json.loads(join_text(entity, "data")),
            entity["endpoint"],
            entity["delivery"],
            entity["round"],
            frozenset(filter(None, entity.get("told", "").split(","))),
        )

    @property
    def row(self) -> str:
        return f"{FIRST_ROW}{self.id}" + (f"_{self.endpoint}_{self.round}" if self.endpoint else "")


def event_id(export_id: str, attempt: int, event: EventType) -> str:
    """The id of what happened to an export in this attempt: the same whoever finds out, and never of anything else.

    >>> event_id("0abc", 1, EventType.EXPORT_FAILED)
    'evt_0abc_1_failed'
    """
    return f"evt_{export_id}_{attempt}_{event.removeprefix('export.')}"


class Outbox:
    """The rows. Every method raises ``StorageUnavailable`` when the account is away."""

    def __init__(self, service: TableServiceClient) -> None:
        self._table = service.get_table_client(EXPORTS_TABLE)

    def add(self, entry: Entry) -> None:
        """Add what is no transition of an export; once, however often it is said."""
        with storage_errors():
            for last in (False, True):
                try:
                    self._table.create_entity(entry.to_entity())
                except ResourceExistsError:
                    return
                except ServiceResponseError:
                    if last:
                        raise
                else:
                    return

    def of_export(self, tenant: str, export_id: str) -> list[Entry]:
        """What is to be announced of an export, oldest attempt first."""
        return list(self._between(tenant, f"{FIRST_ROW}evt_{export_id}_", f"{FIRST_ROW}evt_{export_id}`"))

    def of_tenant(self, tenant: str) -> list[Entry]:
        """Everything that is to be announced in a tenant."""
        return list(self._between(tenant, FIRST_ROW, "\x7f"))

    def note(self, entry: Entry, hearer: Hearer) -> None:
        """Note that these are told; strike the row off when nobody else is to be. Nothing happens when it is gone."""
        if entry.to_tell <= {hearer}:
            return self.remove(entry)
        told = change_row(
            self._table,
            entry.tenant,
            entry.row,
            Entry.from_entity,
            lambda present: replace(present, told=present.told | {hearer}),
            f"the event {entry.id}",
        )
        if told is not None and not told.to_tell:
            self.remove(told)
        return None

    def remove(self, entry: Entry) -> None:
        """Strike off what is announced; nothing happens when it is gone."""
        with storage_errors():
            try:
                self._table.delete_entity(entry.to_entity())
            except ResourceNotFoundError:
                return

    def _between(self, tenant: str, first: str, end: str) -> Iterator[Entry]:
        where = "PartitionKey eq @tenant and RowKey ge @first and RowKey lt @end"
        with storage_errors():
            found = self._table.query_entities(where, parameters={"tenant": tenant, "first": first, "end": end})
            for entity in found:
                yield Entry.from_entity(entity)
