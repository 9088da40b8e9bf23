"""The audit log: who did what, when and from where; one row for each deed.

Rows are added and read. Nothing changes one, and nothing removes one but retention (``forget_before``), once older
than ``AUDIT_RETENTION_DAYS``. Each row is chained to the one before it (``shared/audit/chain.py``), so that a change
by somebody else shows.
"""

import re
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from azure.core.exceptions import ResourceExistsError, ServiceResponseError
from azure.data.tables import TableServiceClient

from shared.audit.chain import Chain
from shared.storage.accounts import storage_errors
from shared.storage.names import AUDIT_TABLE
from shared.storage.pages import listing_page
from shared.storage.tables import ensure_table, quoted
from shared.text import writable
from shared.timestamps import from_iso

ACTIONS = (
    "requested",
    "estimated",
    "listed",
    "seen",
    "downloaded",
    "cancelled",
    "retried",
    "deleted",
    "changed",
    "token-given",
    "sign-in",
    "role-refused",
)
"""What can be done, in stable words; of signing in, only what failed is noted, and that a role did not count."""

NOBODY = "-"
"""In the place of a tenant, for what is about none: failed sign-ins. No tenant can be called so."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MILLISECOND = 10**13 - 1
_ROW_KEY = re.compile(r"([0-9]{13})-[0-9a-f]{8}")
_LONGEST = 200
_LOST_ANSWERS = 3
_IN_ONE_SWEEP = 10_000


@dataclass(frozen=True)
class AuditEntry:
    """One deed. ``tenant`` is whose data it was about, ``status`` the HTTP status that it was answered with.

    ``export_id`` is the export, and ``subject`` whatever else it was about; one of them may be empty, or both. Texts
    that a caller sent are cut, and made such that every reader takes them, also in rows of earlier releases.
    """

    tenant: str
    time: str
    action: str
    status: int
    user: str
    name: str
    address: str
    agent: str
    request_id: str
    export_id: str = ""
    subject: str = ""

    def __post_init__(self) -> None:
        """Clean the texts."""
        for name in (f.name for f in fields(self)):
            if isinstance(value := getattr(self, name), str):
                object.__setattr__(self, name, writable(value[:_LONGEST]))

    @property
    def outcome(self) -> str:
        """``done``, or ``refused`` (4xx)."""
        return "done" if self.status < 400 else "refused"

    @classmethod
    def from_entity(cls, entity: dict[str, Any]) -> Self:
        """The entry in a table row; columns that this release does not know are left out."""
        known = {f.name for f in fields(cls)}
        values = {name: value for name, value in entity.items() if name in known}
        return cls(tenant=entity["PartitionKey"], **values)


@dataclass(frozen=True)
class AuditQuery:
    """Which entries of a tenant: empty texts match all; ``since`` and ``before`` bound the time (ISO-8601)."""

    action: str = ""
    user: str = ""
    export_id: str = ""
    since: str = ""
    before: str = ""

    def where(self, tenant: str) -> str:
        """As an OData condition. Times bound the row key, so that the table reads nothing else."""
        conditions = [f"PartitionKey eq '{quoted(tenant)}'"]
        for column, value in (("action", self.action), ("user", self.user), ("export_id", self.export_id)):
            if value:
                conditions.append(f"{column} eq '{quoted(value)}'")
        if self.since:
            conditions.append(f"RowKey lt '{_older_than(from_iso(self.since))}'")
        if self.before:
            conditions.append(f"RowKey ge '{_older_than(from_iso(self.before))}'")
        return " and ".join(conditions)


class AuditLog:
    """The table. Every method raises ``StorageUnavailable`` when the account is away."""

    def __init__(self, service: TableServiceClient) -> None:
        self._table = service.get_table_client(AUDIT_TABLE)
        self._chain = Chain()

    def prepare(self) -> None:
        """Create the table unless it is there."""
        ensure_table(self._table)

    def add(self, entry: AuditEntry) -> None:
        """Write an entry; once, though the answer to the write be lost."""
        values = asdict(entry)
        key = f"{_key(from_iso(entry.time))}-{secrets.token_hex(4)}"
        entity = self._chain.link({"PartitionKey": values.pop("tenant"), "RowKey": key, **values})
        stored = False
        try:
            self._write(entity)
            stored = True
        finally:
            self._chain.settle(entity["seq"], stored=stored)

    def _write(self, entity: dict[str, Any]) -> None:
        for attempt in range(1, _LOST_ANSWERS + 1):
            with storage_errors():
                try:
                    self._table.create_entity(entity)
                except ServiceResponseError:
                    if attempt == _LOST_ANSWERS:
                        raise
                except ResourceExistsError:
                    return
                else:
                    return

    def page(self, tenant: str, query: AuditQuery, limit: int, after: str) -> tuple[list[AuditEntry], str]:
        """Up to ``limit`` entries, newest first, from a cursor on; see ``listing_page``."""
        found, cursor = listing_page(self._table, query.where(tenant), after, limit)
        return [AuditEntry.from_entity(entity) for entity in found], cursor

    def entries(self, tenant: str, query: AuditQuery) -> Iterator[AuditEntry]:
        """All entries of a tenant that match, newest first."""
        with storage_errors():
            for entity in self._table.query_entities(query.where(tenant)):
                yield AuditEntry.from_entity(entity)

    def rows(self, since: str, until: str) -> Iterator[dict[str, Any]]:
        """The rows of every tenant as they are in the table, at or after a time and before another; empty is all."""
        bounds = [f"RowKey lt '{_older_than(from_iso(since))}'"] if since else []
        bounds += [f"RowKey ge '{_older_than(from_iso(until))}'"] if until else []
        with storage_errors():
            if bounds:
                yield from self._table.query_entities(" and ".join(bounds))
            else:
                yield from self._table.list_entities()

    def forget_before(self, moment: datetime) -> int:
        """Retention: remove entries that are older, of every tenant, ten thousand at most; give how many went."""
        count = 0
        with storage_errors():
            old = self._table.query_entities(f"RowKey ge '{_older_than(moment)}'", select=["PartitionKey", "RowKey"])
            for entity in old:
                if count == _IN_ONE_SWEEP:
                    break
                self._table.delete_entity(entity)
                count += 1
        return count


def moment_of(row_key: str) -> datetime | None:
    """The time in a row key, to the millisecond; None for a key that is not one of ours."""
    found = _ROW_KEY.fullmatch(row_key)
    return _EPOCH + timedelta(milliseconds=_LAST_MILLISECOND - int(found[1])) if found else None


def _key(moment: datetime) -> str:
    """The first half of a row key: milliseconds, inverted, so that a listing comes newest first."""
    return f"{_LAST_MILLISECOND - _milliseconds(moment):013d}"


def _older_than(moment: datetime) -> str:
    """Below the row keys of everything before a time, and above all others."""
    return f"{_LAST_MILLISECOND - _milliseconds(moment) + 1:013d}"


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)
