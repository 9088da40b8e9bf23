"""The record of an export: what the API shows, what the orchestration writes, kept as one row of a table."""

import json
import secrets
from base64 import b32encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Self

from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceResponseError,
)
from azure.data.tables import TableServiceClient, UpdateMode

from shared.errors import StorageUnavailable
from shared.export_metrics import came_into_status
from shared.storage.accounts import storage_errors
from shared.storage.names import EXPORTS_TABLE, TENANTS_TABLE
from shared.storage.texts import join_text, split_text
from shared.transitions import Status, check_transition

_LAST_MILLISECOND = 2**48 - 1
_RACES = 20
"""How often a change is tried again because somebody else changed the record, or the response was lost."""


@dataclass(frozen=True)
class ExportRecord:
    """One export. Times are ISO-8601 UTC strings, empty when the thing has not happened."""

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
    last_op_id: str = ""

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


_LONG = ("total_rows", "total_parts", "file_bytes", "file_rows")
"""Kept as text: a table's plain integer has 32 bits."""


def new_export_id(now: datetime) -> str:
    """An id that sorts newest first and cannot be guessed: 48 bits of inverted milliseconds, 120 random bits.

    >>> len(new_export_id(datetime.now(UTC)))
    34
    """
    inverted = _LAST_MILLISECOND - int(now.timestamp() * 1000)
    time_part = b32encode(bytes(2) + inverted.to_bytes(6, "big"))[3:13].decode().lower().translate(_SORTED)
    return time_part + b32encode(secrets.token_bytes(15)).decode().lower()


_SORTED = str.maketrans("abcdefghijklmnopqrstuvwxyz234567", "0123456789abcdefghijklmnopqrstuv")
"""Base 32 with digits before letters (RFC 4648 section 7), in which text sorts as the number does."""


def iso(moment: datetime) -> str:
    """A time as records and the API carry it: UTC, milliseconds, Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_iso(text: str) -> datetime:
    """The time in a record."""
    return datetime.fromisoformat(text)


class ExportRecords:
    """The table of exports. Every method raises ``StorageUnavailable`` when the account is away."""

    def __init__(self, service: TableServiceClient) -> None:
        self._exports = service.get_table_client(EXPORTS_TABLE)
        self._tenants = service.get_table_client(TENANTS_TABLE)

    def prepare(self) -> None:
        """Create the tables unless they are there."""
        with storage_errors():
            for table in (self._exports, self._tenants):
                try:
                    table.create_table()
                except ResourceExistsError:
                    continue

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

    def change(self, tenant: str, export_id: str, op_id: str, **changes: Any) -> ExportRecord:
        """Change a record once per ``op_id``, checking the status table, whoever else writes at the same time.

        The same ``op_id`` again (an activity that runs twice, a response that was lost) changes nothing more. Raises
        ``IllegalTransition`` when the new status may not follow the present one, and ``KeyError`` when there is no
        record.
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
                if "status" in changes:
                    check_transition(Status(record.status), Status(changes["status"]))
                changed = replace(record, **changes, last_op_id=op_id)
                try:
                    self._exports.update_entity(
                        changed.to_entity(),
                        mode=UpdateMode.REPLACE,
                        etag=entity.metadata["etag"],
                        match_condition=MatchConditions.IfNotModified,
                    )
                except ServiceResponseError:
                    lost = True
                    continue
                except ResourceModifiedError:
                    continue
                if "status" in changes:
                    came_into_status(changed)
                return changed
        raise StorageUnavailable(f"the record of export {export_id} is being changed too often; try again")

    def page(self, tenant: str, where: str, limit: int, after: str) -> tuple[list[ExportRecord], str]:
        """Up to ``limit`` records of a tenant, newest first, that come after the id ``after``; and where to go on.

        ``where`` is an OData condition on columns, or empty. The second value is empty at the end.
        """
        conditions = [f"PartitionKey eq '{_quoted(tenant)}'"]
        if after:
            conditions.append(f"RowKey gt '{_quoted(after)}'")
        if where:
            conditions.append(f"({where})")
        found: list[ExportRecord] = []
        with storage_errors():
            for entity in self._exports.query_entities(" and ".join(conditions), results_per_page=limit + 1):
                if len(found) == limit:
                    return found, found[-1].id
                found.append(ExportRecord.from_entity(entity))
        return found, ""

    def past_their_time(self, now: str, records_before: str) -> Iterator[ExportRecord]:
        """Records whose files have expired by ``now``, and those without files that are older than the second time."""
        completed, expired = f"status eq '{Status.COMPLETED}'", f"status eq '{Status.EXPIRED}'"
        ended = f"(status eq '{Status.FAILED}' or status eq '{Status.CANCELLED}')"
        where = (
            f"(({completed} or {ended}) and expires_at gt '' and expires_at le '{now}')"
            f" or ({expired} and expires_at le '{records_before}')"
            f" or ({ended} and expires_at eq '' and completed_at le '{records_before}')"
        )
        with storage_errors():
            for entity in self._exports.query_entities(where):
                yield ExportRecord.from_entity(entity)

    def delete(self, record: ExportRecord) -> None:
        """Remove a record; nothing happens when it is gone."""
        with storage_errors():
            self._exports.delete_entity(record.tenant, record.id)
            self._tenants.delete_entity(record.id, "")


def _quoted(text: str) -> str:
    return text.replace("'", "''")
