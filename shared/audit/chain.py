"""The chain of the audit log: each row of a writer holds the hash of the row before it.

A writer is one process; its rows carry the columns

    chain     the writer's id, random, made with its first row
    seq       1, 2, 3 ... in the order in which rows were begun
    prev      the hash of row ``seq - 1``; empty in the first
    settled   of all rows up to this one it is known what became of them
    lost      those of which storage said no, as ``3,7-9``; they are not to be missed
    hash      SHA-256 of all other columns and the keys

Rows are written at the same time and none waits for another: ``seq`` and ``prev`` are given before the write, under a
lock that is held for microseconds. A write that fails leaves a gap, and the next rows say so in ``lost``. So a row that
is missing was deleted, unless a later row calls it lost, or no later row has it settled: then the process may have been
killed while it wrote. ``shared/audit/verify.py`` checks all that.
"""

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from threading import Lock
from typing import Any

HASH = "hash"
COLUMNS = ("chain", "seq", "prev", "settled", "lost", HASH)


def hash_of(entity: Mapping[str, Any]) -> str:
    """The hash of a row: of everything in it but ``hash``, columns that this release does not know too."""
    content = sorted((name, value) for name, value in entity.items() if name != HASH)
    return hashlib.sha256(json.dumps(content, separators=(",", ":"), default=str).encode()).hexdigest()


class Chain:
    """The chain of one writer. Safe to use from several threads."""

    def __init__(self) -> None:
        self.id = secrets.token_hex(8)
        self._lock = Lock()
        self._last = 0
        self._head = ""
        self._open: set[int] = set()
        self._lost: set[int] = set()
        self._told: dict[int, frozenset[int]] = {}

    def link(self, entity: Mapping[str, Any]) -> dict[str, Any]:
        """The row with its place in the chain. Call ``settle`` once it is known what became of it."""
        with self._lock:
            self._last += 1
            lost = frozenset(self._lost)
            row = {
                **entity,
                "chain": self.id,
                "seq": self._last,
                "prev": self._head,
                "settled": min(self._open, default=self._last) - 1,
                "lost": as_ranges(lost),
            }
            self._head = row[HASH] = hash_of(row)
            self._open.add(self._last)
            self._told[self._last] = lost
            return row

    def settle(self, seq: int, *, stored: bool) -> None:
        """A row is in the table, or storage did not take it, or never said whether it did."""
        with self._lock:
            self._open.discard(seq)
            told = self._told.pop(seq)
            if stored:
                self._lost -= told
            else:
                self._lost.add(seq)


def as_ranges(numbers: Iterable[int]) -> str:
    """Numbers as they stand in ``lost``.

    >>> as_ranges([3, 9, 7, 8])
    '3,7-9'
    """
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in ranges)


def in_ranges(text: str) -> Iterator[tuple[int, int]]:
    """First and last of each range. Raises ``ValueError``.

    >>> list(in_ranges("3,7-9"))
    [(3, 3), (7, 9)]
    """
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        yield int(first), int(last or first)
