"""Asking the application what a tenant owns while somebody waits: in threads of their own, so that nobody else does.

The hook asks a database, or another service, and may take as long as an estimate. Types that no hook is asked about do
not wait for it.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache, partial

from shared.catalog.export_types import ExportType, FunctionExport
from shared.catalog.tenancy import reach
from shared.errors import SourceUnavailable
from shared.identity.caller import Caller
from shared.requests.export_request import ExportRequest
from shared.settings import Settings, settings

Look = Callable[[ExportType, ExportRequest, Caller, Settings], object]

_AT_ONCE = 8
"""Look-ups that run at the same time; others wait."""


async def check_owned(request: ExportRequest, export_type: ExportType, caller: Caller, look: Look = reach) -> None:
    """Raise what ``look`` raises, and ``SourceUnavailable`` when the hook takes too long."""
    if not isinstance(export_type, FunctionExport):
        return
    known = settings()
    work = partial(copy_context().run, look, export_type, request, caller, known)
    looking = asyncio.get_running_loop().run_in_executor(_threads(), work)
    try:
        await asyncio.wait_for(looking, known.estimate_seconds)
    except TimeoutError:
        sentence = f"OWNERSHIP has not said within {known.estimate_seconds:g} seconds what the tenant owns"
        raise SourceUnavailable(sentence) from None


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_AT_ONCE, "ownership")
