"""What retention removes: one file for each kind of thing, and the list of them, in the order of a sweep."""

from collections.abc import Sequence

from shared.retention.sweepers.abandoned_claims import AbandonedClaims
from shared.retention.sweepers.audit_rows import AuditRows
from shared.retention.sweepers.base import Page, Sweep, Sweeper
from shared.retention.sweepers.dead_letters import SettledLetters
from shared.retention.sweepers.expired_files import ExpiredFiles
from shared.retention.sweepers.expiring_soon import ExpiringSoon
from shared.retention.sweepers.links import LinksWithoutFile
from shared.retention.sweepers.old_records import OldRecords
from shared.retention.sweepers.orphaned_blobs import OrphanedBlobs
from shared.retention.sweepers.revoked_people import RevokedPeople
from shared.retention.sweepers.schedule_runs import OldScheduleRuns
from shared.retention.sweepers.stale_secrets import StaleSecrets
from shared.retention.sweepers.unseen_people import UnseenPeople
from shared.retention.sweepers.webhook_deliveries import WebhookDeliveries

SWEEPERS: Sequence[Sweeper] = (
    ExpiringSoon(),
    ExpiredFiles(),
    OldRecords(),
    LinksWithoutFile(),
    RevokedPeople(),
    SettledLetters(),
    OldScheduleRuns(),
    StaleSecrets(),
    AbandonedClaims(),
    OrphanedBlobs(),
    UnseenPeople(),
    WebhookDeliveries(),
    AuditRows(),
)

__all__ = ["SWEEPERS", "Page", "Sweep", "Sweeper"]
