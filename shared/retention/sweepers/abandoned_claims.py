"""Claims whose export is not there: of requests that were refused, and of exports that are forgotten."""

import asyncio
from datetime import timedelta

from shared.jobs.idempotency import LEFT_OVER_AFTER, Claim
from shared.retention.sweepers.base import PAGE, Page, Sweep
from shared.timestamps import iso


class AbandonedClaims:
    """See ``Sweeper``. Those of refused requests go soon; others only when no export of their time is remembered."""

    name = "abandoned-claims"

    def page(self, sweep: Sweep, cursor: str) -> Page:
        context = sweep.context
        refused = iso(sweep.now - LEFT_OVER_AFTER)
        forgotten = iso(sweep.now - timedelta(days=context.longest_retention + 1))
        found, after = context.claims.left_over(refused, forgotten, cursor, PAGE)
        return Page(found, after)

    async def remove(self, item: tuple[str, Claim], sweep: Sweep) -> bool:
        return await asyncio.to_thread(self._remove, *item, sweep)

    def _remove(self, tenant: str, claim: Claim, sweep: Sweep) -> bool:
        if sweep.context.records.get(tenant, claim.export_id) is not None:
            sweep.context.claims.keep(tenant, claim)
            return False
        sweep.context.claims.forget(tenant, claim.row, claim.export_id)
        return True
