"""What retention removes: one file for each kind of thing, and the list of them, in the order of a sweep."""

from collections.abc import Sequence

from shared.sweepers.abandoned_claims import AbandonedClaims
from shared.sweepers.base import Page, Sweep, Sweeper
from shared.sweepers.dead_letters import SettledLetters
from shared.sweepers.expired_files import ExpiredFiles
from shared.sweepers.expiring_soon import ExpiringSoon
from shared.sweepers.links import LinksWithoutFile
from shared.sweepers.old_records import OldRecords
from shared.sweepers.orphaned_blobs import OrphanedBlobs
from shared.sweepers.schedule_runs import OldScheduleRuns
from shared.sweepers.stale_secrets import StaleSecrets
from shared.sweepers.unseen_people import UnseenPeople

SWEEPERS: Sequence[Sweeper] = (
    ExpiringSoon(),
    ExpiredFiles(),
    OldRecords(),
    LinksWithoutFile(),
    SettledLetters(),
    OldScheduleRuns(),
    StaleSecrets(),
    AbandonedClaims(),
    OrphanedBlobs(),
    UnseenPeople(),
)

__all__ = ["SWEEPERS", "Page", "Sweep", "Sweeper"]
