"""Failed sign-ins: why, from where, and no more of an address than ten a minute."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import azure.functions as func
import jwt
import pytest

from demo.azurite_server import Azurite
from shared.audit import failed_sign_ins
from shared.audit.failed_sign_ins import MOST_ADDRESSES, ONE_BY_ONE, FailedSignIns
from shared.audit.log import NOBODY, AuditEntry, AuditQuery
from shared.catalog.ownership import TENANT
from shared.errors import NotAuthenticated
from shared.identity.caller import caller_from
from shared.identity.sign_in_reasons import REASONS
from shared.services import Services
from shared.settings import settings_from
from tests.app.test_settings import RIGHT
from tests.in_process import environment_of, services_on
from tests.service import issuer as issuers
from tests.service.issuer import AUDIENCE, Issuer, rsa_key
from triggers.http.endpoint import caller_of, endpoint, json_response

_ROOT = Path(__file__).parents[2]


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
    assert (list(failed.over()), failed.next_end()) == ([], 60.0)
    clock.now = 60.0
    assert [(w.address, w.summary) for w in failed.over()] == [
        ("192.0.2.1", "3 more: 2 expired, 1 no-token"),
        ("2001:db8::/64", "2 more: 2 expired"),
    ]
    assert (list(failed.over()), failed.next_end()) == ([], None)
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
def context(azurite: Azurite) -> Iterator[Services]:
    """The services."""
    with services_on(azurite) as made:
        yield made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the windows, which are short: what sums up looks often whether they are over."""
    made = Clock()
    monkeypatch.setattr(failed_sign_ins, "WINDOW_SECONDS", 0.05)
    monkeypatch.setattr(failed_sign_ins, "_failed", FailedSignIns(made))
    return made


def knocks(context: Services, address: str = "127.0.0.9") -> func.HttpRequest:
    """A request with a token that is not good."""
    token = jwt.encode({"sub": "ada", "iss": "x"}, context.settings.link_signing_key, algorithm="HS256")
    headers = {
        "authorization": f"Bearer {token}",
        "x-forwarded-for": address,
        "user-agent": "knocker",
        "host": "localhost",
    }
    return func.HttpRequest("GET", "http://host/api/exports", headers=headers, body=b"")


@partial(endpoint, audit="seen")
async def list_exports(req: func.HttpRequest) -> func.HttpResponse:
    """An operation that asks who calls."""
    await caller_of(req)
    return json_response({})


def noted(context: Services, address: str) -> tuple[list[AuditEntry], int]:
    """The entries of an address that stand for one failed sign-in each, and how many the others sum up."""
    found = context.audit.page(NOBODY, AuditQuery(action="sign-in"), 200, "")[0]
    found = [entry for entry in found if entry.address == address]
    sums = [int(entry.subject.split()[0]) for entry in found if "more" in entry.subject]
    return [entry for entry in found if "more" not in entry.subject], sum(sums)


def test_a_burst_is_ten_entries_and_one_that_sums_up(context: Services, clock: Clock) -> None:
    """With reason, address and program; nothing of the token; and the sum comes although nobody calls any more."""
    request = knocks(context)

    async def burst() -> list[Any]:
        answers = [await list_exports(req=request) for _ in range(25)]
        clock.now += 60
        await failed_sign_ins._summing[0]
        return answers

    answers = asyncio.run(burst())
    assert {answer.status_code for answer in answers} == {401}
    whole, summed = noted(context, "127.0.0.9")
    assert {(e.subject, e.address, e.agent, e.user, e.status) for e in whole} == {
        ("claim-missing", "127.0.0.9", "knocker", "", 401)
    }
    assert (len(whole), summed) == (ONE_BY_ONE, 15)
    token = request.headers["authorization"]
    found = context.audit.page(NOBODY, AuditQuery(action="sign-in"), 200, "")[0]
    assert token.split(".")[1] not in json.dumps([vars(e) for e in found])


def test_what_fails_while_a_sum_ends_is_summed_up_too(
    context: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task that sums up has ended, and nobody has been told of that yet."""
    request, late = knocks(context, "127.0.0.10"), list[asyncio.Task[None]]()

    class Ends(FailedSignIns):
        """Lets another sign-in fail in the moment when nothing is left."""

        def next_end(self) -> float | None:
            seconds = super().next_end()
            if seconds is None and not late:
                self._window("127.0.0.10").noted = ONE_BY_ONE
                late.append(asyncio.create_task(failed_sign_ins.note_failed(request, "expired", "r")))
            return seconds

    monkeypatch.setattr(failed_sign_ins, "_failed", Ends(clock))

    async def burst() -> None:
        for _ in range(ONE_BY_ONE + 2):
            await failed_sign_ins.note_failed(request, "expired", "r")
        first = failed_sign_ins._summing[0]
        clock.now += 60
        await first
        await asyncio.gather(*late)
        clock.now += 60
        assert failed_sign_ins._summing[0] is not first
        await failed_sign_ins._summing[0]

    asyncio.run(burst())
    whole, summed = noted(context, "127.0.0.10")
    assert (len(whole), summed) == (ONE_BY_ONE, 3)


def test_a_sum_that_cannot_be_written_ends_no_other(
    context: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the error is."""
    write_down = failed_sign_ins.write_down

    def fails(entry: AuditEntry) -> None:
        if "more" in entry.subject and entry.address == "127.0.0.11":
            raise ValueError("no")
        write_down(entry)

    monkeypatch.setattr(failed_sign_ins, "write_down", fails)

    async def burst() -> None:
        for address in ("127.0.0.11", "127.0.0.12"):
            for _ in range(ONE_BY_ONE + 2):
                await failed_sign_ins.note_failed(knocks(context, address), "expired", "r")
        clock.now += 60
        await failed_sign_ins._summing[0]

    asyncio.run(burst())
    assert noted(context, "127.0.0.11")[1] == 0
    assert noted(context, "127.0.0.12")[1] == 2


def test_what_is_counted_is_written_when_the_process_ends(azurite: Azurite) -> None:
    """Though its minute is not over, and its event loop has ended."""
    script = """
import asyncio
import azure.functions as func
from shared.audit import failed_sign_ins

request = func.HttpRequest("GET", "http://host/api/exports", headers={"x-forwarded-for": "127.0.0.14"}, body=b"")

async def burst():
    for _ in range(failed_sign_ins.ONE_BY_ONE + 4):
        await failed_sign_ins.note_failed(request, "expired", "r")

asyncio.run(burst())
"""
    environment = {**os.environ, **environment_of(azurite)}
    ended = subprocess.run([sys.executable, "-c", script], env=environment, cwd=_ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    with services_on(azurite) as context:
        whole, summed = noted(context, "127.0.0.14")
    assert (len(whole), summed) == (ONE_BY_ONE, 4)


def test_nobodys_log_is_no_tenants() -> None:
    """Its name cannot be a tenant's."""
    assert not TENANT.fullmatch(NOBODY)
