"""Blobs that belong to no export any more: parts without a record, and what was written after the removal.

An activity that was on its way when its export was cancelled or deleted may still write a part, or stage blocks that
nobody commits. A record is written before the first blob and removed after the last, so that no export is too young for
this. Folders and records sort alike: a page of one is compared with a page of the other.
"""

import asyncio

from shared.jobs.records import ExportRecord
from shared.jobs.status import Status
from shared.retention.sweepers.base import PAGE, Page, Sweep
from shared.storage.names import folder


class OrphanedBlobs:
    """See ``Sweeper``; an item is the tenant, and the id that an export would have."""

    name = "orphaned-blobs"

    def page(self, sweep: Sweep, cursor: str) -> Page:
        folders, after = sweep.context.blobs.folders(cursor, PAGE)
        by_tenant: dict[str, list[str]] = {}
        for tenant, export_id in folders:
            by_tenant.setdefault(tenant, []).append(export_id)
        items: list[tuple[str, str]] = []
        for tenant, ids in by_tenant.items():
            known = sweep.context.records.ids(tenant, ids[0], ids[-1])
            items += [(tenant, export_id) for export_id in ids if not _has_files(known.get(export_id))]
        return Page(items, after)

    async def remove(self, item: tuple[str, str], sweep: Sweep) -> bool:
        return await asyncio.to_thread(self._remove, *item, sweep)

    def _remove(self, tenant: str, export_id: str, sweep: Sweep) -> bool:
        if _has_files(sweep.context.records.get(tenant, export_id)):
            return False
        return sweep.context.blobs.delete_folder(folder(tenant, export_id)) > 0


def _has_files(record: ExportRecord | None) -> bool:
    """Whether an export may have blobs: it runs, it is under a hold, or what it has is removed at its time."""
    if record is None:
        return False
    if record.hold or record.phase or record.status in (Status.PENDING, Status.PROCESSING, Status.COMPLETED):
        return True
    return record.status != Status.EXPIRED and bool(record.expires_at)
