"""The interface of a data source: planning by key ranges, and reading a range as Arrow record batches.

A source is one file here and one line in ``shared/sources/__init__.py``. Its contract is
``tests/sources/test_source_contract.py``.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

import pyarrow as pa

from shared.requests.query import KeyRange, Query
from shared.sources.deadline import Deadline
from shared.sources.interruption import Interrupt


class Source(Protocol):
    """One database. Instances hold no open connection between calls, so one can be used by many threads."""

    def plan(self, query: Query, sizes: Iterator[int], *, interrupt: Interrupt | None = None) -> list[KeyRange]:
        """Cut the matching rows, in key order, into ranges of exactly the wanted sizes (the last may be smaller).

        The upper key is frozen by this: a row that is inserted later with a larger key is in no range. No matching row
        gives an empty list. Raises ``SourceUnavailable`` (try again) or ``QueryFailed`` (do not). ``interrupt`` ends it
        with an error where the database can end a statement from outside.
        """
        ...

    def count(self, query: Query, *, deadline: Deadline | None = None) -> int:
        """How many rows match.

        Raises as ``plan`` does, and ``TookTooLong`` at the deadline, after which the database does no more for it.
        """
        ...

    def sample(self, query: Query, rows: int, most: int, *, deadline: Deadline) -> pa.RecordBatch | None:
        """The first of the ``rows`` that match, ``most`` of them at most; None when none does. Raises as ``count``."""
        ...

    def read(
        self, query: Query, key_range: KeyRange, *, halvings: int = 0, interrupt: Interrupt | None = None
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        """Open the rows of one range, in key order, as batches of ``arrow_schema(query.columns)``.

        Batches are of bounded size however many rows the range has; the bound is halved ``halvings`` times, for a
        worker that was short of memory. Raises as ``plan`` does, and ``SchemaChanged`` when a value or a column no
        longer fits the declared type; both may come while the reader is being drained.
        """
        ...
