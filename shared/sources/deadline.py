"""A time by which a database must have answered, for somebody waits; after it, nothing runs there any more."""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shared.errors import SluiceError, TookTooLong
from shared.sources.interruption import Interrupt

_SPARE_SECONDS = 5
"""How much later a server ends a statement by itself, should whoever is to interrupt it be gone."""


@dataclass(frozen=True)
class Deadline:
    """``seconds`` from when it was made, which is at ``end`` (of the monotonic clock)."""

    seconds: float
    end: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """The deadline so many seconds from now."""
        return cls(seconds, time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """Seconds; negative when it has passed."""
        return self.end - time.monotonic()

    @property
    def statement_timeout(self) -> int:
        """For a server, in seconds: a little after the deadline."""
        return max(1, math.ceil(self.left)) + _SPARE_SECONDS

    def passed(self) -> TookTooLong:
        """The error that says so."""
        return TookTooLong(
            f"the database has not counted the rows within {self.seconds:g} seconds, and no longer works on it; narrow "
            "the date range or the filters; an export may take longer than that"
        )

    @contextmanager
    def interrupting(self) -> Iterator[Interrupt]:
        """An interrupt that is fired at the deadline; what fails because of it raises ``TookTooLong``."""
        if self.left <= 0:
            raise self.passed()
        interrupt = Interrupt()
        timer = threading.Timer(self.left, interrupt.fire)
        timer.daemon = True
        timer.start()
        try:
            yield interrupt
        except SluiceError:
            if self.left <= 0:
                raise self.passed() from None
            raise
        finally:
            timer.cancel()
