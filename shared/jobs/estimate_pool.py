"""Where the database is asked while somebody waits: threads of their own, so that no other answer waits for it.

What answers requests reads the storage account in another pool (``triggers/http/endpoint.py``). A count may take as
long as ``ESTIMATE_SECONDS``. A user and a tenant may have so many running or waiting. Of those that wait, the one goes
first whose tenant has the fewest running, and no tenant gets the last thread beside its others.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from shared.errors import TooManyRequests
from shared.identity.caller import Caller
from shared.settings import settings

T = TypeVar("T")

_RETRY_SECONDS = 5
_WAITING_FOR_EACH = 16
"""Counts that may wait for each thread, whoever asks: the last one waits for minutes at worst."""

_here = threading.local()


@dataclass(frozen=True)
class _Job:
    tenant: str
    user: str
    work: Callable[[], Any]
    context: Context = field(default_factory=copy_context)
    future: "Future[Any]" = field(default_factory=Future)


class CountingPool:
    """``threads`` that count, and who may use them."""

    def __init__(self, threads: int, most_per_user: int, most_per_tenant: int) -> None:
        self._threads = threads
        self._most_per_user, self._most_per_tenant = most_per_user, most_per_tenant
        self._turn = threading.Lock()
        self._running: list[_Job] = []
        self._waiting: list[_Job] = []
        self._executor = ThreadPoolExecutor(threads, "counting", initializer=_begin)

    async def run(self, caller: Caller, work: Callable[[], T]) -> T:
        """What the work gives, done in one of the threads. Raises what it raises, and ``TooManyRequests``."""
        job = _Job(caller.tenant, caller.user, work)
        with self._turn:
            self._check(job)
            self._waiting.append(job)
        self._begin_next()
        result: T = await asyncio.wrap_future(job.future)
        return result

    def _check(self, job: _Job) -> None:
        of_tenant = [other for other in (*self._running, *self._waiting) if other.tenant == job.tenant]
        of_user = [other for other in of_tenant if other.user == job.user]
        for who, used, most in (
            ("you have", len(of_user), self._most_per_user),
            ("your organisation has", len(of_tenant), self._most_per_tenant),
            ("others have", len(self._waiting), self._threads * _WAITING_FOR_EACH),
        ):
            if used >= most:
                sentence = f"{who} {used:,} estimates running or waiting here, which is the limit; try again soon"
                raise TooManyRequests(sentence, _RETRY_SECONDS)

    def _begin_next(self) -> None:
        with self._turn:
            while len(self._running) < self._threads:
                running = Counter(job.tenant for job in self._running)
                job = min(self._waiting, key=lambda waits: running[waits.tenant], default=None)
                if job is None or running[job.tenant] >= max(1, self._threads - 1):
                    return
                self._waiting.remove(job)
                if job.future.set_running_or_notify_cancel():
                    self._running.append(job)
                    self._executor.submit(self._do, job)

    def _do(self, job: _Job) -> None:
        try:
            result = job.context.run(job.work)
        except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits
            self._end(job)
            job.future.set_exception(error)
        else:
            self._end(job)
            job.future.set_result(result)

    def _end(self, job: _Job) -> None:
        with self._turn:
            self._running.remove(job)
        self._begin_next()


def _begin() -> None:
    _here.counts = True


def in_a_counting_thread() -> bool:
    """Whether this thread is one of those that may ask the database while somebody waits."""
    return getattr(_here, "counts", False)


@cache
def counting_pool() -> CountingPool:
    """The pool of this process."""
    known = settings()
    return CountingPool(known.estimates_at_once, known.max_estimates_per_user, known.max_estimates_per_tenant)
