"""Columns of an export, and the Arrow schema of its rows. The types of columns are in ``column_types.py``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from shared.catalog.column_types import ColumnType, column_type
from shared.locales import canonical


@dataclass(frozen=True)
class Column:
    """One column of the file.

    ``name`` is the API's name (camelCase) and the header when names are asked for; ``title`` is the header that people
    read; ``type`` names a type of ``COLUMN_TYPES``, or is ``decimal(p,s)`` or ``list<type>``; ``sql`` is the column or
    expression in the source, ``name`` when left out; ``titles`` holds the title in other locales
    (``{"fr": "Courriel"}``).
    """

    name: str
    title: str
    type: str = "text"
    sql: str = ""
    titles: Mapping[str, str] = field(default_factory=dict)

    @property
    def expression(self) -> str:
        """The column or expression to select in the source."""
        return self.sql or self.name

    @property
    def kind(self) -> ColumnType:
        """The type itself. Raises ``ValueError`` when its name is not known."""
        return column_type(self.type)

    def title_in(self, locale: str) -> str:
        """The title in ``locale`` (``fr-CA``, or ``fr_ca``, falls back to ``fr``), else the plain title."""
        language, region = canonical(locale)
        return self.titles.get(f"{language}-{region}") or self.titles.get(language) or self.title


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """The schema that every batch of an export of these columns has: one nullable field per column, in order."""
    return pa.schema([pa.field(c.name, c.kind.arrow) for c in columns])
