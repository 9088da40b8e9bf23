"""Links that a mail took along while its export was being removed: the removal of a file removes those that it finds.

No export keeps its file for longer than the longest retention, but for one under a legal hold; so only older links are
looked at.
"""

import asyncio
from datetime import timedelta

from shared.jobs.records import ExportRecord
from shared.jobs.status import FINAL, Status
from shared.retention.sweepers.base import PAGE, Page, Sweep
from shared.storage.links import Link
from shared.timestamps import iso


class LinksWithoutFile:
    """See ``Sweeper``."""

    name = "links-without-file"

    def page(self, sweep: Sweep, cursor: str) -> Page:
        before = iso(sweep.now - timedelta(days=sweep.context.longest_retention + 1))
        found, after = sweep.context.links.older(before, cursor, PAGE)
        return Page(found, after)

    async def remove(self, item: Link, sweep: Sweep) -> bool:
        return await asyncio.to_thread(self._remove, item, sweep)

    def _remove(self, link: Link, sweep: Sweep) -> bool:
        if _may_have_a_file(sweep.context.records.get(link.tenant, link.export_id)):
            return False
        sweep.context.links.delete(link)
        return True


def _may_have_a_file(record: ExportRecord | None) -> bool:
    """Whether an export has a file, or may have one yet: it runs, or it failed and can go on."""
    if record is None:
        return False
    if record.status in FINAL and record.status != Status.COMPLETED:
        return record.status == Status.FAILED and bool(record.expires_at)
    return True
