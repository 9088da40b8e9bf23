"""Waiting for something to become true."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(true: Callable[[], T], seconds: float = 60) -> T:
    """Ask again until the answer is true, and give it. Raises ``TimeoutError``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := true():
            return answer
        time.sleep(0.1)
    raise TimeoutError(f"not true after {seconds:.0f} s")
