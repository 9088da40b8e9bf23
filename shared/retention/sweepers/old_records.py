"""Records of exports whose files went long ago: with their logs, mails and claims they are forgotten."""

import asyncio
from datetime import timedelta

from shared.errors import Conflict
from shared.jobs.deletion import FORGETTING, begin_forgetting, forget, record_is_due
from shared.jobs.records import ExportRecord
from shared.jobs.status import Status
from shared.retention.sweepers.base import PAGE, Page, Sweep
from shared.timestamps import iso


class OldRecords:
    """See ``Sweeper``."""

    name = "old-records"

    def page(self, sweep: Sweep, cursor: str) -> Page:
        before = iso(sweep.now - timedelta(days=sweep.context.shortest_record_retention))
        ended = f"(status eq '{Status.FAILED}' or status eq '{Status.CANCELLED}')"
        where = (
            f"(status eq '{Status.EXPIRED}' and expires_at le '{before}')"
            f" or ({ended} and expires_at eq '' and completed_at le '{before}') or phase eq '{FORGETTING}'"
        )
        found, after = sweep.context.records.scan(where, cursor, PAGE)
        return Page([record for record in found if record_is_due(record, sweep.now, sweep.context)], after)

    async def remove(self, item: ExportRecord, sweep: Sweep) -> bool:
        try:
            record = await asyncio.to_thread(begin_forgetting, item, sweep.context)
        except (Conflict, KeyError):
            return False
        await sweep.purge(record)
        await asyncio.to_thread(forget, record, sweep.context)
        return True
