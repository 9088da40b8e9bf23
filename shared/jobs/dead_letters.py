"""Dead letters: the exports that failed for good, until somebody drives them again or drops them.

A letter is written after the record says Failed, by whatever wrote that, and again when that is repeated; it belongs to
one attempt of the export. It is an entry in the operators' list and no more: the export itself is the record.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from itertools import islice
from typing import Any, Self

from azure.core import MatchConditions
from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import TableServiceClient, UpdateMode

from shared.durable.inputs import OUT_OF_MEMORY
from shared.jobs.records import ExportRecord
from shared.storage.accounts import storage_errors
from shared.storage.names import DEAD_LETTERS_TABLE
from shared.storage.tables import ensure_table, entity_page


class FailureClass(StrEnum):
    """Where the cause of a failure is to be sought."""

    REQUEST = "request"
    SOURCE = "source"
    STORAGE = "storage"
    WORKER = "worker"
    WORKFLOW = "workflow"
    INTERNAL = "internal"


_CLASSES: Mapping[str, FailureClass] = {
    "limit-reached": FailureClass.REQUEST,
    "source-unavailable": FailureClass.SOURCE,
    "query-failed": FailureClass.SOURCE,
    "schema-changed": FailureClass.SOURCE,
    "storage-unavailable": FailureClass.STORAGE,
    "step-lost": FailureClass.WORKER,
    OUT_OF_MEMORY: FailureClass.WORKER,
    "orchestration-ended": FailureClass.WORKFLOW,
    "took-too-long": FailureClass.WORKFLOW,
    "stood-still": FailureClass.WORKFLOW,
}


def failure_class(code: str) -> FailureClass:
    """The class of a failure's code; what nobody foresaw is internal."""
    return _CLASSES.get(code, FailureClass.INTERNAL)


@dataclass(frozen=True)
class DeadLetter:
    """An attempt of an export that failed for good. Times are ISO-8601 UTC.

    ``alert`` names the alert in which operators are told of it; ``alerted_at`` is when that went out.
    """

    tenant: str
    id: str
    export_type: str
    format: str
    created_by: str
    attempt: int
    failed_at: str
    failure_class: str
    code: str
    message: str
    alert: str = ""
    alerted_at: str = ""

    @classmethod
    def of(cls, record: ExportRecord) -> Self:
        """The letter of a record that is Failed."""
        return cls(
            record.tenant,
            record.id,
            record.export_type,
            record.format,
            record.created_by,
            record.attempt,
            record.completed_at,
            failure_class(record.error_code),
            record.error_code,
            record.error_message,
        )

    @classmethod
    def from_entity(cls, entity: Mapping[str, Any]) -> Self:
        """The letter in a table row."""
        known = {f.name for f in fields(cls)}
        values = {name: value for name, value in entity.items() if name in known}
        return cls(tenant=entity["PartitionKey"], id=entity["RowKey"], **values)

    def to_entity(self) -> dict[str, Any]:
        values = asdict(self)
        return {"PartitionKey": values.pop("tenant"), "RowKey": values.pop("id"), **values}


class DeadLetters:
    """The table of dead letters. Every method raises ``StorageUnavailable`` when the account is away."""

    def __init__(self, service: TableServiceClient) -> None:
        self._table = service.get_table_client(DEAD_LETTERS_TABLE)

    def prepare(self) -> None:
        """Create the table unless it is there."""
        ensure_table(self._table)

    def add(self, letter: DeadLetter) -> None:
        """Write the letter of an attempt, once; that of an earlier attempt gives way."""
        found = self.get(letter.tenant, letter.id)
        if found is None or found.attempt < letter.attempt:
            with storage_errors():
                self._table.upsert_entity(letter.to_entity(), mode=UpdateMode.REPLACE)

    def get(self, tenant: str, export_id: str) -> DeadLetter | None:
        """The letter of an export, or None."""
        with storage_errors():
            try:
                return DeadLetter.from_entity(self._table.get_entity(tenant, export_id))
            except ResourceNotFoundError:
                return None

    def page(self, where: str, after: str, limit: int) -> tuple[list[DeadLetter], str]:
        """Up to ``limit`` letters for which an OData condition holds, and where to go on, empty at the end only."""
        found, cursor = entity_page(self._table, where, after, limit)
        return [DeadLetter.from_entity(entity) for entity in found], cursor

    def find(self, where: str, most: int) -> list[DeadLetter]:
        """Up to so many letters for which an OData condition holds."""
        with storage_errors():
            return [DeadLetter.from_entity(entity) for entity in islice(self._table.query_entities(where), most)]

    def listing(self, where: str, after: str, limit: int) -> tuple[list[DeadLetter], str]:
        """The same for a reader, by the ids of exports: the cursor is the last one's, and a page is always full."""
        conditions = [condition for condition in (where, after and f"RowKey gt '{after}'") if condition]
        with storage_errors():
            rows = self._table.query_entities(" and ".join(conditions) or "PartitionKey ge ''")
            found = [DeadLetter.from_entity(entity) for entity in rows]
        found.sort(key=lambda letter: letter.id)
        return found[:limit], found[limit - 1].id if len(found) > limit else ""

    def mark(self, letter: DeadLetter, **changes: str) -> bool:
        """Change a letter unless it has become another one; True when it was changed."""
        with storage_errors():
            try:
                entity = self._table.get_entity(letter.tenant, letter.id)
                if DeadLetter.from_entity(entity) != letter:
                    return False
                self._table.update_entity(
                    {**entity, **changes},
                    mode=UpdateMode.REPLACE,
                    etag=entity.metadata["etag"],
                    match_condition=MatchConditions.IfNotModified,
                )
            except (ResourceModifiedError, ResourceNotFoundError):
                return False
        return True

    def remove(self, tenant: str, export_id: str) -> None:
        """Take a letter off the list; nothing happens when there is none."""
        with storage_errors():
            self._table.delete_entity(tenant, export_id)
