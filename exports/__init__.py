"""The export types. Each is one file here, and one line in this list."""

from exports.sessions import SESSIONS
from shared.export_types import ExportType

EXPORT_TYPES: tuple[ExportType, ...] = (SESSIONS,)
