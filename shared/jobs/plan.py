"""The plan of an export: everything its parts need to know, frozen when the export starts and stored as one blob."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any

from pydantic import TypeAdapter

from shared.formats import file_extension, get_format
from shared.formats.base import FileSpec, PartPosition
from shared.requests.query import KeyRange, Query
from shared.storage.part_upload import NEWER


@dataclass(frozen=True)
class FunctionCall:
    """The arguments of a team's own ``generate_export``; see ``shared/catalog/export_types.py``.

    ``company_ids`` and ``operational_scope_ids`` are read by workers of release 0.1.0 only, which a rolling update, or
    going back, lets run a part of a plan that this release made. This release asks again whose they are, and reads
    neither (``shared/catalog/tenancy.py``).
    """

    filters: Mapping[str, Any]
    file_format: str
    company_ids: tuple[str, ...] = ()
    operational_scope_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExportPlan:
    """A SQL export has a query and one key range per part; a function export has a call and a single part.

    An export without rows has no part at all, and its file is what the format assembles from nothing.
    """

    export_type: str
    format: str
    spec: FileSpec
    query: Query | None = None
    ranges: tuple[KeyRange, ...] = ()
    call: FunctionCall | None = field(default=None)

    @property
    def part_rows(self) -> tuple[int, ...]:
        """The planned rows of each part; a function says how many only when it has run."""
        return (0,) if self.call else tuple(r.rows for r in self.ranges)

    @property
    def extension(self) -> str:
        """The end of the file's name, without a leading point."""
        return file_extension(get_format(self.format), self.spec.compression)

    @property
    def places_parts(self) -> bool:
        """Parts go straight into their place in the final file; one that is alone is small and copied as cheaply."""
        return self.call is None and len(self.ranges) > 1

    def position(self, index: int) -> PartPosition:
        """Where part ``index`` stands."""
        return PartPosition(index, len(self.part_rows), sum(self.part_rows[:index]))


_ADAPTER = TypeAdapter(ExportPlan)


def dump(plan: ExportPlan) -> bytes:
    """The plan as JSON; the same plan gives the same bytes."""
    return _ADAPTER.dump_json(plan)


def load(data: bytes) -> ExportPlan:
    """The plan that ``dump`` wrote."""
    return _ADAPTER.validate_json(data)


def plan_hash(data: bytes) -> str:
    """What tells this plan from another; every part carries it, so that parts of two plans never mix."""
    return hashlib.sha256(data).hexdigest()[:32]


def part_mark(plan: ExportPlan, plan_hash: str) -> str:
    """What the parts of a plan carry: its hash, and more where release 0.1.0 made them in another way.

    Its merge would make a broken file of such parts (raw deflate fragments in gzip, numbered rows in a workbook). It
    leaves out parts that do not carry the hash alone, says that they are missing, and is tried again: by a worker of
    this release while one is brought out.
    """
    changed = plan.spec.compression == "gzip" or get_format(plan.format).numbers_rows
    return f"{plan_hash}{NEWER}" if changed else plan_hash


def part_sizes(part_rows: int, rows_per_group: int | None) -> Iterator[int]:
    """The sizes of the parts, for ever: ``part_rows``, except that no part straddles a group (XLSX: a sheet).

    >>> from itertools import islice
    >>> list(islice(part_sizes(400, 1_000), 6))
    [400, 400, 200, 400, 400, 200]
    """
    if rows_per_group is None:
        return repeat(part_rows)
    full, rest = divmod(rows_per_group, part_rows)
    group = [part_rows] * full + ([rest] if rest else [])
    return chain.from_iterable(repeat(group))
