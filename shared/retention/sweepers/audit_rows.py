"""Entries of the audit log, by whole digests, so that the rest can be verified."""

import asyncio
from datetime import datetime, timedelta

from shared.audit.digests import keep_digests
from shared.retention.sweepers.base import Page, Sweep


class AuditRows:
    """See ``Sweeper``. An item is the time before which all entries go. First the digests are brought up to date."""

    name = "audit-rows"

    def page(self, sweep: Sweep, cursor: str) -> Page:
        context = sweep.context
        oldest = sweep.now - timedelta(days=context.settings.audit_retention_days)
        keep_digests(context.audit, context.audit_digests, sweep.now, oldest)
        boundary = context.audit_digests.boundary(oldest)
        return Page([boundary] if boundary else [], "")

    async def remove(self, item: datetime, sweep: Sweep) -> int:
        return await asyncio.to_thread(sweep.context.audit.forget_before, item)
