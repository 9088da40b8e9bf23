"""Whose links ask for sign-in before they give a file.

The rules come from a setting: ``true, acme=false, globex/sessions=true``. What is said most exactly wins: tenant and
type, then tenant, then the type's own value, then the rule for everybody, which is ``true`` where App Service
authentication signs people in and ``false`` elsewhere.
"""

from collections.abc import Mapping

_VALUES = {"true": True, "false": False}

EVERYBODY = ""


def parse_sign_in_rules(text: str) -> dict[str, bool]:
    """Whether to ask, by ``tenant``, ``tenant/type`` or ``EVERYBODY``. Raises ``ValueError``."""
    rules: dict[str, bool] = {}
    for rule in filter(None, (piece.strip() for piece in text.split(","))):
        name, value = (piece.strip() for piece in rule.split("=", 1)) if "=" in rule else (EVERYBODY, rule)
        if value.lower() not in _VALUES or ("=" in rule and not name):
            raise ValueError(f"takes rules such as 'true, acme=false, acme/sessions=true'; got '{rule[:80]}'")
        rules[name] = _VALUES[value.lower()]
    return rules


def asks_for_sign_in(rules: Mapping[str, bool], tenant: str, export_type: str, own: bool | None, usual: bool) -> bool:
    """Whether a link to an export asks for sign-in; ``own`` is the type's value, ``usual`` what holds without rules.

    >>> asks_for_sign_in({"acme": False, "acme/users": True}, "acme", "users", None, False)
    True
    """
    own_or_usual = rules.get(EVERYBODY, usual) if own is None else own
    return rules.get(f"{tenant}/{export_type}", rules.get(tenant, own_or_usual))
