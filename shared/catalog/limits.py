"""The most rows and bytes that a format or an export type takes: said before the wait, and kept to while it is made."""

from shared.catalog.export_types import ExportType, SqlExport
from shared.formats import get_format
from shared.settings import Settings


def over_the_limit(rows: int, format_name: str, export_type: ExportType) -> str | None:
    """What is wrong with so many rows, and what to do about it; None when they are within the limits."""
    most = export_type.max_rows
    if most is not None and rows > most:
        return f"{rows:,} rows match; the limit for {export_type.name} is {most:,}; {_narrow(export_type)}"
    most = get_format(format_name).max_rows
    if most is None or rows <= most:
        return None
    roomy = [f for f in export_type.formats if (get_format(f).max_rows or rows) >= rows]
    advice = f"{_narrow(export_type)} or choose {' or '.join(roomy)}" if roomy else _narrow(export_type)
    return f"{rows:,} rows match; the limit for {format_name} is {most:,}; {advice}"


def max_bytes(export_type: ExportType, settings: Settings) -> int | None:
    """How many bytes the file of an export may have: as its type says, else the setting; None: no limit."""
    return settings.max_bytes_per_export if export_type.max_bytes is None else export_type.max_bytes


def too_many_bytes(export_type: ExportType, most: int) -> str:
    """What the limit is, and what to do about it."""
    return f"the limit for {export_type.name} is {most:,} bytes; {_narrow(export_type)}"


def has_limit(format_name: str, export_type: ExportType) -> bool:
    """Whether it is worth counting rows before the export starts."""
    return export_type.max_rows is not None or get_format(format_name).max_rows is not None


def _narrow(export_type: ExportType) -> str:
    dated = isinstance(export_type, SqlExport) and export_type.date_sql
    return "narrow the date range" if dated else "narrow the filters"
