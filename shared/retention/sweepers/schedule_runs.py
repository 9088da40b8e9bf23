"""Runs in the histories of schedules, once their exports are forgotten."""

import asyncio
from datetime import timedelta

from shared.retention.sweepers.base import PAGE, Page, Sweep
from shared.schedules.store import Run
from shared.timestamps import iso


class OldScheduleRuns:
    """See ``Sweeper``."""

    name = "old-schedule-runs"

    def page(self, sweep: Sweep, cursor: str) -> Page:
        before = iso(sweep.now - timedelta(days=sweep.context.longest_retention + 1))
        found, after = sweep.context.schedules.old_runs(before, cursor, PAGE)
        return Page(found, after)

    async def remove(self, item: Run, sweep: Sweep) -> bool:
        await asyncio.to_thread(sweep.context.schedules.delete_run, item)
        return True
