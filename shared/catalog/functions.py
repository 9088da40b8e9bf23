"""What the function of a ``FunctionExport`` may use: errors, queries of the source, a CSV file, and the audit log.

Export types import the catalog and nothing else of ``shared``, so that what they need stands in one place.
"""

from collections.abc import Iterator

from shared.audit.log import ACTIONS, AuditEntry, AuditQuery
from shared.errors import LimitReached, PermanentError, SourceUnavailable, TookTooLong, TransientError, unknown
from shared.formats.csv_files import csv_file
from shared.requests.query import Condition, Query
from shared.sources import open_source
from shared.sources.deadline import Deadline

__all__ = [
    "ACTIONS",
    "AuditEntry",
    "AuditQuery",
    "Condition",
    "Deadline",
    "LimitReached",
    "PermanentError",
    "Query",
    "SourceUnavailable",
    "TookTooLong",
    "TransientError",
    "audit_entries",
    "csv_file",
    "open_source",
    "unknown",
]


def audit_entries(tenant: str, query: AuditQuery) -> Iterator[AuditEntry]:
    """The entries of a tenant that a query matches, newest first. Raises ``StorageUnavailable``."""
    from shared.services import services  # which knows the registry of export types

    yield from services("activity").audit.entries(tenant, query)
