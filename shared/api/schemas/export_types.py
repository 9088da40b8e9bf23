"""Answers about what can be exported."""

from pydantic import Field

from shared.api.schemas.base import Resource, StoredRequest
from shared.catalog.export_types import Scope


class FormatEntry(Resource):
    """A format of an export type."""

    name: str = Field(description="The name of the format, for a request.")
    title: str = Field(description="The name of the format for people.")
    extension: str = Field(description="The extension of a file that is not compressed.")
    compressions: list[str] = Field(description="The ways in which a file can be compressed.")
    max_rows: int | None = Field(description="The rows that a file can have; null: no limit.")


class ColumnEntry(Resource):
    """A column of an export type."""

    name: str = Field(description="The name of the column, for a request.")
    title: str = Field(description="The title of the column in the caller's locale.")
    type: str = Field(description="The type of the column's values.")


class FilterEntry(Resource):
    """A filter of an export type."""

    name: str = Field(description="The name of the filter, for a request.")
    type: str = Field(description="The type of the filter's values.")
    many: bool = Field(description="Whether a request may give a list of values.")
    choices: list[str] | None = Field(description="The values that the filter takes; null: any of its type.")
    summary: str = Field(description="What the filter selects; may be empty.")


class Limits(Resource):
    """What an export of this type may not pass; null: no limit."""

    max_rows: int | None = Field(description="The rows that a file may have.")
    max_bytes: int | None = Field(description="The bytes that a file may have.")


class ExportTypeEntry(Resource):
    """An export type, titles in the caller's locale."""

    name: str = Field(description="The name of the export type, for a request.")
    title: str = Field(description="The title of the export type in the caller's locale.")
    summary: str = Field(description="What is exported, in a sentence.")
    scope: Scope = Field(description="Whose rows an export contains.")
    formats: list[FormatEntry] = Field(description="The formats that a request may choose.")
    columns: list[ColumnEntry] = Field(
        description="The columns that a request may choose; empty when they cannot be chosen."
    )
    filters: list[FilterEntry] = Field(description="The filters that a request may set.")
    date_range: bool = Field(description="Whether a request may set a range of days.")
    limits: Limits = Field(description="The limits of an export of this type.")
    example: StoredRequest = Field(description="A body of POST /exports for this type.")


class Catalogue(Resource):
    """What the caller may export."""

    items: list[ExportTypeEntry] = Field(description="The export types.")
