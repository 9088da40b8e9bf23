"""The record of an export: what the API shows, what the orchestration writes, kept as one row of a table."""

import json
import secrets
from base64 import b32encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceResponseError,
)
from azure.data.tables import TableServiceClient, TableTransactionError, UpdateMode

from shared.errors import StorageUnavailable
from shared.events.outbox import FIRST_ROW, Entry, EventType, event_id
from shared.jobs.lifecycle_metrics import came_into_status
from shared.jobs.status import Status, check_transition
from shared.storage.accounts import storage_errors
from shared.storage.long_text import join_text, split_text
from shared.storage.names import EXPORTS_TABLE, TENANTS_TABLE
from shared.storage.pages import listing_page, scanned_page
from shared.storage.tables import ensure_table, entity_page, quoted
from shared.timestamps import iso, utc_now

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LAST_MILLISECOND = 2**48 - 1
_RACES = 20
"""How often a change is tried again because somebody else changed the record, or the response was lost."""
_CHANGED_MEANWHILE = (404, 412)
"""The record is gone, or has another entity tag."""


@dataclass(frozen=True)
class ExportRecord:
    """One export. Times are ISO-8601 UTC strings, empty when the thing has not happened.

    ``hold`` is the reason of a legal hold;
    ``superseded_by`` the later export of its schedule that has the rows that this one failed to deliver.
    """

    tenant: str
    id: str
    export_type: str
    format: str
    status: str
    created_by: str
    created_at: str
    request: Mapping[str, Any]
    caller: Mapping[str, Any]
    phase: str = ""
    attempt: int = 1
    started_at: str = ""
    completed_at: str = ""
    expires_at: str = ""
    downloaded_at: str = ""
    seen_at: str = ""
    reminded_at: str = ""
    links: int = 1
    total_rows: int = 0
    total_parts: int = 0
    file_name: str = ""
    file_blob: str = ""
    file_bytes: int = 0
    file_rows: int = 0
    file_sha256: str = ""
    content_type: str = ""
    error_code: str = ""
    error_message: str = ""
    hold: str = ""
    superseded_by: str = ""
    last_op_id: str = ""
    request_id: str = ""

    def to_entity(self) -> dict[str, Any]:
        """The table row: partition by tenant, row key = id, so that a listing comes newest first."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("tenant", "id")}
        values["caller"] = json.dumps(dict(self.caller), ensure_ascii=False)
        values |= split_text("request", json.dumps(dict(values.pop("request")), ensure_ascii=False))
        for name in _LONG:
            values[name] = str(values[name])
        return {"PartitionKey": self.tenant, "RowKey": self.id, **values}

    @classmethod
    def from_entity(cls, entity: Mapping[str, Any]) -> Self:
        """The record in a table row; columns that this release does not know are left out."""
        known = {f.name for f in fields(cls)}
        values = {name: value for name, value in entity.items() if name in known}
        values["request"] = json.loads(join_text(entity, "request"))
        values["caller"] = json.loads(values["caller"])
        for name in _LONG:
            values[name] = int(values[name])
        return cls(tenant=entity["PartitionKey"], id=entity["RowKey"], **values)


Guard = Callable[[ExportRecord], None]

_LONG = ("total_rows", "total_parts", "file_bytes", "file_rows")
"""Kept as text: a table's plain integer has 32 bits."""


_EVENTS = {
    Status.COMPLETED: EventType.EXPORT_COMPLETED,
    Status.FAILED: EventType.EXPORT_FAILED,
    Status.CANCELLED: EventType.EXPORT_CANCELLED,
    Status.EXPIRED: EventType.EXPORT_EXPIRED,
}
"""What is announced when a record gets this status."""


def announcement_id(record: ExportRecord) -> str:
    """The id of the event that a record's status is; empty when it is none."""
    event = _EVENTS.get(Status(record.status))
    return event_id(record.id, record.attempt, event) if event else ""


def announcement(record: ExportRecord, at: str) -> Entry | None:
    """What the status that a record got at this time means to others; None when they do not hear of it."""
    event = _EVENTS.get(Status(record.status))
    if event is None:
        return None
    data: dict[str, Any] = {
        "id": record.id,
        "exportType": record.export_type,
        "format": record.format,
        "status": record.status,
        "attempt": record.attempt,
        "createdBy": record.created_by,
        "createdAt": record.created_at,
        "completedAt": record.completed_at,
    }
    if record.file_name:
        data["expiresAt"] = record.expires_at
        data["file"] = {
            "name": record.file_name,
            "bytes": record.file_bytes,
            "rows": record.file_rows,
            "sha256": record.file_sha256,
            "contentType": record.content_type,
        }
    if record.status == Status.FAILED:
        data["error"] = {"code": record.error_code, "message": record.error_message}
    return Entry(record.tenant, announcement_id(record), event, at, data)


def new_export_id(now: datetime) -> str:
    """An id that sorts newest first and cannot be guessed: 48 bits of inverted milliseconds, 120 random bits.

    >>> len(new_export_id(datetime.now(UTC)))
    34
    """
    return export_id(now, secrets.token_bytes(15))


def export_id(now: datetime, token: bytes) -> str:
    """The id of this time that ends with these 15 bytes."""
    return sorted_newest_first(now) + b32encode(token).decode().lower()


def sorted_newest_first(moment: datetime, *, later_by: int = 0) -> str:
    """Ten characters, those of a millisecond or of one ``later_by`` so many, that sort before those of any earlier one.

    >>> sorted_newest_first(datetime(2026, 1, 2, tzinfo=UTC)) < sorted_newest_first(datetime(2026, 1, 1, tzinfo=UTC))
    True
    """
    inverted = _LAST_MILLISECOND - ((moment - _EPOCH) // _MILLISECOND + later_by)
    inverted = min(max(inverted, 0), _LAST_MILLISECOND)
    return b32encode(bytes(2) + inverted.to_bytes(6, "big"))[3:13].decode().lower().translate(_SORTED)


_SORTED = str.maketrans("abcdefghijklmnopqrstuvwxyz234567", "0123456789abcdefghijklmnopqrstuv")
"""Base 32 with digits before letters (RFC 4648 section 7), in which text sorts as the number does."""


@dataclass(frozen=True)
class Listing:
    """Which of a tenant's exports a page shows: created at or after ``since`` and before ``until``.

    ``where`` is an OData condition on other columns, or empty.
    """

    where: str = ""
    since: datetime | None = None
    until: datetime | None = None


class ExportRecords:
    """The table of exports. Every method raises ``StorageUnavailable`` when the account is away."""

    def __init__(self, service: TableServiceClient) -> None:
        self._exports = service.get_table_client(EXPORTS_TABLE)
        self._tenants = service.get_table_client(TENANTS_TABLE)

    def prepare(self) -> None:
        """Create the tables unless they are there."""
        for table in (self._exports, self._tenants):
            ensure_table(table)

    def reachable(self) -> None:
        """Ask the table for nothing; raises ``StorageUnavailable`` when it does not answer."""
        self.get("-", "-")

    def create(self, record: ExportRecord) -> bool:
        """Write a new record, and give True; False when it was there already.

        A lost response is asked after, so that a record is never made and reported as failed.
        """
        with storage_errors():
            self._tenants.upsert_entity({"PartitionKey": record.id, "RowKey": "", "tenant": record.tenant})
            try:
                self._exports.create_entity(record.to_entity())
            except ServiceResponseError:
                if self.get(record.tenant, record.id) is None:
                    raise
            except ResourceExistsError:
                return False
        came_into_status(record)
        return True

    def get(self, tenant: str, export_id: str) -> ExportRecord | None:
        """The record, or None when this tenant has none of that id."""
        with storage_errors():
            try:
                return ExportRecord.from_entity(self._exports.get_entity(tenant, export_id))
            except ResourceNotFoundError:
                return None
            except HttpResponseError as error:
                if error.status_code == 400:
                    return None
                raise

    def tenant_of(self, export_id: str) -> str | None:
        """Whose export it is; for callers that may see all tenants."""
        with storage_errors():
            try:
                return str(self._tenants.get_entity(export_id, "")["tenant"])
            except ResourceNotFoundError:
                return None

    def change(
        self, tenant: str, export_id: str, op_id: str, *, guard: Guard = lambda record: None, **changes: Any
    ) -> ExportRecord:
        """Change a record once per ``op_id``, checking the status table, whoever else writes at the same time.

        What a new status means to others is put into the outbox in the same transaction: both are written, or neither.
        The same ``op_id`` again (an activity that runs twice, a response that was lost) changes nothing more. ``guard``
        is given the record that is about to be changed, and prevents it by raising. Raises ``IllegalTransition`` when
        the new status may not follow the present one, and ``KeyError`` when there is no record.
        """
        lost = False
        for _ in range(_RACES):
            with storage_errors():
                try:
                    entity = self._exports.get_entity(tenant, export_id)
                except ResourceNotFoundError:
                    raise KeyError(export_id) from None
                record = ExportRecord.from_entity(entity)
                if record.last_op_id == op_id:
                    if lost and "status" in changes:
                        came_into_status(record)
                    return record
                guard(record)
                changed = replace(record, **changes, last_op_id=op_id)
                announced = None
                if "status" in changes:
                    check_transition(Status(record.status), Status(changes["status"]))
                    announced = announcement(changed, iso(utc_now()))
                done = self._replace(changed, str(entity.metadata["etag"]), announced)
                lost = lost or done is None
                if done:
                    if "status" in changes:
                        came_into_status(changed)
                    return changed
        raise StorageUnavailable(f"the record of export {export_id} is being changed too often; try again")

    def _replace(self, record: ExportRecord, etag: str, announced: Entry | None) -> bool | None:
        """Write a record over the one with this entity tag; False when it has another by now, None: who knows."""
        only_this: dict[str, Any] = {
            "mode": UpdateMode.REPLACE,
            "etag": etag,
            "match_condition": MatchConditions.IfNotModified,
        }
        try:
            if announced is None:
                self._exports.update_entity(record.to_entity(), **only_this)
            else:
                change = ("update", record.to_entity(), only_this)
                self._exports.submit_transaction([change, ("upsert", announced.to_entity())])
        except TableTransactionError as error:
            if error.status_code not in _CHANGED_MEANWHILE:
                raise
        except (ResourceModifiedError, ResourceNotFoundError):
            return False
        except ServiceResponseError:
            return None
        else:
            return True
        return False

    def page(self, tenant: str, listing: Listing, limit: int, cursor: str) -> tuple[list[ExportRecord], str]:
        """Up to ``limit`` records of a tenant, newest first, from a cursor on; see ``listing_page``."""
        found, cursor = listing_page(self._exports, _range(tenant, listing), cursor, limit, first=_first(listing))
        return [ExportRecord.from_entity(entity) for entity in found], cursor

    def scan(self, where: str, after: str, limit: int) -> tuple[list[ExportRecord], str]:
        """Up to ``limit`` records of all tenants for which an OData condition holds, and where to go on.

        A page may have fewer records, or none, before the end; the second value is empty at the end only.
        """
        found, cursor = entity_page(self._exports, where, after, limit)
        return [ExportRecord.from_entity(entity) for entity in found], cursor

    def held(self, tenant: str, limit: int, cursor: str) -> tuple[list[ExportRecord], str]:
        """Up to ``limit`` records under a legal hold, of all tenants or of one; and the next cursor, empty at the end.

        A page may have fewer, or none, before the end. Raises ``WrongCursor``.
        """
        where = "hold gt ''" + (f" and PartitionKey eq '{quoted(tenant)}'" if tenant else "")
        found, cursor = scanned_page(self._exports, where, cursor, limit)
        return [ExportRecord.from_entity(entity) for entity in found], cursor

    def ids(self, tenant: str, first: str, last: str) -> dict[str, ExportRecord]:
        """The records of a tenant whose ids are from ``first`` to ``last``, both included."""
        where = f"PartitionKey eq '{quoted(tenant)}' and RowKey ge '{quoted(first)}' and RowKey le '{quoted(last)}'"
        with storage_errors():
            found = (ExportRecord.from_entity(entity) for entity in self._exports.query_entities(where))
            return {record.id: record for record in found}

    def delete(self, record: ExportRecord) -> None:
        """Remove a record; nothing happens when it is gone."""
        with storage_errors():
            self._exports.delete_entity(record.tenant, record.id)
            self._tenants.delete_entity(record.id, "")


def _first(listing: Listing) -> str:
    return sorted_newest_first(listing.until) if listing.until else ""


def _range(tenant: str, listing: Listing) -> str:
    """The listing as an OData condition. Times are a range of keys, so that the service looks at no other row."""
    conditions = [f"PartitionKey eq '{quoted(tenant)}'"]
    end = sorted_newest_first(listing.since, later_by=-1) if listing.since else FIRST_ROW
    conditions.append(f"RowKey lt '{end}'")
    if listing.until:
        conditions.append(f"created_at lt '{iso(listing.until)}'")
    if listing.since:
        conditions.append(f"created_at ge '{iso(listing.since)}'")
    if listing.where:
        conditions.append(f"({listing.where})")
    return " and ".join(conditions)
