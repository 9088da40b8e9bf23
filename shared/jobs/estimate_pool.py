"""Where the database is asked while somebody waits: threads of their own, so that no other answer waits for it.

What answers requests reads the storage account in another pool (``triggers/http/endpoint.py``). Work has a deadline,
which counts the time that it waits for a thread: whoever asked is answered by then, and what has not begun is dropped.
A user and a tenant may have so many running or waiting. Of those that wait, the one goes first whose tenant has the
fewest running, and no tenant gets the last thread beside its others.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, TypeVar

from shared.errors import TookTooLong, TooManyRequests
from shared.identity.caller import Caller
from shared.settings import settings
from shared.sources.deadline import Deadline

T = TypeVar("T")

_RETRY_SECONDS = 5
_WAITING_FOR_EACH = 16
"""How much may wait for each thread, whoever asks."""

_COUNTING = "counting"
_here = threading.local()


@dataclass(frozen=True)
class _Job:
    tenant: str
    user: str
    work: Callable[[], Any]
    deadline: Deadline
    context: Context = field(default_factory=copy_context)
    future: "Future[Any]" = field(default_factory=Future)


class FairPool:
    """``threads`` of the name ``name`` in which somebody's work is done, and who may use them.

    ``what`` is done there is said to who has too much of it.
    """

    def __init__(
        self, threads: int, most_per_user: int, most_per_tenant: int, *, name: str = _COUNTING, what: str = "estimates"
    ) -> None:
        self._threads, self._what = threads, what
        self._most_per_user, self._most_per_tenant = most_per_user, most_per_tenant
        self._turn = threading.Lock()
        self._running: list[_Job] = []
        self._waiting: list[_Job] = []
        self._executor = ThreadPoolExecutor(threads, name, initializer=partial(_begin, name))

    async def run(self, caller: Caller, work: Callable[[], T], deadline: Deadline) -> T:
        """What the work gives, done in one of the threads.

        Work that has begun has to end at the deadline by itself; until it does, it takes up its thread. Raises what it
        raises, ``TooManyRequests``, and ``TookTooLong`` at the deadline.
        """
        job = _Job(caller.tenant, caller.user, work, deadline)
        with self._turn:
            self._check(job)
            self._waiting.append(job)
        self._begin_next()
        try:
            result: T = await asyncio.wait_for(asyncio.wrap_future(job.future), max(0.0, deadline.left))
        except TimeoutError:
            raise self._late(job) from None
        finally:
            with self._turn:
                if job in self._waiting:
                    self._waiting.remove(job)
        return result

    def _late(self, job: _Job) -> TookTooLong:
        with self._turn:
            if job not in self._waiting:
                return job.deadline.passed()
        seconds = f"{job.deadline.seconds:g} seconds"
        return TookTooLong(f"the {self._what} before yours took the {seconds} that it may take; try again soon")

    def _check(self, job: _Job) -> None:
        of_tenant = [other for other in (*self._running, *self._waiting) if other.tenant == job.tenant]
        of_user = [other for other in of_tenant if other.user == job.user]
        for who, used, most in (
            ("you have", len(of_user), self._most_per_user),
            ("your organisation has", len(of_tenant), self._most_per_tenant),
            ("others have", len(self._waiting), self._threads * _WAITING_FOR_EACH),
        ):
            if used >= most:
                sentence = f"{who} {used:,} {self._what} running or waiting here, which is the limit; try again soon"
                raise TooManyRequests(sentence, _RETRY_SECONDS)

    def _begin_next(self) -> None:
        with self._turn:
            while len(self._running) < self._threads:
                running = Counter(job.tenant for job in self._running)
                job = min(self._waiting, key=lambda waits: running[waits.tenant], default=None)
                if job is None or running[job.tenant] >= max(1, self._threads - 1):
                    return
                self._waiting.remove(job)
                if job.deadline.left > 0 and job.future.set_running_or_notify_cancel():
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


def _begin(name: str) -> None:
    _here.pool = name


def in_a_counting_thread() -> bool:
    """Whether this thread is one of those that may ask the database while somebody waits."""
    return getattr(_here, "pool", "") == _COUNTING


@cache
def counting_pool() -> FairPool:
    """The pool of this process."""
    known = settings()
    return FairPool(known.estimates_at_once, known.max_estimates_per_user, known.max_estimates_per_tenant)
