"""Failed sign-ins: why, from where, and no more of an address than ten a minute."""

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import azure.functions as func
import jwt
import pytest

from demo.azurite_server import Azurite
from shared.audit import failed_sign_ins
from shared.audit.failed_sign_ins import MOST_ADDRESSES, ONE_BY_ONE, FailedSignIns
from shared.audit.log import NOBODY, AuditQuery
from shared.catalog.ownership import TENANT
from shared.errors import NotAuthenticated
from shared.identity.caller import caller_from
from shared.identity.sign_in_reasons import REASONS
from shared.services import Services
from shared.settings import settings_from
from tests.app.test_settings import RIGHT
from tests.in_process import services_on
from tests.service import issuer as issuers
from tests.service.issuer import AUDIENCE, Issuer, rsa_key
from triggers.http.endpoint import caller_of, endpoint, json_response


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """An issuer of our own: reasons do not depend on what other tests do with theirs."""
    with issuers.running() as running:
        yield running


WRONG: dict[str, Any] = {
    "expired": {"exp": 1, "iat": 0},
    "not-yet-valid": {"nbf": 2**32},
    "wrong-audience": {"aud": "api://other"},
    "wrong-issuer": {"iss": "https://other.example"},
    "claim-missing": {"sub": None},
    "unknown-key": {"headers": {"kid": "nobody's"}},
    "wrong-signature": {"key": rsa_key()},
    "wrong-algorithm": {"algorithm": "RS512"},
    "no-user": {"sub": "x" * 201},
    "no-tenant": {"tid": "a/b"},
}


@pytest.mark.parametrize(("reason", "changes"), WRONG.items())
def test_the_reason_is_told_to_the_log_and_not_to_the_caller(issuer: Issuer, reason: str, changes: Any) -> None:
    """But for what they can do something about."""
    known = settings_from({**RIGHT, "AUTH_MODE": "jwt", "JWT_ISSUER": issuer.url, "JWT_AUDIENCE": AUDIENCE})
    with pytest.raises(NotAuthenticated) as failed:
        caller_from({"authorization": f"Bearer {issuer.token(**changes)}"}, known)
    assert failed.value.reason == reason
    assert reason in REASONS
    assert reason == "expired" or reason not in str(failed.value)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "no-token"),
        ({"authorization": "Basic eDp5"}, "no-token"),
        ({"authorization": "Bearer x.y.z"}, "malformed"),
        ({"authorization": "Bearer \udcff"}, "malformed"),
        ({"authorization": "Bearer x.é.z"}, "malformed"),
        ({"authorization": "\udcff"}, "no-token"),
    ],
    ids=range(6),
)
@pytest.mark.parametrize("services", [True, False])
def test_what_is_no_token_has_a_reason_too(
    issuer: Issuer, headers: dict[str, str], reason: str, services: bool
) -> None:
    """None at all, or something else; bytes that are no text too."""
    known = settings_from({**RIGHT, "AUTH_MODE": "jwt", "JWT_ISSUER": issuer.url, "JWT_AUDIENCE": AUDIENCE})
    with pytest.raises(NotAuthenticated) as failed:
        caller_from(headers, known.model_copy(update={"service_tokens": services}))
    assert failed.value.reason == reason


def test_a_directory_that_is_not_ours_has_a_reason(issuer: Issuer) -> None:
    """Whatever else the token holds."""
    template = f"{issuer.url}/{{tenantid}}/v2.0"
    several = {"JWT_ISSUER": template, "JWT_DIRECTORIES": "acme,globex", "JWT_AUDIENCE": AUDIENCE}
    known = settings_from({**RIGHT, "AUTH_MODE": "jwt", **several})
    token = issuer.token(tid="initech", iss=template.replace("{tenantid}", "initech"))
    with pytest.raises(NotAuthenticated) as failed:
        caller_from({"authorization": f"Bearer {token}"}, known)
    assert failed.value.reason == "unknown-directory"


class Clock:
    """Stands still until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_ten_of_an_address_are_noted_and_the_others_counted() -> None:
    """In every minute anew; another address has ten of its own, and a network of IPv6 is one address."""
    clock = Clock()
    failed = FailedSignIns(clock)
    assert [failed.noted("192.0.2.1", "no-token") for _ in range(ONE_BY_ONE)] == [True] * ONE_BY_ONE
    assert [failed.noted("192.0.2.1", r) for r in ("expired", "no-token", "expired")] == [False] * 3
    assert failed.noted("192.0.2.2", "no-token")
    assert [failed.noted(f"2001:db8::{n:x}", "expired") for n in range(12)] == [True] * 10 + [False] * 2
    assert (failed.over(), failed.next_end()) == ([], 60.0)
    clock.now = 60.0
    assert [(w.address, w.summary) for w in failed.over()] == [
        ("192.0.2.1", "3 more: 2 expired, 1 no-token"),
        ("2001:db8::/64", "2 more: 2 expired"),
    ]
    assert (failed.over(), failed.next_end()) == ([], None)
    assert failed.noted("192.0.2.1", "no-token")


def test_many_addresses_share_what_is_left() -> None:
    """Memory is bounded, and so is the log: ten for all that are too many, and one entry for the others."""
    clock = Clock()
    failed = FailedSignIns(clock)
    noted = sum(failed.noted(f"10.{n // 65536}.{n // 256 % 256}.{n % 256}", "expired") for n in range(5_000))
    assert noted == MOST_ADDRESSES + ONE_BY_ONE
    assert len(failed._windows) == MOST_ADDRESSES + 1
    clock.now = 60.0
    (others,) = failed.over()
    assert (others.address, others.summary) == ("others", f"{5_000 - noted} more: {5_000 - noted} expired")
    assert failed.noted("192.0.2.7", "expired")
    assert len(failed._windows) == 1


@pytest.fixture
def context(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """The services, and a short minute."""
    monkeypatch.setattr(failed_sign_ins, "WINDOW_SECONDS", 0.5)
    monkeypatch.setattr(failed_sign_ins, "_failed", FailedSignIns())
    with services_on(azurite) as made:
        yield made


def test_a_burst_is_ten_entries_and_one_that_sums_up(context: Services) -> None:
    """With reason, address and program; nothing of the token; and the sum comes although nobody calls any more."""

    @partial(endpoint, audit="seen")
    async def list_exports(req: func.HttpRequest) -> func.HttpResponse:
        await caller_of(req)
        return json_response({})

    token = jwt.encode({"sub": "ada", "iss": "x"}, context.settings.link_signing_key, algorithm="HS256")
    headers = {
        "authorization": f"Bearer {token}",
        "x-forwarded-for": "192.0.2.9",
        "user-agent": "knocker",
        "host": "localhost",
    }
    request = func.HttpRequest("GET", "http://host/api/exports", headers=headers, body=b"")

    async def burst() -> list[Any]:
        answers = [await list_exports(req=request) for _ in range(25)]
        await asyncio.gather(*failed_sign_ins._summing)
        return answers

    answers = asyncio.run(burst())
    assert {answer.status_code for answer in answers} == {401}
    found = context.audit.page(NOBODY, AuditQuery(action="sign-in"), 100, "")[0]
    whole = [e for e in found if "more" not in e.subject]
    sums = [e for e in found if "more" in e.subject]
    assert {(e.subject, e.address, e.agent, e.user, e.status) for e in whole} == {
        ("claim-missing", "192.0.2.9", "knocker", "", 401)
    }
    assert len(whole) + sum(int(e.subject.split()[0]) for e in sums) == 25
    assert len(sums) >= 1
    assert token.split(".")[1] not in json.dumps([vars(e) for e in found])


def test_nobodys_log_is_no_tenants() -> None:
    """Its name cannot be a tenant's."""
    assert not TENANT.fullmatch(NOBODY)
