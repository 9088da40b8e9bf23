"""Reading that can be given up in the middle of a statement, however long that takes.

What talks to the database runs in a thread of its own, and whoever waits for it looks every now and then whether it is
still wanted. If it is not, the statement is interrupted where the driver can do so, and nobody waits for it any longer;
where it cannot (SQLite's), the statement goes on to its end in its thread, which then closes what it opened.
"""

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa

from shared.errors import QueryFailed

T = TypeVar("T")
Check = Callable[[], object]
"""Raises when the work is not wanted any more."""

_EVERY_SECONDS = 1.0
_AGAIN_SECONDS = 0.2


class Interrupt:
    """Hands on the wish to stop, once, to whatever can be stopped at the moment. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stops: list[Callable[[], object]] = []
        self._fired = False

    @contextmanager
    def stops(self, stop: Callable[[], object]) -> Iterator[None]:
        """Meanwhile ``fire`` makes ``stop`` be called, which ends what runs in this block; later it begins no more.

        Raises ``QueryFailed`` when it was fired before.
        """
        with self._lock:
            if self._fired:
                raise QueryFailed("nobody waits for the database any more")
            self._stops.append(stop)
        try:
            yield
        finally:
            with self._lock:
                self._stops.remove(stop)

    def fire(self) -> None:
        """Stop what runs, and what follows it, for between two statements there is none to stop."""
        with self._lock:
            self._fired = True
        threading.Thread(target=self._stop, name="interrupt", daemon=True).start()

    def _stop(self) -> None:
        while True:
            with self._lock:
                if not self._stops:
                    return
                for stop in self._stops:
                    with suppress(Exception):  # it may be ending by itself
                        stop()
            time.sleep(_AGAIN_SECONDS)


@dataclass(frozen=True)
class _Raised:
    error: BaseException


_END = object()


def run_beside(work: Callable[[], T], check: Check, interrupt: Interrupt) -> T:
    """Do the work in another thread, and give its result. Raises what it raises, and what ``check`` raises."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(work())
        except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits
            answers.put(_Raised(error))

    _begin(run)
    result: T = _awaited(answers, check, interrupt)
    return result


@contextmanager
def read_beside(
    opened: AbstractContextManager[pa.RecordBatchReader], schema: pa.Schema, check: Check, interrupt: Interrupt
) -> Iterator[pa.RecordBatchReader]:
    """The same batches, drawn in another thread, one whenever one is asked for."""
    batches = _drawn(opened, check, interrupt)
    try:
        yield pa.RecordBatchReader.from_batches(schema, batches)
    finally:
        batches.close()


def _drawn(
    opened: AbstractContextManager[pa.RecordBatchReader], check: Check, interrupt: Interrupt
) -> Generator[pa.RecordBatch, None, None]:
    wishes: queue.SimpleQueue[bool] = queue.SimpleQueue()
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def draw() -> None:
        try:
            with opened as batches:
                while wishes.get():
                    answers.put(next(iter(batches), _END))
        except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits
            answers.put(_Raised(error))

    thread = _begin(draw)
    given_up = True
    try:
        while True:
            wishes.put(True)
            batch = _awaited(answers, check, interrupt)
            if batch is _END:
                break
            yield batch
        given_up = False
    except GeneratorExit:
        given_up = False
        raise
    finally:
        wishes.put(False)
        if not given_up:
            thread.join()


def _begin(work: Callable[[], None]) -> threading.Thread:
    """A thread that logs as this one does, and that nobody waits for when the process ends."""
    thread = threading.Thread(target=copy_context().run, args=(work,), name="source", daemon=True)
    thread.start()
    return thread


def _awaited(answers: "queue.SimpleQueue[Any]", check: Check, interrupt: Interrupt) -> Any:
    while True:
        try:
            answer = answers.get(timeout=_EVERY_SECONDS)
        except queue.Empty:
            try:
                check()
            except BaseException:
                interrupt.fire()
                raise
            continue
        if isinstance(answer, _Raised):
            raise answer.error
        return answer
