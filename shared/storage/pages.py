"""A page of a table for a reader: the same number of requests wherever it is, and never more than a few."""

import json
from base64 import b32decode, b32encode
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableClient, TableEntity

from shared.errors import WrongCursor
from shared.storage.accounts import storage_errors
from shared.storage.tables import entity_page, quoted

_SCANS = 3
"""The most requests of one page. The service ends one after five seconds, or a thousand rows."""

_PLACE = "at-"
"""Begins a cursor that is a place of the service's own, in base 32; another one is the key of the last row."""


def listing_page(
    table: TableClient, where: str, cursor: str, limit: int, *, first: str = ""
) -> tuple[list[TableEntity], str]:
    """Up to ``limit`` rows in the order of their keys, from a cursor on; and the next cursor, empty at the end only.

    ``where`` is an OData condition that names one partition, ``first`` the least row key of interest. Where the
    condition is rare the service looks at many rows for few: after ``_SCANS`` requests the page ends with what was
    found, perhaps nothing, and its cursor goes on from there. Raises ``StorageUnavailable``, and ``WrongCursor`` for
    one that is none.
    """
    after, place = ("", _place_in(cursor)) if cursor.startswith(_PLACE) else (cursor, None)
    if after and after >= first:
        where += f" and RowKey gt '{quoted(after)}'"
    elif first:
        where += f" and RowKey ge '{quoted(first)}'"
    found: list[TableEntity] = []
    with storage_errors():
        pages: Any = table.query_entities(where, results_per_page=limit + 1).by_page(
            place  # type: ignore[arg-type]  # of tables it is a dict
        )
        try:
            for _ in range(_SCANS):
                for entity in next(pages, ()):
                    if len(found) == limit:
                        return found, str(found[-1]["RowKey"])
                    found.append(entity)
                if not pages.continuation_token:
                    return found, ""
        except HttpResponseError as error:
            if place and error.status_code == 400:
                raise WrongCursor from None
            raise
        return found, _cursor_of(pages.continuation_token)


def scanned_page(table: TableClient, where: str, cursor: str, limit: int) -> tuple[list[TableEntity], str]:
    """Up to ``limit`` rows of any partitions, in one request, as ``entity_page`` gives them; with a reader's cursor.

    A page may have fewer, or none, before the end; a cursor may be a row's key too, as in ``listing_page``. Raises
    ``StorageUnavailable``, and ``WrongCursor``.
    """
    after, place = ("", _place_in(cursor)) if cursor.startswith(_PLACE) else (cursor, None)
    if after:
        where += f" and RowKey gt '{quoted(after)}'"
    try:
        found, after = entity_page(table, where, json.dumps(place) if place else "", limit)
    except HttpResponseError as error:
        if place and error.status_code == 400:
            raise WrongCursor from None
        raise
    return found, _cursor_of(json.loads(after)) if after else ""


def _cursor_of(place: Mapping[str, str | None]) -> str:
    text = json.dumps([place["PartitionKey"], place["RowKey"]], separators=(",", ":")).encode()
    return _PLACE + b32encode(text).decode().rstrip("=").lower()


def _place_in(cursor: str) -> dict[str, str | None]:
    text = cursor.removeprefix(_PLACE).upper()
    with suppress(ValueError):
        match json.loads(b32decode(text + "=" * (-len(text) % 8))):
            case [str() as partition, (str() | None) as row]:
                return {"PartitionKey": partition, "RowKey": row}
    raise WrongCursor
