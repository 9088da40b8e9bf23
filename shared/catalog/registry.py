"""The application's export types: the list that it keeps in ``exports/``, handed in when somebody asks for it first.

This is the only module of ``shared`` that knows the package ``exports``, and it imports it when it is asked: the types
in it import the catalog.
"""

from shared.catalog.export_types import ExportType
from shared.catalog.ownership import Ownership
from shared.errors import PermanentError, unknown


def export_types() -> tuple[ExportType, ...]:
    """What can be exported, in the order in which people see it."""
    import exports

    return tuple(exports.EXPORT_TYPES)


def export_type_named(name: str) -> ExportType:
    """The export type of this name. Raises ``PermanentError`` when a release no longer has it."""
    found = export_types()
    for export_type in found:
        if export_type.name == name:
            return export_type
    raise PermanentError(unknown("export type", name, [t.name for t in found]))


def ownership() -> Ownership | None:
    """The hook that says what a tenant owns; None where the application has none, as those of older releases."""
    import exports

    found: Ownership | None = getattr(exports, "OWNERSHIP", None)
    return found
