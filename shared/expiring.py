"""Telling the owner of an export that its file is about to expire."""

from shared.records import ExportRecord, from_iso
from shared.services import Services
from shared.words import moment


def tell_expiring(record: ExportRecord, context: Services) -> None:
    """Tell that the file goes soon, and has not been fetched. May be called twice for the same ``expires_at``."""
    message = f"The file goes on {moment(from_iso(record.expires_at))}, and nobody has downloaded it."
    context.log.add(record.tenant, record.id, "expiring", message)
