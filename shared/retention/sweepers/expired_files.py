"""Files and parts of exports that have had their time, with the durable history of those exports."""

import asyncio

from shared.jobs.deletion import REMOVING, NotDue, begin_expiry, end_expiry, files_are_due
from shared.jobs.records import ExportRecord
from shared.jobs.status import Status
from shared.retention.sweepers.base import PAGE, Page, Sweep
from shared.timestamps import iso


class ExpiredFiles:
    """See ``Sweeper``."""

    name = "expired-files"

    def page(self, sweep: Sweep, cursor: str) -> Page:
        ended = " or ".join(f"status eq '{s}'" for s in (Status.COMPLETED, Status.FAILED, Status.CANCELLED))
        where = f"(({ended}) and expires_at gt '' and expires_at le '{iso(sweep.now)}') or phase eq '{REMOVING}'"
        found, after = sweep.context.records.scan(where, cursor, PAGE)
        return Page([record for record in found if files_are_due(record, sweep.now)], after)

    async def remove(self, item: ExportRecord, sweep: Sweep) -> bool:
        try:
            record = await asyncio.to_thread(begin_expiry, item, sweep.now, sweep.context)
            await sweep.purge(record)
            await asyncio.to_thread(end_expiry, record, sweep.context)
        except (NotDue, KeyError):
            return False
        return True
