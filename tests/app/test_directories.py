"""Who is an operator: SuperAdmin from the operator's directory, and from no other."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from demo.stack import bare_settings
from shared.catalog.export_types import Role
from shared.errors import NotAllowed, NotAuthenticated, SettingsError
from shared.identity.caller import Caller, caller_from, caller_of_claims
from shared.settings import Settings, settings_from

RIGHT = bare_settings("UseDevelopmentStorage=true")
ONE = RIGHT | {"AUTH_MODE": "jwt", "JWT_ISSUER": "https://login.example.com", "JWT_AUDIENCE": "api://sluice"}
GUID = "A1B2C3D4-0000-4000-8000-00000000000F"
TEMPLATE = "https://login.example.com/{tenantid}/v2.0"
SEVERAL = ONE | {"JWT_ISSUER": TEMPLATE, "ALLOWED_DIRECTORIES": f"ops, acme, {GUID}"}
EASY = RIGHT | {"AUTH_MODE": "easyauth", "WEBSITE_AUTH_ENABLED": "True", "PUBLIC_URL": "https://exports.example.com"}


def claims_of(directory: Any, *roles: str, **more: Any) -> dict[str, Any]:
    """What a token of this directory says, after it was verified."""
    issuer = TEMPLATE.replace("{tenantid}", str(directory))
    return {"sub": "u-1", "tid": directory, "iss": issuer, "roles": list(roles), **more}


def operator(settings: Settings, directory: Any, **more: Any) -> bool:
    """Whether a SuperAdmin of this directory is an operator; another role of theirs stays in any case."""
    caller = caller_of_claims(claims_of(directory, "SuperAdmin", "Manager", **more), settings)
    assert Role.MANAGER in caller.roles
    assert caller.all_tenants is (not caller.not_operator_from)
    return caller.all_tenants


@pytest.mark.parametrize(
    ("settings", "operators", "others"),
    [
        (ONE, ["acme", "globex"], []),  # one issuer is one directory, whatever tenants it serves
        (ONE | {"OPERATOR_DIRECTORY": "ops"}, ["ops"], ["acme", "OPS"]),
        (SEVERAL, [], ["ops", "acme", GUID.lower()]),
        (SEVERAL | {"OPERATOR_DIRECTORY": "ops"}, ["ops"], ["acme", "OPS", "Ops", "op", "ops2", GUID.lower()]),
        (SEVERAL | {"OPERATOR_DIRECTORY": GUID}, [GUID.lower()], ["ops", "acme"]),
        (SEVERAL | {"OPERATOR_DIRECTORY": GUID.lower()}, [GUID.lower()], ["ops", "acme"]),
        (SEVERAL | {"OPERATOR_DIRECTORY": TEMPLATE.replace("{tenantid}", "ops")}, ["ops"], ["acme", "OPS"]),
        (SEVERAL | {"ALLOWED_DIRECTORIES": "acme"}, ["acme"], ["globex", "ACME"]),
        (SEVERAL | {"ALLOWED_DIRECTORIES": "acme, acme"}, ["acme"], ["globex"]),
        (SEVERAL | {"ALLOWED_DIRECTORIES": "acme, ACME"}, [], ["acme", "ACME"]),
        (EASY, [], ["acme", "ops"]),
        (EASY | {"ALLOWED_DIRECTORIES": "acme"}, ["acme"], ["globex", "ACME"]),
        (EASY | {"ALLOWED_DIRECTORIES": "acme, ops"}, [], ["acme", "ops"]),
        (EASY | {"ALLOWED_DIRECTORIES": "acme, ops", "OPERATOR_DIRECTORY": "ops"}, ["ops"], ["acme", "OPS"]),
        (EASY | {"OPERATOR_DIRECTORY": "ops"}, ["ops"], ["acme", "OPS", "o"]),
        (EASY | {"OPERATOR_DIRECTORY": TEMPLATE.replace("{tenantid}", "ops")}, ["ops"], ["acme"]),
    ],
    ids=range(16),
)
def test_operators_come_from_the_operators_directory_only(
    settings: Mapping[str, str], operators: Sequence[str], others: Sequence[str]
) -> None:
    """The one that is named, or the only one; letter by letter, but for an id that is a GUID in the setting."""
    known = settings_from(settings)
    assert {directory: operator(known, directory) for directory in (*operators, *others)} == {
        **dict.fromkeys(operators, True),
        **dict.fromkeys(others, False),
    }


@pytest.mark.parametrize(
    "changes",
    [{"tid": ["ops", "acme"]}, {"tid": ["acme", "ops"]}, {"tid": {"ops": 1}}, {"iss": ["x"], "tid": None}],
    ids=str,
)
def test_a_directory_that_is_not_clear_is_not_the_operators(changes: Mapping[str, Any]) -> None:
    """With several values, or none."""
    known = settings_from(EASY | {"OPERATOR_DIRECTORY": "ops", "ALLOWED_DIRECTORIES": "ops", "CLAIM_TENANT": "org"})
    assert not operator(known, "x", org="acme", **changes)


def test_who_is_refused_is_told_why() -> None:
    """And that it is about the role, not about the person."""
    caller = caller_of_claims(claims_of("acme", "SuperAdmin"), settings_from(SEVERAL | {"OPERATOR_DIRECTORY": "ops"}))
    with pytest.raises(NotAllowed, match="SuperAdmin counts from the operator's directory alone, and you are of acme"):
        caller.require_operator()
    with pytest.raises(NotAllowed):
        caller.require_exporter()


def test_what_is_kept_of_a_caller_does_not_tell() -> None:
    """Releases that came before read it too."""
    caller = caller_of_claims(claims_of("acme", "SuperAdmin", "Admin"), settings_from(SEVERAL))
    assert "not_operator_from" not in caller.to_json()
    assert Caller.from_json(json.loads(json.dumps(caller.to_json()))).roles == (Role.ADMIN,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            SEVERAL | {"OPERATOR_DIRECTORY": "initech"},
            "OPERATOR_DIRECTORY is 'initech', which is not the one",
        ),
        (SEVERAL | {"OPERATOR_DIRECTORY": "OPS"}, "OPERATOR_DIRECTORY is 'OPS', which is not"),
        (SEVERAL | {"OPERATOR_DIRECTORY": "ops, acme"}, "OPERATOR_DIRECTORY is 'ops, acme', which is not"),
        (SEVERAL | {"OPERATOR_DIRECTORY": "https://login.example.com/x/v2.0"}, "OPERATOR_DIRECTORY is 'https://"),
        (ONE | {"OPERATOR_DIRECTORY": "https://login.example.com/"}, "OPERATOR_DIRECTORY is 'https://login"),
        (EASY | {"ALLOWED_DIRECTORIES": "acme", "OPERATOR_DIRECTORY": "ops"}, "OPERATOR_DIRECTORY is 'ops', which"),
        (SEVERAL | {"CLAIM_TENANT": "org"}, "CLAIM_TENANT must be tid where several directories sign in, got 'org'"),
        (EASY | {"ALLOWED_DIRECTORIES": "a, b", "CLAIM_TENANT": "org"}, "CLAIM_TENANT must be tid where several"),
        (EASY | {"CLAIM_TENANT": "org"}, "name it alone in ALLOWED_DIRECTORIES"),
        (EASY | {"CLAIM_TENANT": "org", "OPERATOR_DIRECTORY": "ops"}, "CLAIM_TENANT must be tid where several"),
        (ONE | {"ALLOWED_DIRECTORIES": "acme"}, "ALLOWED_DIRECTORIES and {tenantid} in JWT_ISSUER go together"),
        (SEVERAL | {"JWT_DIRECTORIES": "acme"}, "JWT_DIRECTORIES is the old name of ALLOWED_DIRECTORIES"),
    ],
    ids=range(12),
)
def test_directories_that_do_not_fit_are_named(changes: Mapping[str, str], message: str) -> None:
    """Else nobody could do what the setting says."""
    with pytest.raises(SettingsError, match=re.escape(message)):
        settings_from(changes)


def test_one_directory_may_have_a_claim_of_its_own_for_tenants() -> None:
    """Whose administrators decide about all of them; somebody from another one does not get in."""
    known = settings_from(EASY | {"ALLOWED_DIRECTORIES": "acme", "CLAIM_TENANT": "org"})
    assert known.claim_tenant == "org"
    with pytest.raises(NotAuthenticated):
        caller_from(principal("evil"), known)


def test_the_old_name_of_the_list_is_read() -> None:
    """In every mode; beside the new one when both say the same."""
    old = {name: value for name, value in SEVERAL.items() if name != "ALLOWED_DIRECTORIES"} | {"JWT_DIRECTORIES": "a,b"}
    assert settings_from(old).allowed_directories == {"a", "b"}
    assert settings_from(old | {"ALLOWED_DIRECTORIES": "a,b"}).allowed_directories == {"a", "b"}
    assert settings_from(EASY | {"JWT_DIRECTORIES": "acme"}).allowed_directories == {"acme"}


def principal(directory: Any, **more: Any) -> dict[str, str]:
    """The header of App Service authentication for somebody of these directories."""
    found = directory if isinstance(directory, list) else [directory]
    claims = [{"typ": "sub", "val": "u-1"}, *({"typ": "tid", "val": d} for d in found if d)]
    claims += [{"typ": "roles", "val": "SuperAdmin"}, {"typ": "iss", "val": "https://partner.example"}]
    whole = {"auth_typ": "aad", "claims": claims, **more}
    return {"x-ms-client-principal": base64.b64encode(json.dumps(whole).encode()).decode()}


@pytest.mark.parametrize("provider", ["partner-oidc", "AAD", "aad ", "", "google"])
@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"ALLOWED_DIRECTORIES": "ops"},
        {"ALLOWED_DIRECTORIES": "ops, acme", "OPERATOR_DIRECTORY": "ops"},
        {"OPERATOR_DIRECTORY": "https://partner.example"},
    ],
    ids=str,
)
def test_a_second_provider_of_app_service_lets_nobody_in(provider: str, rules: Mapping[str, str]) -> None:
    """It can put any directory, its own issuer and SuperAdmin into its claims; nor does one without a name."""
    settings = settings_from(EASY | rules)
    assert caller_from(principal("ops"), settings).tenant == "ops"
    with pytest.raises(NotAuthenticated) as caught:
        caller_from(principal("ops", auth_typ=provider), settings)
    assert caught.value.reason == "unknown-provider"
    with pytest.raises(NotAuthenticated):
        caller_from(principal("ops", auth_typ=None), settings)


def test_the_provider_of_app_service_is_a_setting() -> None:
    """Whoever signs people in with another one than Entra ID names it; then Entra ID's people are refused."""
    settings = settings_from(EASY | {"SIGN_IN_PROVIDER": "partner-oidc", "OPERATOR_DIRECTORY": "ops"})
    assert caller_from(principal("ops", auth_typ="partner-oidc"), settings).all_tenants
    with pytest.raises(NotAuthenticated):
        caller_from(principal("ops"), settings)


@pytest.mark.parametrize("directory", ["globex", "ACME", "acme ", "", ["acme", "globex"], ["globex", "acme"]], ids=str)
def test_app_service_lets_in_those_of_the_allowed_directories(directory: Any) -> None:
    """As a token's directory is checked; without a list it is the platform that decides."""
    allowed = settings_from(EASY | {"ALLOWED_DIRECTORIES": "acme, ops"})
    assert caller_from(principal("acme"), allowed).tenant == "acme"
    with pytest.raises(NotAuthenticated) as caught:
        caller_from(principal(directory), allowed)
    assert caught.value.reason == "unknown-directory"
    assert caller_from(principal("globex"), settings_from(EASY)).tenant == "globex"
