"""The merge by itself, on the emulator: its share of an export's time, and its memory, for up to ten million rows.

Rows of the demo's sessions, again and again, are encoded and stored by two processes as activities do it; then a fresh
process merges them. The reading of the rows is not in the time of the parts, so an export's share is smaller still.
"""

import multiprocessing
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import accumulate
from pathlib import Path

import pyarrow as pa

from bench import measure
from bench.formats import first, query
from demo import azurite_server, stack
from exports.sessions import SESSIONS
from shared.formats import get_format
from shared.formats.base import FileSpec, PartPosition
from shared.jobs.plan import part_sizes
from shared.settings import settings_from
from shared.sources import open_source
from shared.storage.accounts import blob_service
from shared.storage.blobs import BlobStore
from shared.storage.merge import merge_parts
from shared.storage.part_upload import PartUpload, stored_parts

FORMATS = ("csv", "xlsx", "parquet")
ROWS = (100_000, 1_000_000, 10_000_000)
PART_ROWS = 50_000
WORKERS = 2


def main() -> None:
    """Print one table: csv and xlsx have their parts in place, parquet copies them."""
    rows: list[list[object]] = []
    with stack.source(stack.home_from(os.environ), "sqlite") as url, tempfile.TemporaryDirectory() as scratch:
        sample = _sample(url, Path(scratch) / "rows.arrow")
        for count in ROWS:
            for name in FORMATS:
                with (
                    tempfile.TemporaryDirectory() as home,
                    azurite_server.running(Path(home), None) as azurite,
                ):
                    rows.append([f"{count:,}", name, *_measure(azurite.connection_string, name, count, sample)])
    header = [
        "rows",
        "format",
        "parts",
        "MB",
        "parts, s",
        "merge, s",
        "of all",
        "of it sha256, s",
        "peak of the merge, MiB",
    ]
    print(measure.table(header, rows))


def _sample(url: str, path: Path) -> Path:
    """The first rows of the sessions, as an Arrow file that every process maps into its memory."""
    with open_source(url).read(query(), first(url, PART_ROWS)) as batches, pa.OSFile(str(path), "wb") as file:
        table = batches.read_all()
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    return path


def _measure(storage: str, name: str, rows: int, sample: Path) -> list[object]:
    sizes = []
    planned = part_sizes(PART_ROWS, get_format(name).rows_per_group)
    while sum(sizes) < rows:
        sizes.append(min(next(planned), rows - sum(sizes)))
    before = list(accumulate(sizes, initial=0))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, context) as pool:
        list(pool.map(_warm, [storage] * 2 * WORKERS))
        started = time.perf_counter()
        jobs = [(storage, name, sample, index, len(sizes), before[index], size) for index, size in enumerate(sizes)]
        list(pool.map(_store, jobs))
        parts_s = time.perf_counter() - started
    with ProcessPoolExecutor(1, context) as pool:
        pool.submit(_warm, storage).result()
        merge_s, hash_s, size, peak = pool.submit(_merge, storage, name).result()
    share = f"{merge_s / (parts_s + merge_s):.1%}"
    return [len(sizes), f"{size / 1e6:.0f}", f"{parts_s:.2f}", f"{merge_s:.2f}", share, f"{hash_s:.2f}", f"{peak:.0f}"]


def _blobs(storage: str) -> BlobStore:
    settings = stack.bare_settings(storage)
    store = BlobStore(blob_service(settings_from(settings), "activity"))
    store.prepare()
    return store


def _warm(storage: str) -> None:
    """Connect once, and give the other worker the time to do so too."""
    _blobs(storage)
    time.sleep(0.3)


def _spec(name: str) -> FileSpec:
    return FileSpec(SESSIONS.columns, title="Sessions", options=get_format(name).options({}))


def _store(job: tuple[str, str, Path, int, int, int, int]) -> None:
    storage, name, sample, index, total, before, rows = job
    file_format = get_format(name)
    place_in = "file" if total > 1 else ""
    upload = PartUpload(_blobs(storage), f"parts/{index:06d}", place_in=place_in)
    with pa.memory_map(str(sample)) as file:
        batches = pa.ipc.open_file(file).read_all().slice(0, rows).to_reader()
        made, facts = file_format.encode_part(batches, upload.write, _spec(name), PartPosition(index, total, before))
    upload.commit(index, made, facts, "plan")


def _merge(storage: str, name: str) -> tuple[float, float, int, float]:
    """Seconds of the merge, and of the reading of the whole file that is in it; bytes, and the peak of this process."""
    store = _blobs(storage)
    started = time.perf_counter()
    parts = stored_parts(store, "parts/")
    segments = get_format(name).assemble([part.encoded for part in parts], _spec(name))
    merged = merge_parts(store, "file", parts, segments, content_type="application/octet-stream", plan_hash="plan")
    took = time.perf_counter() - started
    peak = measure.peak_mib(os.getpid())
    return took, measure.seconds(lambda: list(map(len, store.stream_ahead("file", merged.bytes)))), merged.bytes, peak


if __name__ == "__main__":
    main()
