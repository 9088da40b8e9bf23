"""Which companies and operational scopes a tenant owns: here the application's database says so.

Claims and requests only name companies and scopes, and ids such as 1, 2, 3 are those of many tenants. Sluice asks
this hook before a function makes an export; ``OWNERSHIP`` in ``exports/__init__.py`` registers it. Put your own query
here, or a call of the service that knows. It must not answer from claims. What it raises lets nothing through.
"""

import os
from collections.abc import Iterator, Sequence
from itertools import repeat

from shared.catalog.columns import Column
from shared.catalog.functions import Condition, Query, open_source
from shared.catalog.ownership import Owned

_ID = Column("id", "Id")


def owned(tenant: str, company_ids: Sequence[str], operational_scope_ids: Sequence[str]) -> Owned:
    """Those of the given ids that are the tenant's. Raises ``SourceUnavailable`` and ``QueryFailed``."""
    return Owned(
        frozenset(_ids("companies", tenant, company_ids)),
        frozenset(_ids("operational_scopes", tenant, operational_scope_ids)),
    )


def _ids(table: str, tenant: str, wanted: Sequence[str]) -> Iterator[str]:
    if not wanted:
        return
    where = (
        Condition("organisation_id", "text", "=", (tenant,)),
        Condition("id", "text", "in", tuple(wanted)),
    )
    query = Query(table, (_ID,), key=(_ID,), where=where)
    source = open_source(os.environ.get("SOURCE_URL", ""))
    for key_range in source.plan(query, repeat(10_000)):
        with source.read(query, key_range) as batches:
            for batch in batches:
                yield from batch.column(0).to_pylist()
