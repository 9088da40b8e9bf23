"""Failed sign-ins in the audit log: who is refused has no tenant, so their entries are those of nobody.

A client that knocks again and again must not fill the log: of an address (of IPv6, of its network of 64 bits, all of
which one client may have) each worker notes ten a minute one by one, and counts the others in one entry that is
written when the minute is over, or when the process ends before. What is kept in memory is bounded, too.
"""

import asyncio
import atexit
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import azure.functions as func

from shared.audit.log import NOBODY, AuditEntry
from shared.audit.recorder import address_of, network_of, write_down
from shared.observability.logging import logger
from shared.settings import settings
from shared.timestamps import iso, utc_now

WINDOW_SECONDS = 60.0
ONE_BY_ONE = 10
"""Of an address, in a window."""

MOST_ADDRESSES = 1_000
"""How many are followed at once; further ones share a window."""

_OTHERS = "others"


@dataclass
class Window:
    """A minute of an address: how many were noted one by one, and by reason how many were not."""

    address: str
    ends: float
    noted: int = 0
    counted: Counter[str] = field(default_factory=Counter)

    @property
    def summary(self) -> str:
        """What is counted, in words, such as ``137 more: 100 expired, 37 no-token``."""
        told = ", ".join(f"{number} {reason}" for reason, number in self.counted.most_common())
        return f"{self.counted.total()} more: {told}"


class FailedSignIns:
    """The windows of a process. Use it from one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: OrderedDict[str, Window] = OrderedDict()

    def noted(self, address: str, reason: str) -> bool:
        """Whether a failed sign-in is to be noted by itself; otherwise it is counted."""
        window = self._window(address)
        if window.noted < ONE_BY_ONE:
            window.noted += 1
            return True
        window.counted[reason] += 1
        return False

    def over(self) -> Iterator[Window]:
        """The windows that are over, with something counted; each is forgotten when it is given."""
        while self._windows and next(iter(self._windows.values())).ends <= self._clock():
            _, window = self._windows.popitem(last=False)
            if window.counted:
                yield window

    def rest(self) -> Iterator[Window]:
        """All windows with something counted, over or not; each is forgotten when it is given."""
        while self._windows:
            _, window = self._windows.popitem(last=False)
            if window.counted:
                yield window

    def next_end(self) -> float | None:
        """In how many seconds the next window is over in which something is counted; None when nothing is."""
        ends = [window.ends for window in self._windows.values() if window.counted]
        return max(0.0, min(ends) - self._clock()) if ends else None

    def _window(self, address: str) -> Window:
        for key in [key for key, window in self._windows.items() if window.ends <= self._clock()]:
            if not self._windows[key].counted:
                del self._windows[key]
        key = network_of(address)
        if key not in self._windows and len(self._windows) >= MOST_ADDRESSES:
            key = _OTHERS
        if key not in self._windows:
            self._windows[key] = Window(key, self._clock() + WINDOW_SECONDS)
        return self._windows[key]


_failed = FailedSignIns()
_summing: list[asyncio.Task[None]] = []
"""The task that sums up, or has done so last."""


async def note_failed(req: func.HttpRequest, reason: str, request_id: str) -> None:
    """Note a failed sign-in, or see to it that it is counted in an entry that follows within a minute."""
    address = address_of(req.headers, settings().trusted_proxies)
    if _failed.noted(address, reason):
        agent = req.headers.get("user-agent", "")
        await asyncio.to_thread(write_down, _entry(address, reason, agent, request_id))
    elif not _summing or _summing[0].done():
        _summing[:] = [asyncio.create_task(_sum_up(request_id))]


async def _sum_up(request_id: str) -> None:
    while (seconds := _failed.next_end()) is not None:
        await asyncio.sleep(seconds)
        for window in _failed.over():
            await asyncio.to_thread(_write_sum, window, request_id)


def _write_sum(window: Window, request_id: str) -> None:
    """Write what a window counted; whatever goes wrong with one must not stop the next."""
    try:
        write_down(_entry(window.address, window.summary, "", request_id))
    except Exception:
        logger.exception("failed sign-ins are not in the audit log: %s", window.summary, extra={"action": "audit-lost"})


@atexit.register
def _write_rest() -> None:
    """Write what is counted when the process ends by itself; one that is killed loses the counts of a minute."""
    for window in _failed.rest():
        _write_sum(window, "")


def _entry(address: str, subject: str, agent: str, request_id: str) -> AuditEntry:
    return AuditEntry(NOBODY, iso(utc_now()), "sign-in", 401, "", "", address, agent, request_id, subject=subject)
