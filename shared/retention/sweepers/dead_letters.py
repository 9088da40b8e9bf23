"""Dead letters that are none any more: of exports that somebody drove again, or that are forgotten."""

import asyncio

from shared.jobs.dead_letters import DeadLetter
from shared.jobs.status import Status
from shared.retention.sweepers.base import PAGE, Page, Sweep


class SettledLetters:
    """See ``Sweeper``."""

    name = "settled-letters"

    def page(self, sweep: Sweep, cursor: str) -> Page:
        found, after = sweep.context.letters.page("", cursor, PAGE)
        return Page([letter for letter in found if _is_settled(letter, sweep)], after)

    async def remove(self, item: DeadLetter, sweep: Sweep) -> bool:
        await asyncio.to_thread(sweep.context.letters.remove, item.tenant, item.id)
        return True


def _is_settled(letter: DeadLetter, sweep: Sweep) -> bool:
    record = sweep.context.records.get(letter.tenant, letter.id)
    return record is None or record.status != Status.FAILED or record.attempt != letter.attempt
