"""Which companies and operational scopes a tenant owns: here the application's database says so.

Claims and requests only name companies and scopes, and ids such as 1, 2, 3 are those of many tenants. Sluice asks
this hook before a function makes an export; ``OWNERSHIP`` in ``exports/__init__.py`` registers it. Put your own query
here, or a call of the service that knows. It must not answer from claims. What it raises lets nothing through. Give it
a time-out, as here: nothing else can stop it.
"""

import os
from collections.abc import Iterator, Sequence

from shared.catalog.columns import Column
from shared.catalog.functions import Condition, Deadline, Query, SourceUnavailable, TookTooLong, open_source
from shared.catalog.ownership import Owned

_ID = Column("id", "Id")
_AT_ONCE = 500
_SECONDS = 10.0


def owned(tenant: str, company_ids: Sequence[str], operational_scope_ids: Sequence[str]) -> Owned:
    """Those of the given ids that are the tenant's. Raises ``SourceUnavailable`` and ``QueryFailed``."""
    deadline = Deadline.after(_SECONDS)
    try:
        return Owned(
            frozenset(_ids("companies", tenant, company_ids, deadline)),
            frozenset(_ids("operational_scopes", tenant, operational_scope_ids, deadline)),
        )
    except TookTooLong:
        raise SourceUnavailable(f"the database has not said within {_SECONDS:g} seconds what is whose") from None


def _ids(table: str, tenant: str, wanted: Sequence[str], deadline: Deadline) -> Iterator[str]:
    source = open_source(os.environ.get("SOURCE_URL", ""))
    for start in range(0, len(wanted), _AT_ONCE):
        some = tuple(wanted[start : start + _AT_ONCE])
        where = (Condition("organisation_id", "text", "=", (tenant,)), Condition("id", "text", "in", some))
        query = Query(table, (_ID,), key=(_ID,), where=where)
        if (found := source.sample(query, len(some), len(some), deadline=deadline)) is not None:
            yield from found.column(0).to_pylist()
