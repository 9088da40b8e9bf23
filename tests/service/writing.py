"""A process that writes rows as an application does: four connections, whose commits come when they come.

It is a process of its own: two copies of SQLite in one process, Python's and the driver's, undo each other's locks.
"""

import json
import random
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

Draw = Callable[[], tuple[int, str]]
"""The number and the moment of a row that is about to be written."""


def write(database: Path, chance: random.Random, draw: Draw, longest: float, end: float, seen: list[int]) -> None:
    """Insert rows: what they are known by is drawn first, and up to ``longest`` seconds later they are committed."""
    with closing(sqlite3.connect(database, isolation_level=None, timeout=30)) as connection:
        while time.monotonic() < end:
            number, moment = draw()
            time.sleep(chance.uniform(0, longest))
            connection.execute("insert into written values (?, 'acme', ?)", (number, moment))
            seen.append(number)


def main(database: str, longest: str, seconds: str) -> None:
    """Write for so long, then tell the numbers of all that was written, as JSON."""
    numbers = count(1)

    def draw() -> tuple[int, str]:
        return next(numbers), datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")

    end = time.monotonic() + float(seconds)
    written: list[list[int]] = [[] for _ in range(4)]
    writers = [
        threading.Thread(target=write, args=(Path(database), random.Random(n), draw, float(longest), end, seen))
        for n, seen in enumerate(written)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    json.dump([number for seen in written for number in seen], sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
