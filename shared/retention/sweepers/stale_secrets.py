"""Signing secrets of webhooks that are not stored as they are to be: under the first key, or in plain text for now."""

import asyncio
from dataclasses import replace

from shared.retention.sweepers.base import Page, Sweep
from shared.webhooks.endpoints import Endpoint


class StaleSecrets:
    """See ``Sweeper``: what goes is what older releases stored in plain text, and what needs a key that is to go."""

    name = "stale-secrets"

    def page(self, sweep: Sweep, cursor: str) -> Page:
        sealer = sweep.context.sealer
        found = sweep.context.endpoints.all()
        return Page([e for e in found if any(sealer.is_stale(s.secret) for s in e.secrets)], "")

    async def remove(self, item: Endpoint, sweep: Sweep) -> bool:
        sealer = sweep.context.sealer

        def how(present: Endpoint) -> Endpoint:
            anew = tuple(replace(s, secret=sealer.anew(s.secret, present.place)) for s in present.secrets)
            return replace(present, secrets=anew)

        return await asyncio.to_thread(sweep.context.endpoints.change, item, how) is not None
