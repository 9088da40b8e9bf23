"""How often somebody may come: a bucket for each user, tenant and address, in bounded memory."""

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import azure.functions as func
import pytest

from demo.azurite_server import Azurite
from shared.audit.log import AuditQuery
from shared.identity.caller import dev_token
from shared.notifications.links import unsubscribe_token
from shared.services import Services
from shared.storage.links import Links
from tests.in_process import services_on
from triggers.http import rate_limits
from triggers.http.endpoint import caller_of, endpoint, json_response
from triggers.http.mail_links import look_up_link
from triggers.http.rate_limits import Buckets
from triggers.http.unsubscribe import unsubscribe


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def taken(buckets: Buckets, key: str) -> int:
    """How many can be taken at once."""
    count = 0
    while not buckets.take(key):
        count += 1
    return count


@pytest.mark.parametrize("per_minute", [2, 10, 60, 3000])
def test_half_a_minutes_worth_may_come_at_once(per_minute: int) -> None:
    """Then as many as the rate says, however they are spread."""
    clock = Clock()
    buckets = Buckets(per_minute, clock=clock)
    assert taken(buckets, "a") == per_minute // 2
    clock.now += 60.1
    assert taken(buckets, "a") == per_minute // 2  # a bucket does not fill over its brim
    for _ in range(10):
        clock.now += 60.0 / per_minute + 0.0001
        assert taken(buckets, "a") == 1


def test_the_wait_is_the_time_until_there_is_one() -> None:
    """After it the next one is let through, and not much before it."""
    clock = Clock()
    buckets = Buckets(6, clock=clock)
    taken(buckets, "a")
    wait = buckets.take("a")
    assert 0 < wait <= 10
    clock.now += wait - 0.01
    assert buckets.take("a")
    clock.now += 0.02
    assert not buckets.take("a")


def test_a_rate_of_one_a_minute_lets_one_through() -> None:
    """A bucket holds one at least."""
    assert taken(Buckets(1, clock=Clock()), "a") == 1


def test_each_has_its_own_bucket_and_memory_is_bounded() -> None:
    """Who came longest ago is forgotten first."""
    buckets = Buckets(4, most=100, clock=Clock())
    for number in range(10_000):
        assert taken(buckets, str(number)) == 2
        assert taken(buckets, "busy") == (2 if number == 0 else 0)
    assert len(buckets._full_at) == 100


@partial(endpoint, audit="seen")
async def list_exports(req: func.HttpRequest) -> func.HttpResponse:
    """An endpoint for whoever is signed in."""
    return json_response({"user": (await caller_of(req)).user})


LOW = {
    "REQUESTS_PER_MINUTE_PER_USER": "6",
    "REQUESTS_PER_MINUTE_PER_TENANT": "10",
    "FAILED_SIGN_INS_PER_MINUTE_PER_ADDRESS": "4",
}


@pytest.fixture(scope="module")
def context(azurite: Azurite) -> Iterator[Services]:
    """A service with low rates."""
    with services_on(azurite, AUTH_MODE="dev", **LOW) as made:
        yield made


@pytest.fixture(autouse=True)
def _anew() -> None:
    """Buckets as a new process has them."""
    rate_limits._rates.clear()


def ask(token: str, address: str = "127.0.0.1") -> func.HttpResponse:
    """A listing with this token, from this address."""
    headers = {"authorization": f"Bearer {token}", "x-forwarded-for": address, "host": "127.0.0.1:7071"}
    request = func.HttpRequest("GET", "http://127.0.0.1:7071/api/exports", headers=headers, body=b"")
    return asyncio.run(list_exports(req=request))


def statuses(context: Services, *users: str) -> list[int]:
    """Of a listing of each of these users in turn."""
    return [ask(dev_token(user, context.settings)).status_code for user in users]


def test_a_user_may_come_so_often(context: Services) -> None:
    """Then 429 that says the limit and when to come again; others have their answers."""
    assert statuses(context, "ada", "ada", "ada", "ada", "bea") == [200, 200, 200, 429, 200]
    refused = ask(dev_token("ada", context.settings))
    body = json.loads(refused.get_body())
    assert body["type"] == "urn:sluice:problem:too-many-requests"
    assert body["detail"] == "you make too many requests; the limit is 6 a minute"
    assert 1 <= int(refused.headers["Retry-After"]) <= 10


def test_a_tenant_may_come_so_often(context: Services) -> None:
    """Its users together; what is refused to one of them takes nothing from the others."""
    assert statuses(context, "ada", "ada", "ada", "ada", "ada", "ada") == [200] * 3 + [429] * 3
    assert statuses(context, "max", "max", "max") == [200, 200, 429]
    assert statuses(context, "bea") == [200]


def test_what_is_refused_is_not_written_down(context: Services) -> None:
    """No call to storage: a flood of requests is none of audit entries."""
    before = len(context.audit.page("acme", AuditQuery(user="ada"), 100, "")[0])
    statuses(context, *["ada"] * 10)
    after = context.audit.page("acme", AuditQuery(user="ada"), 100, "")[0]
    assert len(after) <= before + 1
    assert all(entry.status != 429 for entry in after)


def test_an_address_may_fail_so_often(context: Services) -> None:
    """Then guessing gets 429; a good token of the same address is always good, and so is another address."""
    assert [ask("x.y.z").status_code for _ in range(4)] == [401, 401, 429, 429]
    assert ask("x.y.z", "127.0.0.2").status_code == 401
    assert statuses(context, "ada") == [200]


def test_a_network_of_ipv6_is_one_address(azurite: Azurite) -> None:
    """Whoever has one address of a /64 has all of them."""
    issuer = {"AUTH_MODE": "jwt", "JWT_ISSUER": "https://login.example.com", "JWT_AUDIENCE": "api://sluice"}
    with services_on(azurite, **issuer, **LOW):
        assert [ask("x.y.z", "2001:db8:0:1::1").status_code] == [401]
        assert [ask("x.y.z", f"2001:db8::{n}").status_code for n in range(4)] == [401, 401, 429, 429]


def press(operation: Any, path: str, token: str, address: str) -> func.HttpResponse:
    """Open a link of a mail from this address."""
    headers = {"x-forwarded-for": address, "host": "127.0.0.1:7071", "content-type": "application/json"}
    request = func.HttpRequest(
        "POST",
        f"http://127.0.0.1:7071/api/{path}",
        headers=headers,
        route_params={"token": token},
        body=json.dumps({"token": token}).encode(),
    )
    answer = asyncio.run(operation._function.get_user_function()(req=request))
    assert isinstance(answer, func.HttpResponse)
    return answer


LINKS = [(look_up_link, "link"), (unsubscribe, "unsubscribe/x")]


@pytest.mark.parametrize(("operation", "path"), LINKS, ids=["link", "unsubscribe"])
def test_whoever_tries_tokens_out_is_refused_before_storage_is_asked(
    context: Services, monkeypatch: pytest.MonkeyPatch, operation: Any, path: str
) -> None:
    """So many of an address; another address, and who has a token that is known, is answered."""
    asked: list[str] = []
    look = Links._target

    def counted(self: Links, token: str, purpose: str) -> Any:
        asked.append(token)
        return look(self, token, purpose)

    monkeypatch.setattr(Links, "_target", counted)
    monkeypatch.setattr(rate_limits._present().tokens, "_clock", Clock())
    tokens = [f"{number:032d}" for number in range(6)]
    answers = [press(operation, path, token, "127.0.0.1") for token in tokens]
    assert [answer.status_code for answer in answers] == [404] * 2 + [429] * 4
    assert int(answers[-1].headers["Retry-After"]) == 15
    assert asked == tokens[:2]
    assert press(operation, path, tokens[5], "127.0.0.2").status_code == 404

    known = unsubscribe_token("acme", "ada", context.settings)
    context.links.keep_unsubscribe(known, "acme", "ada")
    for _ in range(6):
        assert press(unsubscribe, "unsubscribe/x", known, "127.0.0.3").status_code == 400


@pytest.mark.parametrize(("operation", "path"), LINKS, ids=["link", "unsubscribe"])
@pytest.mark.parametrize("token", ["x" * 31, "x" * 33, "x" * 31 + "=", "x" * 31 + "é", "a.b.c", " " * 32, "٣" * 32])
def test_what_is_no_token_is_not_looked_up(
    context: Services, monkeypatch: pytest.MonkeyPatch, operation: Any, path: str, token: str
) -> None:
    """Its length and its letters tell."""

    def asked(*_: Any) -> None:
        raise AssertionError("storage was asked")

    monkeypatch.setattr(Links, "_target", asked)
    assert [press(operation, path, token, "127.0.0.4").status_code for _ in range(6)] == [404] * 6
