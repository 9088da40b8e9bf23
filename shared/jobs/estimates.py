"""How large an export would be, and whether it may be so large, before it is started."""

from functools import partial

import pyarrow as pa

from shared.catalog.export_types import ExportType, SqlExport
from shared.catalog.limits import has_limit, max_bytes, over_the_limit, too_many_bytes
from shared.errors import OverTheLimit
from shared.formats import get_format
from shared.formats.base import PartPosition
from shared.identity.caller import Caller
from shared.jobs import plan as plans
from shared.jobs.estimate_pool import counting_pool, in_a_counting_thread
from shared.jobs.planning import file_spec, part_rows_of
from shared.requests.build_query import build_query
from shared.requests.export_request import ExportRequest
from shared.settings import Settings
from shared.sources import open_source
from shared.sources.base import Source
from shared.sources.deadline import Deadline
from shared.timestamps import iso, utc_now

_SAMPLE_ROWS = 1_000


def estimate(
    request: ExportRequest, caller: Caller, export_type: ExportType, settings: Settings, deadline: Deadline
) -> dict[str, int | None]:
    """Rows (exact), parts, and bytes (from the first thousand rows); null where only the export itself can tell.

    For a thread of the counting pool. Raises ``OverTheLimit``, ``TookTooLong``, ``SourceUnavailable`` and
    ``QueryFailed``.
    """
    if not isinstance(export_type, SqlExport):
        return {"rows": None, "parts": 1, "bytes": None}
    query = build_query(export_type, request, caller)
    source = _source(settings)
    rows = source.count(query, deadline=deadline)
    if sentence := over_the_limit(rows, request.format, export_type):
        raise OverTheLimit(sentence)
    sample = source.sample(query, rows, _SAMPLE_ROWS, deadline=deadline)
    size = _bytes(sample, rows, request, caller, export_type)
    if sentence := _too_large(size, rows, export_type, settings):
        raise OverTheLimit(sentence)
    parts, left = 0, rows
    part_rows = part_rows_of(export_type, request.format, settings)
    sizes = plans.part_sizes(part_rows, get_format(request.format).rows_per_group)
    while left > 0:
        left -= next(sizes)
        parts += 1
    return {"rows": rows, "parts": parts, "bytes": size}


async def check_limits(request: ExportRequest, caller: Caller, export_type: ExportType, settings: Settings) -> None:
    """Count rows and estimate bytes where there is a limit.

    Raises ``OverTheLimit``, ``TooManyRequests``, ``TookTooLong``, ``SourceUnavailable`` and ``QueryFailed``.
    """
    if not isinstance(export_type, SqlExport):
        return
    deadline = Deadline.after(settings.estimate_seconds)
    if max_bytes(export_type, settings):
        await counting_pool().run(caller, partial(estimate, request, caller, export_type, settings, deadline), deadline)
    elif has_limit(request.format, export_type):
        await counting_pool().run(
            caller, partial(_check_rows, request, caller, export_type, settings, deadline), deadline
        )


def _check_rows(
    request: ExportRequest, caller: Caller, export_type: SqlExport, settings: Settings, deadline: Deadline
) -> None:
    rows = _source(settings).count(build_query(export_type, request, caller), deadline=deadline)
    if sentence := over_the_limit(rows, request.format, export_type):
        raise OverTheLimit(sentence)


def _source(settings: Settings) -> Source:
    if not in_a_counting_thread():
        raise RuntimeError("the database is asked in a thread of the counting pool only: others answer requests")
    return open_source(settings.source_url)


def _too_large(size: int, rows: int, export_type: ExportType, settings: Settings) -> str | None:
    most = max_bytes(export_type, settings)
    if most is None or size <= most:
        return None
    return f"{rows:,} rows match, about {size:,} bytes; {too_many_bytes(export_type, most)}"


def _bytes(
    sample: pa.RecordBatch | None, rows: int, request: ExportRequest, caller: Caller, export_type: SqlExport
) -> int:
    if sample is None:
        return 0
    size = 0

    def write(data: bytes | memoryview) -> None:
        nonlocal size
        size += len(data)

    spec = file_spec(export_type, request, caller.locale, iso(utc_now()))
    reader = pa.RecordBatchReader.from_batches(sample.schema, [sample])
    get_format(request.format).encode_part(reader, write, spec, PartPosition(0, 1, 0))
    return int(size * rows / sample.num_rows)
