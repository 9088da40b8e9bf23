"""Asking the application what a tenant owns while somebody waits: in threads of their own, so that nobody else does.

The hook asks a database, or another service, and may take as long as an estimate. It cannot be stopped from outside: a
call that goes on after that keeps its thread, and counts as one of its user's and tenant's, of which each has so many.
Types that no hook is asked about do not wait for it.
"""

from collections.abc import Callable
from functools import cache, partial

from shared.catalog.export_types import ExportType, FunctionExport
from shared.catalog.tenancy import reach
from shared.errors import SourceUnavailable, TookTooLong
from shared.identity.caller import Caller
from shared.jobs.estimate_pool import FairPool
from shared.requests.export_request import ExportRequest
from shared.settings import Settings, settings
from shared.sources.deadline import Deadline

Look = Callable[[ExportType, ExportRequest, Caller, Settings], object]

_AT_ONCE = 8
"""Look-ups that run at the same time; others wait."""


async def check_owned(request: ExportRequest, export_type: ExportType, caller: Caller, look: Look = reach) -> None:
    """Raise what ``look`` raises; ``SourceUnavailable`` when the hook takes too long, and ``TooManyRequests``."""
    if not isinstance(export_type, FunctionExport):
        return
    known = settings()
    work = partial(look, export_type, request, caller, known)
    try:
        await _pool().run(caller, work, Deadline.after(known.estimate_seconds))
    except TookTooLong:
        sentence = f"OWNERSHIP has not said within {known.estimate_seconds:g} seconds what the tenant owns"
        raise SourceUnavailable(sentence) from None


@cache
def _pool() -> FairPool:
    known = settings()
    return FairPool(
        _AT_ONCE, known.max_estimates_per_user, known.max_estimates_per_tenant, name="ownership", what="checks"
    )
