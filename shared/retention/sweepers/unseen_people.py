"""What is known of people who have not called for so long that nothing acts on it any more."""

import asyncio
from datetime import timedelta

from shared.identity.people import Person
from shared.retention.sweepers.base import PAGE, Page, Sweep
from shared.timestamps import iso


class UnseenPeople:
    """See ``Sweeper``. That somebody was offboarded stays, so that they stay out."""

    name = "unseen-people"

    def page(self, sweep: Sweep, cursor: str) -> Page:
        before = iso(sweep.now - timedelta(days=sweep.context.settings.schedule_trust_days))
        found, after = sweep.context.people.not_seen_since(before, cursor, PAGE)
        return Page(found, after)

    async def remove(self, item: Person, sweep: Sweep) -> bool:
        return await asyncio.to_thread(sweep.context.people.forget, item)
