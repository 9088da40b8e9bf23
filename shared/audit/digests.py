"""Digests of the audit log: what its rows were, day by day, in append blobs that an immutability policy can hold.

A container of its own has a blob for each day of UTC, such as ``2026-03-10.jsonl``, with a line for each digest:

    number     1, 2, 3 ...
    previous   SHA-256 of the line before; empty in the first
    since, until   the time of the rows: at or after, and before; a day at most in which there are rows
    part, parts    a day of very many chains is told in several lines
    chains     for each chain: how many rows, the first and the last of them (``seq``), the time of the earliest and the
               latest, the hash of the last, and the sum of all hashes (modulo 2**256)

Rows of releases that had no chains are told as the chain ``""``. Retention makes digests
(``triggers/timers/retention.py``), and removes the rows of a digest together, once all of them are too old.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError

from shared.audit.chain import hash_of
from shared.audit.log import AuditLog, moment_of
from shared.errors import StorageUnavailable
from shared.storage.accounts import ONLY_NEW, storage_errors
from shared.storage.names import AUDIT_DIGESTS
from shared.timestamps import from_iso, iso

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient


LATE = timedelta(minutes=15)
"""A row is in the table so soon after its time, whatever storage does."""

_CHAINS_OF_A_LINE = 10_000
"""An append takes 4 MiB."""

_MODULUS = 2**256
_NOT_THERE = 412
"""The blob has another size (Append Block, x-ms-blob-condition-appendpos)."""


@dataclass
class Rows:
    """What is told of the rows of a chain."""

    chain: str
    rows: int = 0
    first: int = 0
    last: int = 0
    earliest: str = ""
    latest: str = ""
    hash: str = ""
    sum: str = ""

    def add(self, seq: int, time: str, hash_: str) -> None:
        """Count a row in."""
        self.rows += 1
        self.first = min(self.first or seq, seq)
        if seq >= self.last:
            self.last, self.hash = seq, hash_
        self.earliest = min(self.earliest or time, time)
        self.latest = max(self.latest, time)
        self.sum = added(self.sum, hash_)


def added(total: str, hash_: str) -> str:
    """A sum of hashes, with one more."""
    return f"{(int(total or '0', 16) + int(hash_, 16)) % _MODULUS:064x}"


@dataclass(frozen=True)
class Digest:
    """A line. ``itself`` is its SHA-256, to which the next line refers."""

    number: int
    previous: str
    since: str
    until: str
    part: int
    parts: int
    chains: tuple[Rows, ...]
    itself: str = ""

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """The digest in a line. Raises ``ValueError`` for one that is none."""
        try:
            values = json.loads(line)
            chains = tuple(Rows(**rows) for rows in values.pop("chains"))
            return cls(**values, chains=chains, itself=hashlib.sha256(line).hexdigest())
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"this is no digest: {line[:80]!r}") from error

    def to_line(self) -> bytes:
        """The line, without its end."""
        values = asdict(self)
        del values["itself"]
        return json.dumps(values, separators=(",", ":")).encode()


@dataclass(frozen=True)
class End:
    """The end of all lines: the last one, and the name and the size of the blob that it is in."""

    last: Digest | None
    name: str
    size: int


class Digests:
    """The container. Every method raises ``StorageUnavailable`` when the account is away."""

    def __init__(self, service: "BlobServiceClient") -> None:
        self._container = service.get_container_client(AUDIT_DIGESTS)

    def lines(self) -> Iterator[tuple[str, bytes]]:
        """Every line, oldest first, with the name of its blob."""
        for name in self._names():
            yield from ((name, line) for line in self._content(name).splitlines())

    def end(self) -> End:
        """Where the next line goes. Raises ``ValueError`` when somebody made the last one something else."""
        for name in reversed(self._names()):
            content = self._content(name)
            if lines := content.splitlines():
                return End(Digest.from_line(lines[-1]), name, len(content))
        return End(None, "", 0)

    def boundary(self, before: datetime) -> datetime | None:
        """The latest end of a digest that is not after a time; None when there is none. Raises ``ValueError``."""
        for name in reversed(self._names()):
            if name <= f"{iso(before)[:10]}.jsonl":
                for digest in map(Digest.from_line, reversed(self._content(name).splitlines())):
                    if digest.part == digest.parts and from_iso(digest.until) <= before:
                        return from_iso(digest.until)
        return None

    def append(self, digests: Iterable[Digest], end: End) -> None:
        """Add lines there. Raises ``StorageUnavailable`` when somebody else has added some meanwhile."""
        for digest in digests:
            name, line = f"{digest.until[:10]}.jsonl", digest.to_line() + b"\n"
            if name != end.name:
                end = End(None, name, 0)
                self._make(name)
            with storage_errors():
                try:
                    blob = self._container.get_blob_client(name)
                    blob.append_block(line, length=len(line), appendpos_condition=end.size)
                except HttpResponseError as error:
                    if error.status_code == _NOT_THERE:
                        raise StorageUnavailable(f"somebody else has added to {name}") from error
                    raise
            end = End(None, name, end.size + len(line))

    def _make(self, name: str) -> None:
        with storage_errors():
            with suppress(ResourceExistsError):
                self._container.create_container()
            with suppress(ResourceExistsError, ResourceModifiedError):
                self._container.get_blob_client(name).create_append_blob(**ONLY_NEW)

    def _names(self) -> list[str]:
        with storage_errors():
            try:
                return sorted(blob.name for blob in self._container.list_blobs())
            except ResourceNotFoundError:
                return []

    def _content(self, name: str) -> bytes:
        with storage_errors():
            content: bytes = self._container.get_blob_client(name).download_blob().readall()
            return content


def keep_digests(log: AuditLog, digests: Digests, now: datetime, oldest: datetime) -> None:
    """Make the digests that are due: of the days that are over, and of what is to be removed, before ``oldest``.

    Raises ``StorageUnavailable``, and ``ValueError`` when the last digest is not one that was made here.
    """
    settled = now.astimezone(UTC) - LATE
    due = iso(min(max(_day(settled), oldest), settled))
    end = digests.end()
    last = end.last
    since = "" if last is None else last.until if last.part == last.parts else last.since
    if since < due:
        digests.append(_lines(last, since, due, rows_of(log, since, due)), end)


def rows_of(log: AuditLog, since: str, until: str) -> dict[str, list[Rows]]:
    """What there is in the table of a time, chain by chain, for each day's end at which there is something."""
    found: dict[tuple[str, str], Rows] = {}
    for entity in log.rows(since, until):
        chain, seq = place_of(entity)
        time = moment_of(entity["RowKey"])
        if time:  # a key that is none of ours is not sealed: verification reports it
            end = min(until, iso(_day(time) + timedelta(days=1)))
            found.setdefault((end, chain), Rows(chain)).add(seq, iso(time), hash_of(entity))
    days: dict[str, list[Rows]] = {}
    for (end, _), rows in sorted(found.items()):
        days.setdefault(end, []).append(rows)
    return days


def _day(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def place_of(entity: Mapping[str, Any]) -> tuple[str, int]:
    """The chain of a row and its place there; no chain, and 0, when it has none."""
    chain, seq = entity.get("chain"), entity.get("seq")
    return (chain, seq) if isinstance(chain, str) and chain and isinstance(seq, int) and seq > 0 else ("", 0)


def _lines(last: Digest | None, since: str, until: str, days: Mapping[str, list[Rows]]) -> Iterator[Digest]:
    number, previous = (last.number, last.itself) if last else (0, "")
    for end in sorted({*days, until}):
        found = days.get(end, [])
        pieces = [found[start : start + _CHAINS_OF_A_LINE] for start in range(0, len(found), _CHAINS_OF_A_LINE)] or [[]]
        for part, piece in enumerate(pieces, 1):
            number += 1
            digest = Digest(number, previous, since, end, part, len(pieces), tuple(piece))
            previous = hashlib.sha256(digest.to_line()).hexdigest()
            yield digest
        since = end
