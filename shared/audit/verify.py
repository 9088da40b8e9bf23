"""``python -m shared.audit.verify``: is the audit log what was written into it?

Reads the table and the digests, and tells what is missing, changed or inserted, with its time. It takes the settings of
the storage account (``AzureWebJobsStorage...``), ``AZURE_CLIENT_ID`` and ``AUDIT_RETENTION_DAYS`` from the environment.
Without a connection string it reads as whoever is signed in (``az login``); where the app runs, as the app. The exit
status is 0 when all is well, 1 when something is wrong, 2 when it cannot be found out.

The rows of a digest that ended ``AUDIT_RETENTION_DAYS`` ago, or earlier, may be there or not. Of the rest

- a row holds the hash of what is in it, and of the row before it in its chain: a change shows at once, and a row that
  is gone at the next one;
- a digest knows the number, the last and the sum of the rows of a time: it shows the loss of the end of a chain, or of
  all of it, and rows that were put in afterwards;
- a row without a chain is of an earlier release, and must be older than every row with one. After a deployment during
  which both releases ran, say until when with ``--unchained-until``.
"""

import argparse
import os
import secrets
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from tempfile import TemporaryDirectory
from typing import Any

from azure.core.exceptions import AzureError

from shared.audit.chain import HASH, hash_of, in_ranges
from shared.audit.digests import LATE, Digest, Digests, Rows, added, place_of
from shared.audit.log import AuditLog, moment_of
from shared.errors import SettingsError, StorageUnavailable
from shared.settings import Settings, settings_from
from shared.storage.accounts import blob_service, table_service
from shared.timestamps import from_iso, iso, utc_now

_SHOWN = 100
_NEEDED = ("azurewebjobsstorage", "azure_client_id", "audit_retention_days")

_SCHEMA = """
create table rows (chain text, seq integer, time text, tenant text, row text, prev text, stated text, own text,
    settled integer, lost text, primary key (tenant, row)) without rowid;
"""
_INSERT = "insert into rows values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True)
class Problem:
    """What is wrong: ``kind`` is missing, changed, inserted or digest; ``time`` is ISO-8601, perhaps empty."""

    kind: str
    time: str
    text: str
    chain: str = ""


@dataclass
class Report:
    """What was found. ``unchained`` rows are of earlier releases; ``lost`` and ``unsettled`` ones were never there."""

    rows: int = 0
    unchained: int = 0
    chains: int = 0
    digests: int = 0
    lost: int = 0
    unsettled: int = 0
    problems: list[Problem] = field(default_factory=list)

    def add(self, kind: str, time: str, text: str, chain: str = "") -> None:
        """Note a problem."""
        self.problems.append(Problem(kind, time, text, chain))


def verify(log: AuditLog, digests: Digests, now: datetime, kept_for: timedelta, unchained_until: str = "") -> Report:
    """Check the table against itself and the digests. Raises ``StorageUnavailable``."""
    report = Report()
    with TemporaryDirectory() as home, closing(sqlite3.connect(f"{home}/rows.db")) as base:
        base.executescript(_SCHEMA)
        base.executemany(_INSERT, _read(log.rows("", ""), report))
        base.execute("create index by_place on rows (chain, seq)")
        base.execute("create index by_time on rows (time)")
        known = list(_digests(digests, report))
        base.executemany(_INSERT, _read(_meanwhile(log, known[-1].until if known else "", base), report))
        oldest = iso(now - kept_for)
        if known and known[0].number > 1 and known[0].since > oldest:
            text = f"digests 1 to {known[0].number - 1:,} are gone, of rows that are to be there still"
            report.add("digest", known[0].since, text)
        check = _Check(base, known, _cut(known, oldest), report)
        check.unchained(unchained_until)
        for (chain,) in base.execute("select distinct chain from rows where chain <> ''").fetchall():
            report.chains += 1
            check.chain(chain)
        for digest in known:
            if digest.since >= check.cut:
                check.digest(digest)
    report.problems.sort(key=lambda problem: (problem.time, problem.chain))
    return report


def _meanwhile(log: AuditLog, since: str, base: sqlite3.Connection) -> list[dict[str, Any]]:
    """Rows that were written while the table was read, before others that were read: these say that they are there."""
    most = dict(base.execute("select chain, max(seq) from rows where chain <> '' group by chain").fetchall())
    found = []
    for entity in log.rows(since, ""):
        chain, seq = place_of(entity)
        if chain in most and seq <= most[chain]:
            keys = (entity["PartitionKey"], entity["RowKey"])
            if base.execute("select 1 from rows where tenant = ? and row = ?", keys).fetchone() is None:
                found.append(entity)
    return found


def _read(entities: Iterable[dict[str, Any]], report: Report) -> Iterator[tuple[Any, ...]]:
    for entity in entities:
        report.rows += 1
        moment = moment_of(entity["RowKey"])
        if moment is None:
            report.add("inserted", "", f"{_named(entity)}: the key is not one that the service makes")
            continue
        time, own, stated = iso(moment), hash_of(entity), entity.get(HASH)
        chain, seq = place_of(entity)
        if chain and own != stated:
            report.add("changed", time, f"{_named(entity)}: it is not what was written", chain)
        texts = [str(entity.get(name, "")) for name in ("prev", HASH)]
        settled = entity.get("settled")
        yield (
            chain,
            seq,
            time,
            entity["PartitionKey"],
            entity["RowKey"],
            *texts,
            own,
            settled if isinstance(settled, int) else 0,
            str(entity.get("lost", "")),
        )


def _named(entity: Mapping[str, Any]) -> str:
    return f"row {entity['RowKey'][:40]} of {entity['PartitionKey']}"


def _digests(digests: Digests, report: Report) -> Iterator[Digest]:
    """The digests that hold, each once; those of an attempt that another one replaced are left out."""
    before: Digest | None = None
    waiting: list[Digest] = []
    for name, line in digests.lines():
        try:
            digest = Digest.from_line(line)
        except ValueError:
            report.add("digest", "", f"{name}: a line is no digest")
            continue
        report.digests += 1
        if before and (digest.number, digest.previous) != (before.number + 1, before.itself):
            report.add("digest", digest.since, f"{name}: digest {digest.number} does not follow {before.number}")
        before = digest
        waiting = [*(waiting if digest.part > 1 else []), digest]
        if digest.part == digest.parts:
            yield from waiting
            waiting = []


@dataclass
class _Check:
    base: sqlite3.Connection
    digests: Sequence[Digest]
    cut: str
    report: Report

    @property
    def late(self) -> str:
        """Rows that were begun before the cut have a time before this one."""
        return iso(from_iso(self.cut) + LATE) if self.cut else ""

    def unchained(self, until: str) -> None:
        """Rows without a chain: none may be younger than the first that has one."""
        firsts = [rows.earliest for digest in self.digests for rows in digest.chains if rows.chain]
        (first,) = self.base.execute("select min(time) from rows where chain <> ''").fetchone()
        first = min([*firsts, *([first] if first else [])], default="")
        for time, tenant in self.base.execute("select time, tenant from rows where chain = '' order by time"):
            self.report.unchained += 1
            if first and time > first and time > until:
                text = f"a row of {tenant} has no chain: it is of an earlier release (--unchained-until), or was put in"
                self.report.add("inserted", time, text)

    def chain(self, chain: str) -> None:
        """The rows of a chain, one after the other."""
        settled, lost = self._said(chain)
        removed = self._removed(chain)
        before = (removed.last, removed.hash) if removed else (0, "")
        unknown = removed is None and self._older_digests_are_gone(chain)
        query = "select seq, time, tenant, prev, stated from rows where chain = ? and time >= ? order by seq, time"
        for seq, time, tenant, prev, stated in self.base.execute(query, (chain, self.cut)):
            place = f"row {seq:,} of chain {chain} ({tenant})"
            if unknown:
                before, unknown = (seq - 1, prev), False
            if seq == before[0] or (removed and seq < removed.last and time > self.late):
                self.report.add("inserted", time, f"{place}: there is, or was, another one of this number", chain)
            elif seq == before[0] + 1 and prev != before[1]:
                text = f"{place}: it does not follow the row that was written before it"
                self.report.add("changed", time, text, chain)
            elif seq > before[0] + 1:
                self._gap(chain, before[0] + 1, seq - 1, time, settled, lost)
            before = max(before, (seq, stated), key=lambda place: place[0])

    def digest(self, digest: Digest) -> None:
        """What a digest says of each chain, and no other chain in its time."""
        told = {rows.chain for rows in digest.chains}
        for rows in digest.chains:
            self._compare(digest, rows)
        query = "select chain, min(time), count(*) from rows where time >= ? and time < ? group by chain"
        for chain, time, number in self.base.execute(query, (digest.since, digest.until)):
            if chain not in told and not (digest.parts > 1 and self._told_elsewhere(digest, chain)):
                text = f"{number:,} rows of chain {chain or '(none)'} were not there when the digest was made"
                self.report.add("inserted", time, text, chain)

    def _said(self, chain: str) -> tuple[int, list[tuple[int, int]]]:
        """What the rows of a chain say of others: until where all is settled, and which were lost."""
        lost: set[tuple[int, int]] = set()
        most = 0
        query = "select settled, lost from rows where chain = ? and time >= ?"
        for settled, text in self.base.execute(query, (chain, self.cut)):
            most = max(most, settled)
            try:
                lost.update(in_ranges(text))
            except ValueError:
                continue  # somebody changed the row, which is reported
        return most, _merged(lost)

    def _removed(self, chain: str) -> Rows | None:
        """What the last digest of which retention may have removed the rows says of a chain."""
        of_before = [d for d in self.digests if d.until <= self.cut]
        found = [rows for digest in of_before for rows in digest.chains if rows.chain == chain]
        return max(found, key=lambda rows: rows.last, default=None)

    def _older_digests_are_gone(self, chain: str) -> bool:
        known = any(rows.chain == chain for digest in self.digests for rows in digest.chains)
        return known and self.digests[0].number > 1 and self.digests[0].since == self.cut

    def _gap(self, chain: str, first: int, last: int, time: str, settled: int, lost: list[tuple[int, int]]) -> None:
        """Rows that are not there, before one of this time."""
        away = sum(max(0, min(last, until) - max(first, since) + 1) for since, until in lost)
        open_ = max(0, last - max(settled, first - 1))
        known = sum(max(0, min(last, until) - max(first, settled + 1, since) + 1) for since, until in lost)
        self.report.lost += away
        self.report.unsettled += open_ - known
        if missing := last - first + 1 - away - (open_ - known):
            near = f"rows {first:,} to {last:,}" if last > first else f"row {first:,}"
            self.report.add("missing", time, f"{near} of chain {chain}: {missing:,} missing, before this time", chain)

    def _compare(self, digest: Digest, rows: Rows) -> None:
        """All rows of a chain in the time of a digest are still to be there, and no other."""
        number, total = 0, ""
        query = "select own from rows where chain = ? and time >= ? and time < ?"
        for (own,) in self.base.execute(query, (rows.chain, digest.since, digest.until)):
            number, total = number + 1, added(total, own)
        if (number, total) == (rows.rows, rows.sum):
            return
        kind = "missing" if number < rows.rows else "inserted" if number > rows.rows else "changed"
        text = (
            f"chain {rows.chain or '(none)'}: {number:,} rows where the digest of {digest.until} counted {rows.rows:,}"
        )
        if number == rows.rows:
            text = f"chain {rows.chain or '(none)'}: its rows are not those of the digest of {digest.until}"
        self.report.add(kind, rows.earliest, text, rows.chain)

    def _told_elsewhere(self, digest: Digest, chain: str) -> bool:
        same = [other for other in self.digests if (other.since, other.until) == (digest.since, digest.until)]
        return any(rows.chain == chain for other in same for rows in other.chains)


def _cut(digests: Sequence[Digest], oldest: str) -> str:
    """The time before which rows may be gone: the end of a digest that is old enough, or the begin of the first one."""
    ends = [digest.until for digest in digests if digest.until <= oldest]
    begins = [digests[0].since] if digests and digests[0].number > 1 and digests[0].since <= oldest else []
    return max([*ends, *begins], default="")


def _merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges that do not overlap, in order."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def main(arguments: Sequence[str]) -> int:
    """The command. Prints the report, and gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m shared.audit.verify", description="Verify the audit log.")
    parser.add_argument("--unchained-until", default="", help="until when an earlier release ran: 2026-03-01T12:00:00Z")
    wanted = parser.parse_args(arguments)
    try:
        until = iso(from_iso(wanted.unchained_until)) if wanted.unchained_until else ""
        known = _settings(os.environ)
        log = AuditLog(table_service(known, "activity", for_a_person=True))
        digests = Digests(blob_service(known, "activity", for_a_person=True))
        report = verify(log, digests, utc_now(), timedelta(days=known.audit_retention_days), until)
    except (SettingsError, StorageUnavailable, ValueError, AzureError) as error:
        sys.stderr.write(f"the audit log cannot be verified: {str(error).partition(chr(10))[0]}\n")
        return 2
    sys.stdout.writelines(f"{line}\n" for line in told(report))
    return 1 if report.problems else 0


def told(report: Report) -> Iterator[str]:
    """The report for a person."""
    for problem in report.problems[:_SHOWN]:
        yield f"{problem.kind:8}  {problem.time or '-':24}  {problem.text}"
    if len(report.problems) > _SHOWN:
        yield f"and {len(report.problems) - _SHOWN:,} more"
    yield (
        f"{report.rows:,} rows ({report.unchained:,} unchained), {report.chains:,} chains, {report.digests:,} digests: "
        f"{len(report.problems):,} problems"
    )
    if report.lost or report.unsettled:
        yield (
            f"not problems: {report.lost:,} rows that storage did not take when they were written, "
            f"{report.unsettled:,} that a process that ended may not have finished"
        )


def _settings(environment: Mapping[str, str]) -> Settings:
    """The settings that say where the log is and where this runs; what else the app needs is made up here."""
    own = {name for name in Settings.model_fields if not name.startswith(_NEEDED)} | {"jwt_directories"}
    return settings_from(
        {
            **{name: value for name, value in environment.items() if name.lower() not in own},
            "SOURCE_URL": "sqlite:///none",
            "LINK_SIGNING_KEY": secrets.token_urlsafe(32),
            "PUBLIC_URL": "https://nobody.invalid",
            "AUTH_MODE": "jwt",
            "JWT_ISSUER": "https://nobody.invalid",
            "JWT_AUDIENCE": "nobody",
        }
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
