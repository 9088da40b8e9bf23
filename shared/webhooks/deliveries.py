"""What is sent to an endpoint, and what became of it: one table row for each event and endpoint."""

import hashlib
import json
from base64 import b32encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from azure.core.exceptions import (
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceResponseError,
)
from azure.data.tables import TableServiceClient

from shared.errors import StorageUnavailable
from shared.jobs.records import sorted_newest_first
from shared.storage.accounts import storage_errors
from shared.storage.long_text import join_text, split_text
from shared.storage.names import DELIVERIES_TABLE
from shared.storage.pages import listing_page
from shared.storage.tables import change_row, ensure_table, quoted

ROUNDS = 20
"""How often an event may be sent to an endpoint, each time with all its attempts: they are kept in one row."""


class DeliveryStatus(StrEnum):
    """The status of a delivery, as the API shows it."""

    PENDING = "Pending"
    DELIVERED = "Delivered"
    FAILED = "Failed"


@dataclass(frozen=True)
class Attempt:
    """One POST. ``status`` is the answer's, 0 when there was none: then ``error`` says why."""

    round: int
    number: int
    at: str
    milliseconds: int
    status: int = 0
    error: str = ""

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True)
class Delivery:
    """An event for an endpoint. ``body`` is what every attempt sends; ``created_at`` is ISO-8601 UTC."""

    endpoint: str
    id: str
    tenant: str
    event: str
    type: str
    created_at: str
    body: str
    status: str = DeliveryStatus.PENDING
    round: int = 1
    attempts: tuple[Attempt, ...] = ()
    error: str = ""

    def attempt(self, round_: int, number: int) -> Attempt | None:
        """An attempt that is recorded."""
        return next((a for a in self.attempts if (a.round, a.number) == (round_, number)), None)

    def to_entity(self) -> dict[str, Any]:
        """The table row."""
        values = asdict(self)
        endpoint, delivery_id = values.pop("endpoint"), values.pop("id")
        attempts = split_text("attempts", json.dumps(values.pop("attempts")))
        return {"PartitionKey": endpoint, "RowKey": delivery_id, **values, **split_text("body", self.body), **attempts}

    @classmethod
    def from_entity(cls, entity: Mapping[str, Any]) -> Self:
        """The delivery in a table row; columns that this release does not know are left out."""
        known = {f.name for f in fields(cls)}
        values = {name: value for name, value in entity.items() if name in known}
        values["body"] = join_text(entity, "body")
        values["attempts"] = tuple(Attempt(**attempt) for attempt in json.loads(join_text(entity, "attempts")))
        return cls(endpoint=entity["PartitionKey"], id=entity["RowKey"], **values)


def delivery_id(event: str, endpoint: str, at: datetime) -> str:
    """The id of the delivery to an endpoint of an event that happened at this time: always the same; newest first."""
    digest = hashlib.sha256(f"{event}\n{endpoint}".encode()).digest()
    return sorted_newest_first(at) + b32encode(digest[:15]).decode().lower()


class Deliveries:
    """The table of deliveries. Every method raises ``StorageUnavailable`` when the account is away."""

    def __init__(self, service: TableServiceClient) -> None:
        self._table = service.get_table_client(DELIVERIES_TABLE)

    def prepare(self) -> None:
        """Create the table unless it is there."""
        ensure_table(self._table)

    def begin(self, wanted: Delivery) -> Delivery:
        """Write a delivery unless it is there, and give the one that is."""
        with storage_errors():
            try:
                self._table.create_entity(wanted.to_entity())
            except (ResourceExistsError, ServiceResponseError):
                found = self.get(wanted.endpoint, wanted.id)
                if found is None:
                    raise StorageUnavailable("a delivery could not be written") from None
                return found
        return wanted

    def get(self, endpoint: str, delivery: str) -> Delivery | None:
        """The delivery, or None."""
        with storage_errors():
            try:
                return Delivery.from_entity(self._table.get_entity(endpoint, delivery))
            except ResourceNotFoundError:
                return None

    def change(self, endpoint: str, delivery: str, how: Callable[[Delivery], Delivery]) -> Delivery | None:
        """Change a delivery, whoever else does at the same time; None when it is gone. ``how`` may be called again."""
        return change_row(self._table, endpoint, delivery, Delivery.from_entity, how, f"the delivery {delivery}")

    def page(self, endpoint: str, limit: int, after: str) -> tuple[list[Delivery], str]:
        """Up to ``limit`` deliveries of an endpoint, newest first, from a cursor on; see ``listing_page``."""
        found, cursor = listing_page(self._table, f"PartitionKey eq '{quoted(endpoint)}'", after, limit)
        return [Delivery.from_entity(entity) for entity in found], cursor

    def older_than(self, endpoint: str, moment: datetime) -> Iterator[Delivery]:
        """The deliveries of an endpoint whose events happened before a time."""
        where = "PartitionKey eq @endpoint and RowKey gt @first"
        with storage_errors():
            found = self._table.query_entities(
                where, parameters={"endpoint": endpoint, "first": sorted_newest_first(moment)}
            )
            for entity in found:
                yield Delivery.from_entity(entity)

    def remove(self, delivery: Delivery) -> None:
        """Remove the row; nothing happens when it is gone."""
        with storage_errors():
            self._table.delete_entity(delivery.endpoint, delivery.id)


def in_round(delivery: Delivery, round_: int) -> Delivery:
    """The delivery, to be sent again as its round of this number; unchanged when it has got that far."""
    if delivery.round >= round_:
        return delivery
    return replace(delivery, round=round_, status=DeliveryStatus.PENDING, error="")
