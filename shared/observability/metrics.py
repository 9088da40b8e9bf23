"""What is counted and measured, in which words, and how it gets from this process to where all processes are added up.

Every process counts for itself. Two seconds after something was counted it saves its sums as one row of a table
(``shared/observability/metrics_table.py``), which ``/ops/metrics`` adds up over all rows: the numbers are those of the
whole service, whichever worker answers, and stay when a worker is gone
(docs/decisions/0006-counts-are-kept-in-storage.md).
"""

import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

from shared.errors import StorageUnavailable
from shared.observability.logging import logger


@dataclass(frozen=True)
class Instrument:
    """A counter, or with ``buckets`` (upper bounds) a histogram. Names are Prometheus', without ``_total``."""

    name: str
    summary: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_SAVE_AFTER_SECONDS = 2.0

_SECONDS = (0.5, 1, 2, 5, 10, 20, 45, 90, 180, 300, 600, 1800, 3600, 7200)
_ROWS = (100, 1_000, 10_000, 50_000, 100_000, 200_000, 500_000, 1_000_000)
_BYTES = (10_000, 100_000, 1_000_000, 5_000_000, 10_000_000, 20_000_000, 50_000_000, 100_000_000)
_KIND = ("export_type", "format")

EXPORTS = Instrument("sluice_exports", "Exports that came into a status.", ("status", *_KIND))
QUEUE_SECONDS = Instrument("sluice_export_queue_seconds", "From the request to the start of its work.", _KIND, _SECONDS)
READY_SECONDS = Instrument("sluice_export_ready_seconds", "From the request to the finished file.", _KIND, _SECONDS)
ROWS = Instrument("sluice_exported_rows", "Rows of finished files.", _KIND)
BYTES = Instrument("sluice_exported_bytes", "Bytes of finished files.", _KIND)
ROWS_PER_SECOND = Instrument("sluice_export_rows_per_second", "Rows of a file by its time of work.", _KIND, _ROWS)
BYTES_PER_SECOND = Instrument("sluice_export_bytes_per_second", "Bytes of a file by its time of work.", _KIND, _BYTES)
PARTS = Instrument(
    "sluice_parts", "Tries to make a part: done, failed (it may pass), refused (it cannot).", ("outcome",)
)
PARTS_RETRIED = Instrument("sluice_parts_retried", "Tries to make a part that were not its first.")
GUARDED_CELLS = Instrument(
    "sluice_guarded_cells", "Cells of CSV in which the formula guard put an apostrophe.", ("export_type",)
)
MAILS = Instrument(
    "sluice_mails", "Mails by what became of them: sent, or skipped with the reason.", ("outcome", "reason")
)
WEBHOOKS = Instrument("sluice_webhook_deliveries", "Tries to deliver an event.", ("event", "result"))
STORAGE_ERRORS = Instrument("sluice_storage_errors", "Calls of storage that failed after retries.", ("kind",))

INSTRUMENTS = (
    EXPORTS,
    QUEUE_SECONDS,
    READY_SECONDS,
    ROWS,
    BYTES,
    ROWS_PER_SECOND,
    BYTES_PER_SECOND,
    PARTS,
    PARTS_RETRIED,
    GUARDED_CELLS,
    MAILS,
    WEBHOOKS,
    STORAGE_ERRORS,
)
"""All of them, in the order in which they are shown."""

Series = tuple[str, tuple[str, ...]]
"""An instrument's name and the values of its labels."""

Sums = dict[Series, list[float]]
"""A counter's value; of a histogram the sum of what was observed, and how many were in each bucket and above all."""

Forward = Callable[[Instrument, float, Mapping[str, str]], None]


class Store(Protocol):
    """Keeps the sums of processes. Every method raises ``StorageUnavailable``."""

    def put(self, process: str, sums: Sums) -> None:
        """Write a process's row, new or not."""
        ...

    def replace(self, process: str, sums: Sums) -> bool:
        """Write a process's row again; False when it is gone, because it was added to the total as it was."""
        ...


def added(one: Sums, other: Sums, sign: int = 1) -> Sums:
    """Two sums in one; ``sign`` -1 for their difference."""
    whole = {series: list(values) for series, values in one.items()}
    for series, values in other.items():
        have = whole.get(series, [0.0] * len(values))
        whole[series] = [a + sign * b for a, b in zip(have, values, strict=True)]
    return whole


class Counts:
    """The sums of one process. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._saving = threading.Lock()
        self._sums: Sums = {}
        self._saved: Sums = {}
        self._dirty = False
        self._timer: threading.Timer | None = None
        self._store: Store | None = None
        self._process = ""

    def keep_in(self, store: Store) -> None:
        """Where to save from now on; what was counted before is saved too."""
        with self._lock:
            self._store = store
            if self._dirty:
                self._plan()

    def add(self, instrument: Instrument, value: float, labels: Mapping[str, str]) -> None:
        """Count, or observe where the instrument has buckets."""
        series = (instrument.name, tuple(labels[name] for name in instrument.labels))
        with self._lock:
            if instrument.buckets:
                values = self._sums.setdefault(series, [0.0] * (len(instrument.buckets) + 2))
                values[0] += value
                values[1 + bisect_left(instrument.buckets, value)] += 1
            else:
                self._sums.setdefault(series, [0.0])[0] += value
            self._dirty = True
            self._plan()

    def save(self) -> None:
        """Save now what was not saved. Raises ``StorageUnavailable``; then it is tried again by itself."""
        with self._saving:
            with self._lock:
                store, dirty, sums = self._store, self._dirty, added(self._sums, {})
                self._dirty = False
            if store is None or not dirty:
                return
            try:
                self._save(store, sums)
            except StorageUnavailable:
                with self._lock:
                    self._dirty = True
                    self._plan()
                raise

    def _save(self, store: Store, sums: Sums) -> None:
        if self._process and self._saved and not store.replace(self._process, sums):
            # The row was idle for long, and is in the total now: go on from nothing, in a row of its own.
            sums = added(sums, self._saved, -1)
            with self._lock:
                self._sums = added(self._sums, self._saved, -1)
            self._process, self._saved = "", {}
        if not self._saved:
            self._process = self._process or uuid4().hex
            store.put(self._process, sums)
        self._saved = sums

    def _plan(self) -> None:
        if self._store is None or self._timer is not None:
            return
        self._timer = threading.Timer(_SAVE_AFTER_SECONDS, self._save_later)
        self._timer.daemon = True
        self._timer.start()

    def _save_later(self) -> None:
        with self._lock:
            self._timer = None
        try:
            self.save()
        except StorageUnavailable:
            logger.warning("counts are not saved yet", extra={"action": "counts-not-saved"})


_counts = Counts()
_forward: list[Forward] = []


def count(instrument: Instrument, value: float = 1, /, **labels: str) -> None:
    """Add to a counter, or observe a value. The labels are those of the instrument."""
    _counts.add(instrument, value, labels)
    for forward in _forward:
        forward(instrument, value, labels)


def keep_in(store: Store) -> None:
    """Save this process's sums there."""
    _counts.keep_in(store)


def save() -> None:
    """Save this process's sums now. Raises ``StorageUnavailable``."""
    _counts.save()


def forward_to(forward: Forward) -> None:
    """Tell somebody else too of whatever is counted."""
    _forward.append(forward)
