"""The interface of a sweeper: it finds what has had its time page by page, and removes one thing at a time."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from shared.jobs.records import ExportRecord
from shared.services import Services
from shared.webhooks.deliveries import Delivery

PAGE = 200
"""The most things of a page."""


@dataclass(frozen=True)
class Sweep:
    """What a sweeper works with. ``now`` is UTC and stays the same for a whole run.

    ``purge`` removes the durable history of an export that has ended, ``remind`` tells its owner that the file goes
    soon, and ``purge_delivery`` removes the durable history of a delivery; False when it still runs.
    """

    context: Services
    now: datetime
    purge: Callable[[ExportRecord], Awaitable[None]]
    remind: Callable[[ExportRecord], None]
    purge_delivery: Callable[[Delivery], Awaitable[bool]]


@dataclass(frozen=True)
class Page:
    """Things to remove, perhaps none, and the cursor of the next page, which is empty at the end."""

    items: Sequence[Any]
    cursor: str


class Sweeper(Protocol):
    """Removes one kind of thing."""

    name: str

    def page(self, sweep: Sweep, cursor: str) -> Page:
        """The next things to remove. Blocks. Raises ``StorageUnavailable``."""
        ...

    async def remove(self, item: Any, sweep: Sweep) -> int:
        """Remove one; give how many things went, 0 when it was not to be removed any more.

        May be killed anywhere, and run twice at once.
        """
        ...
