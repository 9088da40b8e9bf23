"""What a tenant is called, and the contract of the hook that says what a tenant owns.

An application registers its hook as ``OWNERSHIP`` in ``exports/__init__.py``. It is asked when somebody requests an
export that a function makes, and again before the function is called: claims and requests name companies and
operational scopes, and only the application knows whose they are.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""What the name of a tenant looks like: it is part of blob names and the partition of tables."""


@dataclass(frozen=True)
class Owned:
    """Ids of companies and operational scopes that belong to a tenant, as texts; also others than were asked about."""

    company_ids: Collection[str] = ()
    operational_scope_ids: Collection[str] = ()


Ownership = Callable[[str, Sequence[str], Sequence[str]], Owned]
"""``owned(tenant, company_ids, operational_scope_ids) -> Owned``: which of these belong to this tenant.

Called in a thread, at any time and more than once, with at least one id; an id may be any text that a token or a
request holds. What it raises lets nothing through: a ``TransientError``, or any error that is none of Sluice's, is
answered with 503 and has the export tried again.
"""
