"""What every table has in common: to be made when it is not there, and to be read page by page."""

import json
from typing import Any

from azure.core.exceptions import ResourceExistsError
from azure.data.tables import TableClient, TableEntity

from shared.storage.accounts import storage_errors


def ensure_table(table: TableClient) -> None:
    """Create the table unless it is there. Raises ``StorageUnavailable``."""
    with storage_errors():
        try:
            table.create_table()
        except ResourceExistsError:
            return


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
