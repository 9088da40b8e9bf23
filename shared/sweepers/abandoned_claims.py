"""Claims whose export is not there: of requests that were refused, and of exports that are forgotten."""

import asyncio
from datetime import timedelta

from shared.claims import Claim
from shared.records import iso
from shared.sweepers.base import PAGE, Page, Sweep


class AbandonedClaims:
    """See ``Sweeper``. Younger claims are left alone: their exports, if there are any, are remembered still."""

    name = "abandoned-claims"

    def page(self, sweep: Sweep, cursor: str) -> Page:
        before = iso(sweep.now - timedelta(days=sweep.context.longest_retention + 1))
        found, after = sweep.context.claims.before(before, cursor, PAGE)
        return Page(found, after)

    async def remove(self, item: tuple[str, Claim], sweep: Sweep) -> bool:
        return await asyncio.to_thread(self._remove, *item, sweep)

    def _remove(self, tenant: str, claim: Claim, sweep: Sweep) -> bool:
        if sweep.context.records.get(tenant, claim.export_id) is not None:
            return False
        sweep.context.claims.forget(tenant, claim.row, claim.export_id)
        return True
