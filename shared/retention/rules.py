"""How long things are kept: for a tenant's exports of a type, for a tenant, for a type, or as the setting says.

The rules of tenants come from a setting: ``acme=30, globex=2, globex/sessions=0.5``, in days. What is said most exactly
wins: tenant and type, then tenant, then the type's own value, then the setting for everybody.
"""

from collections.abc import Mapping
from datetime import timedelta

_LONGEST_DAYS = 3650.0


def parse_rules(text: str) -> dict[str, float]:
    """Days by ``tenant`` or ``tenant/type``. Raises ``ValueError`` that names the rule that is wrong."""
    rules: dict[str, float] = {}
    for rule in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, days = (piece.strip() for piece in rule.partition("="))
        try:
            value = float(days)
        except ValueError:
            value = 0.0
        if not (name and equals and 0 < value <= _LONGEST_DAYS):
            raise ValueError(f"takes rules such as 'acme=30, acme/sessions=90', in days up to 3650; got '{rule[:80]}'")
        rules[name] = value
    return rules


def kept_for(rules: Mapping[str, float], tenant: str, export_type: str, own: float | None, default: float) -> timedelta:
    """How long an export is kept; ``own`` is the type's value, ``default`` the setting.

    >>> kept_for({"acme": 30, "acme/users": 1}, "acme", "users", 7, 7).days
    1
    """
    own_or_default = default if own is None else own
    return timedelta(days=rules.get(f"{tenant}/{export_type}", rules.get(tenant, own_or_default)))
