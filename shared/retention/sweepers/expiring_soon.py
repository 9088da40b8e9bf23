"""Files that are about to expire and that nobody has fetched: their owners are told, once."""

import asyncio
from datetime import timedelta

from shared.jobs.records import ExportRecord
from shared.jobs.status import Status
from shared.retention.sweepers.base import PAGE, Page, Sweep
from shared.timestamps import from_iso, iso

_LAST_PART = 4
"""Nobody is told before the last quarter of the file's time, however short that is."""


class ExpiringSoon:
    """See ``Sweeper``; it tells, and removes nothing."""

    name = "expiring-soon"

    def page(self, sweep: Sweep, cursor: str) -> Page:
        soon = sweep.now + timedelta(hours=sweep.context.settings.expiry_notice_hours)
        where = (
            f"status eq '{Status.COMPLETED}' and expires_at gt '{iso(sweep.now)}' and expires_at le '{iso(soon)}'"
            " and downloaded_at eq ''"
        )
        found, after = sweep.context.records.scan(where, cursor, PAGE)
        return Page([r for r in found if not r.reminded_at and not r.hold and self._is_late(r, sweep)], after)

    def _is_late(self, record: ExportRecord, sweep: Sweep) -> bool:
        end = from_iso(record.expires_at)
        return end - sweep.now <= (end - from_iso(record.completed_at)) / _LAST_PART

    async def remove(self, item: ExportRecord, sweep: Sweep) -> bool:
        await asyncio.to_thread(sweep.remind, item)
        return True
