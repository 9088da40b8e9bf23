"""What every table has in common: to be made when it is not there, and to be read page by page."""

import json
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import (
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceResponseError,
)
from azure.data.tables import TableClient, TableEntity, UpdateMode

from shared.errors import StorageUnavailable
from shared.storage.accounts import storage_errors

_RACES = 20
"""How often a change is tried again because somebody else changed the row, or the answer was lost."""


def ensure_table(table: TableClient) -> None:
    """Create the table unless it is there. Raises ``StorageUnavailable``."""
    with storage_errors():
        try:
            table.create_table()
        except ResourceExistsError:
            return


class Row(Protocol):
    """What is kept in a row."""

    def to_entity(self) -> dict[str, Any]:
        """The row."""
        ...


R = TypeVar("R", bound=Row)


def change_row(
    table: TableClient,
    partition: str,
    row: str,
    read: Callable[[TableEntity], R],
    how: Callable[[R], R | None],
    what: str,
) -> R | None:
    """Change a row, whoever else does at the same time; ``how`` may be called more than once.

    Gives what it has become; None when there is no row, or ``how`` gives None. Nothing is written when nothing changes.
    Raises ``StorageUnavailable``, which calls the row ``what``.
    """
    for _ in range(_RACES):
        with storage_errors():
            try:
                entity = table.get_entity(partition, row)
            except ResourceNotFoundError:
                return None
            present = read(entity)
            changed = how(present)
            if changed is None or changed == present:
                return changed
            try:
                table.update_entity(
                    changed.to_entity(),
                    mode=UpdateMode.REPLACE,
                    etag=entity.metadata["etag"],
                    match_condition=MatchConditions.IfNotModified,
                )
            except (ResourceModifiedError, ResourceNotFoundError, ServiceResponseError):
                continue
            return changed
    raise StorageUnavailable(f"{what} is being changed too often; try again")


def delete_row(table: TableClient, entity: TableEntity) -> bool:
    """Remove a row as it was read; False when it has changed since, or is gone. Raises ``StorageUnavailable``."""
    with storage_errors():
        try:
            table.delete_entity(entity, etag=entity.metadata["etag"], match_condition=MatchConditions.IfNotModified)
        except (ResourceModifiedError, ResourceNotFoundError):
            return False
    return True


def entity_page(table: TableClient, where: str, after: str, limit: int) -> tuple[list[TableEntity], str]:
    """Up to ``limit`` rows for which an OData condition holds, and the cursor of the next page.

    A page may have fewer rows, or none, before the end; the cursor is empty at the end only. Rows that are deleted
    meanwhile do not disturb a cursor. Raises ``StorageUnavailable``.
    """
    options: dict[str, Any] = {"results_per_page": limit}
    with storage_errors():
        query = table.query_entities(where, **options) if where else table.list_entities(**options)
        pages: Any = query.by_page(json.loads(after) if after else None)
        found = list(next(pages, ()))
        return found, json.dumps(pages.continuation_token) if pages.continuation_token else ""


def quoted(text: str) -> str:
    """A text as it stands between quotation marks in an OData condition."""
    return text.replace("'", "''")
