"""Finding an export type by its name."""

from exports import EXPORT_TYPES
from shared.errors import PermanentError, unknown
from shared.export_types import ExportType


def export_type_named(name: str) -> ExportType:
    """The export type of this name. Raises ``PermanentError`` when a release no longer has it."""
    for export_type in EXPORT_TYPES:
        if export_type.name == name:
            return export_type
    raise PermanentError(unknown("export type", name, [t.name for t in EXPORT_TYPES]))
