"""The interface of a file format: encode parts independently, then assemble the file as a concatenation.

A format is one file here and one line in ``shared/formats/__init__.py``. Its contract is
``tests/formats/test_format_contract.py``: among other things the same batches give the same bytes, memory does not grow
with the number of rows, and the assembled file is equal to its source for an independent reader.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import pyarrow as pa

from shared.catalog.columns import Column
from shared.formats.options import Option

Write = Callable[[bytes | memoryview], object]
"""Takes the next bytes of a part. May block while earlier bytes are being uploaded."""

Facts = Mapping[str, Any]
"""What a format wants to remember of a part until the file is assembled, as a JSON object. The first 7,000 characters
cost nothing; more is stored beside the part and read by the merge."""


Compression = Literal["none", "gzip", "zip"]
"""How the file is packed, beside what its format does by itself."""


@dataclass(frozen=True)
class FileSpec:
    """What the file shall look like; the same for every part of an export.

    ``title`` is the export's title (sheet name, PDF title). ``created`` is an ISO-8601 UTC time that formats use where
    they must state one, so that bytes stay the same when a part is made again. ``locale`` is the language of the
    titles; with ``locale_asked`` CSV writes numbers and separates cells as its people do. ``time_zone`` is the IANA
    zone in which time stamps with a zone are rendered. ``file_name`` is the name of the file inside a zip container.
    ``options`` holds the format's own options, already validated by it.
    """

    columns: tuple[Column, ...]
    title: str = "Export"
    created: str = "1980-01-01T00:00:00Z"
    locale: str = "en"
    time_zone: str = "UTC"
    compression: Compression = "none"
    file_name: str = "export"
    options: Mapping[str, Any] = field(default_factory=dict)
    locale_asked: bool = True


@dataclass(frozen=True)
class PartPosition:
    """Where a part stands: its index, how many parts there are, and the number of rows planned before it.

    ``shift`` is how many more rows than planned the parts before it in its group have; negative: how many fewer.
    """

    index: int
    total: int
    rows_before: int
    shift: int = 0


@dataclass(frozen=True)
class EncodedPart:
    """A finished part as ``assemble`` sees it: its index, its real number of rows, its size and the format's facts."""

    index: int
    rows: int
    bytes: int
    facts: Facts


@dataclass(frozen=True)
class Verbatim:
    """A segment of the file that the format writes itself: header, footer, directory."""

    data: bytes


@dataclass(frozen=True)
class PartBytes:
    """A segment that is all the bytes of part ``index``, as they are."""

    index: int


Segment = Verbatim | PartBytes


class Format(Protocol):
    """One file format. Stateless; the class attributes describe it to the API, the docs and the portal."""

    name: str
    title: str
    extension: str
    content_type: str
    summary: str
    compressions: Sequence[str]
    """The compressions that ``FileSpec.compression`` may name for this format."""
    option_list: Sequence[Option]
    """The format's own options, as ``options`` validates them."""
    rows_per_group: int | None
    """Parts never straddle a multiple of this many rows (XLSX: the data rows of a sheet); None: no such bound."""
    numbers_rows: bool
    """Whether a part holds the numbers of its rows, which are others when a part before it is not as planned."""
    part_rows: int | None
    """How many rows a part should have (PDF: those of a whole file, to measure its columns together); None: any."""
    max_rows: int | None
    """The largest number of rows that a file of this format may hold; None: no limit."""

    def options(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Validate a request's options and fill in the defaults. Raises ``ValidationFailed``."""
        ...

    def encode_part(
        self, batches: pa.RecordBatchReader, write: Write, spec: FileSpec, position: PartPosition
    ) -> tuple[int, Facts]:
        """Encode the batches while they are read, and pass the bytes to ``write``; give the rows and the facts.

        Deterministic: the same batches, spec and position give the same bytes. Raises ``LimitReached`` when a stated
        limit of the format is passed, and whatever draining ``batches`` raises.
        """
        ...

    def assemble(self, parts: Sequence[EncodedPart], spec: FileSpec) -> Iterator[Segment]:
        """The segments of the final file, in order. ``parts`` are in order and complete, and may be empty.

        Parts are taken whole or not at all, so that their bytes can be put in their place in the final file while they
        are made: what belongs elsewhere in the file is a fact.
        """
        ...
