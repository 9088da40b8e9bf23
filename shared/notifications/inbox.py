"""In-app notifications: one row each, a partition for each person, newest first."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableServiceClient, UpdateMode

from shared.identity.caller import Caller
from shared.storage.accounts import storage_errors
from shared.storage.names import NOTIFICATIONS_TABLE
from shared.storage.pages import listing_page
from shared.storage.tables import ensure_table
from shared.storage.user_key import person_key
from shared.timestamps import from_iso

_LAST_MILLISECOND = 10**14 - 1


@dataclass(frozen=True)
class Notification:
    """What somebody was told about an export. Times are ISO-8601 UTC; ``read_at`` is empty while it is unread."""

    id: str
    kind: str
    export_id: str
    subject: str
    summary: str
    created_at: str
    read_at: str = ""


class Notifications:
    """The table of notifications. Every method raises ``StorageUnavailable`` when the account is away."""

    def __init__(self, service: TableServiceClient) -> None:
        self._table = service.get_table_client(NOTIFICATIONS_TABLE)

    def prepare(self) -> None:
        """Create the table unless it is there."""
        ensure_table(self._table)

    def add(self, tenant: str, user: str, told: Notification) -> None:
        """Write a notification; one that is there stays as it is."""
        columns = {name: value for name, value in asdict(told).items() if name != "id"}
        entity = {"PartitionKey": _partition(tenant, user), "RowKey": told.id, **columns}
        with storage_errors():
            try:
                self._table.create_entity(entity)
            except ResourceExistsError:
                return

    def get(self, caller: Caller, notification: str) -> Notification | None:
        """A person's notification, or None when they have none of that id."""
        with storage_errors():
            try:
                return _from_entity(self._table.get_entity(_partition(caller.tenant, caller.user), notification))
            except ResourceNotFoundError:
                return None

    def page(self, caller: Caller, limit: int, after: str, *, unread: bool) -> tuple[list[Notification], str]:
        """Up to ``limit`` of a person's notifications, newest first, from a cursor on; see ``listing_page``."""
        where = f"PartitionKey eq '{_partition(caller.tenant, caller.user)}'" + (" and read_at eq ''" if unread else "")
        found, cursor = listing_page(self._table, where, after, limit)
        return [_from_entity(entity) for entity in found], cursor

    def unread(self, caller: Caller) -> int:
        """How many a person has not read."""
        where = f"PartitionKey eq '{_partition(caller.tenant, caller.user)}' and read_at eq ''"
        with storage_errors():
            return sum(1 for _ in self._table.query_entities(where, select=["RowKey"]))

    def read(self, tenant: str, user: str, export_id: str, now: str) -> None:
        """Mark what a person was told about an export as read; what was read before stays as it is."""
        where = f"PartitionKey eq '{_partition(tenant, user)}' and export_id eq '{export_id}' and read_at eq ''"
        with storage_errors():
            for entity in self._table.query_entities(where, select=["PartitionKey", "RowKey"]):
                self._mark(entity["PartitionKey"], entity["RowKey"], now)

    def read_one(self, caller: Caller, notification: str, now: str) -> None:
        """Mark one notification as read."""
        with storage_errors():
            self._mark(_partition(caller.tenant, caller.user), notification, now)

    def forget(self, tenant: str, user: str, export_id: str) -> None:
        """Remove what a person was told about an export."""
        where = f"PartitionKey eq '{_partition(tenant, user)}' and export_id eq '{export_id}'"
        with storage_errors():
            for entity in self._table.query_entities(where, select=["PartitionKey", "RowKey"]):
                self._table.delete_entity(entity)

    def _mark(self, partition: str, row: str, now: str) -> None:
        with suppress(ResourceNotFoundError):  # its export was deleted meanwhile
            self._table.update_entity({"PartitionKey": partition, "RowKey": row, "read_at": now}, mode=UpdateMode.MERGE)


def notification_id(at: str, operation_id: str) -> str:
    """The same for the same message; a newer one sorts before it."""
    inverted = _LAST_MILLISECOND - int(from_iso(at).timestamp() * 1000)
    return f"{inverted:014d}-{operation_id}"


def _partition(tenant: str, user: str) -> str:
    return f"{tenant}:{person_key(user)}"


def _from_entity(entity: Mapping[str, Any]) -> Notification:
    names = ("kind", "export_id", "subject", "summary", "created_at", "read_at")
    return Notification(str(entity["RowKey"]), *(str(entity[name]) for name in names))
