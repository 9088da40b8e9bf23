"""A run of retention: every sweeper goes on where it was, for its share of the time, and remembers how far it came.

A checkpoint is kept after every page in which something went, and when time is up. A run that is killed goes on at the
last one, and what it finds half removed it removes; two runs at once do the same work twice, and no harm.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from shared.errors import StorageUnavailable
from shared.observability.logging import logger
from shared.retention.sweepers import SWEEPERS, Sweep, Sweeper

_AT_ONCE = 8
"""Things of a page that are removed at the same time."""


async def run_sweepers(sweep: Sweep, seconds: float, sweepers: Sequence[Sweeper] = SWEEPERS) -> dict[str, int]:
    """Run them one after the other; give how many things each removed."""
    end = time.monotonic() + seconds
    removed: dict[str, int] = {}
    for position, sweeper in enumerate(sweepers):
        share = (end - time.monotonic()) / (len(sweepers) - position)
        try:
            removed[sweeper.name] = await _run(sweeper, sweep, time.monotonic() + share)
        except StorageUnavailable as error:
            logger.warning("%s: %s", sweeper.name, error, extra={"action": "retention-interrupted"})
    return removed


async def _run(sweeper: Sweeper, sweep: Sweep, end: float) -> int:
    checkpoints = sweep.context.checkpoints
    kept = cursor = await asyncio.to_thread(checkpoints.get, sweeper.name)
    removed = 0
    while True:
        page = await asyncio.to_thread(sweeper.page, sweep, cursor)
        went = await _remove(sweeper, page.items, sweep)
        removed += went
        cursor = page.cursor
        over = not cursor or time.monotonic() >= end
        if cursor != kept and (went or over):
            await asyncio.to_thread(checkpoints.keep, sweeper.name, cursor)
            kept = cursor
        if over:
            return removed


async def _remove(sweeper: Sweeper, items: Sequence[Any], sweep: Sweep) -> int:
    """Remove them; give how many went. One that cannot be removed does not keep the others: the next sweep tries it."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def remove(item: Any) -> int:
        async with turn:
            try:
                return await sweeper.remove(item, sweep)
            except Exception:
                extra = {"action": "retention-failed", "sweeper": sweeper.name}
                logger.exception("%s: one was not removed", sweeper.name, extra=extra)
                return 0

    return sum(await asyncio.gather(*map(remove, items)))
