"""What happened to an export, in the words of its users: one table, and the same lines in the application's log."""

import hashlib
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableServiceClient

from shared.observability.logging import logger
from shared.storage.accounts import storage_errors
from shared.storage.names import LOGS_TABLE
from shared.storage.pages import listing_page
from shared.storage.tables import ensure_table
from shared.timestamps import iso, utc_now

_SENTENCE = "~"
"""Begins the row keys of sentences that are no lines: it sorts after all digits.

The last release lists and removes every row of an export, so they have the columns of a line: there it is one more line
at the end, with the sentence that this release shows in the line of the failure.
"""

Level = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class LogLine:
    """One event. ``action`` is its stable key; ``part`` counts from 1, as people do."""

    time: str
    level: str
    action: str
    message: str
    part: int | None = None


class ExportLog:
    """The log lines of every export. An activity that runs twice logs twice: that is what happened."""

    def __init__(self, service: TableServiceClient) -> None:
        self._table = service.get_table_client(LOGS_TABLE)

    def prepare(self) -> None:
        """Create the table unless it is there."""
        ensure_table(self._table)

    def add(
        self,
        tenant: str,
        export_id: str,
        action: str,
        message: str,
        *,
        level: Level = "info",
        part: int | None = None,
        at: datetime | None = None,
        outline: str = "",
    ) -> None:
        """Write a line to the table, and to the application's log with the same fields; ``at`` is now when left out.

        ``outline`` is what the application's log says in place of a message that may quote values.
        """
        now = at or datetime.now(UTC)
        extra: Mapping[str, Any] = {"export_id": export_id, "tenant": tenant, "action": action, "part": part}
        logger.log(logging.getLevelName(level.upper()), "%s", outline or message, extra=extra)
        entity: dict[str, Any] = {
            "PartitionKey": export_id,
            "RowKey": f"{int(now.timestamp() * 1_000_000):016d}-{secrets.token_hex(3)}",
            "time": iso(now),
            "level": level,
            "action": action,
            "message": message,
        }
        if part is not None:
            entity["part"] = part
        with storage_errors():
            self._table.upsert_entity(entity)

    def keep_sentence(self, export_id: str, outline: str, sentence: str) -> str:
        """Keep what an error says in full; give the name under which ``sentence_of`` finds it. Twice is once."""
        name = hashlib.sha256(f"{outline}\n{sentence}".encode(errors="replace")).hexdigest()[:32]
        line = {"time": iso(utc_now()), "level": "error", "action": "error-detail", "message": sentence}
        row = {"PartitionKey": export_id, "RowKey": f"{_SENTENCE}{name}", "outline": outline, **line}
        with storage_errors():
            self._table.upsert_entity(row)
        return name

    def sentence_of(self, export_id: str, name: str, message: str) -> str:
        """A message that ends with the outline of an error, with what the error says in full in its place."""
        with storage_errors():
            try:
                row = self._table.get_entity(export_id, f"{_SENTENCE}{name}")
            except ResourceNotFoundError:
                return message
        outline, sentence = str(row["outline"]), str(row["message"])
        return message.removesuffix(outline) + sentence if message.endswith(outline) else message

    def page(self, export_id: str, limit: int, after: str) -> tuple[list[LogLine], str]:
        """Up to ``limit`` lines, oldest first, from a cursor on; see ``listing_page``."""
        where = f"PartitionKey eq '{export_id}' and RowKey lt '{_SENTENCE}'"
        found, cursor = listing_page(self._table, where, after, limit)
        return [_line(entity) for entity in found], cursor

    def delete(self, export_id: str) -> None:
        """Remove every line of an export."""
        with storage_errors():
            for entity in self._table.query_entities(
                f"PartitionKey eq '{export_id}'", select=["PartitionKey", "RowKey"]
            ):
                self._table.delete_entity(entity)


def _line(entity: Mapping[str, Any]) -> LogLine:
    part = entity.get("part")
    return LogLine(
        str(entity["time"]),
        str(entity["level"]),
        str(entity["action"]),
        str(entity["message"]),
        None if part is None else int(part),
    )
