"""Every route and every kind of caller: what the declared operations allow, and nothing else.

One table (``EXPECTED``) says what each kind of caller is answered under each declared access. Routes come from the
declarations, so a new one is in it at once; an access that the table does not know fails.
"""

import base64
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from shared.api.operations import Access, Operation
from tests.environments import SIGN_IN_BY_APP_SERVICE
from tests.service.conftest import Service, Start
from tests.service.issuer import Issuer, rsa_key
from tests.service.test_identity import principal, service_token
from triggers.http.operation import operations

MISSING = "0123456789abcdefghijklmnopqrstuvwx"
"""Looks like an id, and is none."""

OFTEN = dict.fromkeys(
    (
        "REQUESTS_PER_MINUTE_PER_USER",
        "REQUESTS_PER_MINUTE_PER_TENANT",
        "FAILED_SIGN_INS_PER_MINUTE_PER_ADDRESS",
    ),
    "1000000",
)
"""Nobody is told to come again later."""

NOBODY, LOW, MISSED, IN = 401, 403, 404, 200

EXPECTED: Mapping[Access, Mapping[str, int]] = {
    Access.PUBLIC: dict.fromkeys(("nobody", "gone", "viewer", "manager", "foreign", "admin", "operator", "owner"), IN),
    Access.CALLER: {
        "nobody": NOBODY,
        "gone": LOW,
        **dict.fromkeys(("viewer", "manager", "foreign", "admin", "operator", "owner"), IN),
    },
    Access.EXPORTER: {
        "nobody": NOBODY,
        "gone": LOW,
        "viewer": LOW,
        **dict.fromkeys(("manager", "foreign", "admin", "operator", "owner"), IN),
    },
    Access.OWNER: {
        "nobody": NOBODY,
        "gone": LOW,
        "viewer": LOW,
        "manager": MISSED,
        "foreign": MISSED,
        **dict.fromkeys(("admin", "operator", "owner"), IN),
    },
    Access.RECIPIENT: {
        "nobody": NOBODY,
        "gone": LOW,
        **dict.fromkeys(("viewer", "manager", "foreign", "admin", "operator"), MISSED),
        "owner": IN,
    },
    Access.ADMIN: {
        "nobody": NOBODY,
        "gone": LOW,
        "viewer": LOW,
        "manager": LOW,
        "foreign": MISSED,
        **dict.fromkeys(("admin", "operator", "owner"), IN),
    },
    Access.OPERATOR: {
        "nobody": NOBODY,
        "gone": LOW,
        **dict.fromkeys(("viewer", "manager", "foreign", "admin", "owner"), LOW),
        "operator": IN,
    },
}
"""The answer by access and by what a caller is to a thing: ``gone`` is an Admin who was offboarded, ``foreign`` one of
another tenant, ``owner`` the Admin who made it. A foreign Admin gets in where nothing is named that could be
another's."""

TOKENS: Mapping[str, tuple[str, dict[str, Any] | None]] = {
    "no token": ("nobody", None),
    "expired": ("nobody", {"exp": int(time.time()) - 120, "iat": int(time.time()) - 600}),
    "another key": ("nobody", {"key": rsa_key()}),
    "a SuperAdmin who has expired": ("nobody", {"roles": ["SuperAdmin"], "exp": int(time.time()) - 120}),
    "Viewer": ("viewer", {"roles": ["Viewer"], "sub": "viewer"}),
    "no role": ("viewer", {"roles": None, "sub": "viewer"}),
    "a role that there is not": ("viewer", {"roles": ["superadmin", "Owner", "*"], "sub": "viewer"}),
    "a Manager of the tenant": ("manager", {"roles": ["Manager"], "sub": "somebody"}),
    "an Admin of another tenant": ("foreign", {"tid": "globex", "sub": "owner"}),
    "a Manager of another tenant": ("foreign manager", {"tid": "globex", "sub": "owner", "roles": ["Manager"]}),
    "another Admin": ("admin", {"sub": "boss"}),
    "the owner": ("owner", {"sub": "owner"}),
    "an Admin who was offboarded": ("gone", {"sub": "gone"}),
    "a SuperAdmin who was offboarded": ("gone", {"sub": "gone", "roles": ["SuperAdmin"]}),
    "SuperAdmin": ("operator", {"roles": ["SuperAdmin"], "sub": "root"}),
}
"""What each is, and how its token differs from that of an Admin of acme. More that are not good: tests/attack."""


def expected(call: Operation, kind: str) -> int:
    """What this kind of caller is answered. A Manager of another tenant is no Admin there, and owns nothing here."""
    if kind == "foreign manager":
        return max(EXPECTED[call.access]["manager"], EXPECTED[call.access]["foreign"], key=_severity)
    found = EXPECTED[call.access][kind]
    return IN if kind == "foreign" and call.access is Access.ADMIN and "{id}" not in call.route else found


def _severity(status: int) -> int:
    return (IN, MISSED, LOW, NOBODY).index(status)


@dataclass
class World:
    """A service, and what somebody in acme owns there, by the first step of a route."""

    api: str
    owner: Mapping[str, str]
    session: requests.Session = field(default_factory=requests.Session)
    owned: dict[str, str] = field(default_factory=dict)
    answers: dict[tuple[str, str], requests.Response] = field(default_factory=dict)

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: Any = None) -> requests.Response:
        """A request, as a page of our own makes it."""
        headers = {**headers, "X-Requested-With": "tests"}
        url, json = f"{self.api}/{path}", {} if body is None and method in ("POST", "PUT", "PATCH") else body
        return self.session.request(method, url, json=json, headers=headers, timeout=60, allow_redirects=False)

    def call(self, call: Operation, headers: Mapping[str, str], *, missing: bool = False) -> requests.Response:
        """The call, about what the owner has or about what nobody has; with an empty object for a body."""
        thing = "exports" if call.route.startswith(("operations", "ops/exports")) else call.route.split("/")[0]
        values = {"token": "x", "file": "start.js", "kind": "failed", "tenant": "initech", "name": "roster-headcount"}
        id_ = MISSING if missing else self.owned.get(thing, MISSING)
        path = call.route.format(**values, id=id_, delivery=MISSING, link="0" * 64, user="nobody-at-all")
        return self.ask(call.method, path, headers)

    def to_owner(self, call: Operation) -> requests.Response:
        """What a call that is about nothing of anybody's answers the owner: always the same."""
        name = (call.method, call.route)
        if name not in self.answers:
            self.answers[name] = self.call(call, self.owner)
        return self.answers[name]

    @contextmanager
    def spare(self, call: Operation) -> Iterator[None]:
        """Meanwhile the owner has a new one of what the call would remove."""
        thing = call.route.split("/")[0]
        before = dict(self.owned)
        if call.method == "DELETE" and thing in ("exports", "schedules", "webhooks"):
            self.own(thing)
        try:
            yield
        finally:
            self.owned = before

    def own(self, *things: str) -> None:
        """Make new ones of these for the owner."""
        makers = {"exports": self._export, "schedules": self._schedule, "webhooks": self._webhook}
        for thing in things:
            self.owned[thing] = makers[thing]()

    def _export(self) -> str:
        body = {"exportType": "users", "fresh": True, "notify": {"inApp": True}}
        id_: str = self.ask("POST", "exports", self.owner, body).json()["id"]
        end = time.monotonic() + 60
        while self.ask("GET", f"exports/{id_}", self.owner).json()["status"] != "Completed":
            assert time.monotonic() < end
            time.sleep(0.05)
        return id_

    def _schedule(self) -> str:
        body = {"name": "s", "cron": "0 6 1 1 *", "request": {"exportType": "users"}}
        return str(self.ask("POST", "schedules", self.owner, body).json()["id"])

    def _webhook(self) -> str:
        body = {"url": "https://198.41.0.4/hook", "enabled": False}
        return str(self.ask("POST", "webhooks", self.owner, body).json()["id"])


def told(world: World) -> str:
    """A notification of the owner."""
    end = time.monotonic() + 60
    while not (items := world.ask("GET", "notifications", world.owner).json()["items"]):
        assert time.monotonic() < end
        time.sleep(0.1)
    return str(items[0]["id"])


def bearer(token: str) -> dict[str, str]:
    """The header."""
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def world(jwt_service: Service, issuer: Issuer) -> Iterator[World]:
    """The service that believes the issuer."""
    made = World(jwt_service.api, bearer(issuer.token(sub="owner")))
    made.own("exports", "schedules", "webhooks")
    made.owned["notifications"] = told(made)
    root = bearer(issuer.token(sub="root", roles=["SuperAdmin"]))
    assert made.ask("POST", "ops/users/acme/gone/offboard", root).status_code == 200
    with made.session:
        yield made


def wrong_of(world: World, call: Operation, headers: Mapping[str, str], status: int) -> str:
    """How the answer to a call differs from what is expected; empty when it does not."""
    if call.access is Access.PUBLIC:
        answer = world.call(call, headers)
        if answer.status_code >= 500:
            return f"{answer.status_code} {answer.text[:80]}"
        return (
            ""
            if same(answer, world.to_owner(call))
            else "it is another answer than the owner's, though anybody may call"
        )
    if status == IN:
        with world.spare(call):
            answer = world.call(call, headers)
        unnamed = any(part in call.route for part in ("{delivery}", "{link}"))
        missing = {404} - set(call.refuses) - {404 if unnamed else 0}
        return "" if got_in(answer.status_code, missing) else f"{answer.status_code} {answer.text[:80]}"
    answer = world.call(call, headers)
    if answer.status_code != status:
        return f"{answer.status_code} instead of {status}: {answer.text[:80]}"
    if status == NOBODY or "{id}" not in call.route:
        return ""
    missing = world.call(call, headers, missing=True)
    return "" if same(answer, missing) else "a thing that is there is answered otherwise than one that is not"


def got_in(status: int, kept_out: Collection[int] = ()) -> bool:
    """Whether an answer is that of a handler to somebody who may call it; ``kept_out`` are more that are not.

    An answer to a request that lacks something is (400, 409, 410, 422); one of a handler that broke is not.
    """
    return status < 500 and status not in {401, 403, 415, 429, *kept_out}


@pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 401, 403, 415, 429, 404])
def test_an_error_of_the_service_is_no_way_in(status: int) -> None:
    """Nor is a refusal; what a handler found wrong with an empty body is."""
    assert not got_in(status, {404})
    assert all(got_in(good) for good in (200, 202, 204, 302, 400, 404, 409, 410, 422))


def all_wrong(world: World, headers: Mapping[str, str], kind: str) -> dict[str, str]:
    """What is wrong with the answers of every route to one caller."""
    found = {f"{c.method} {c.route} ({c.access.name})": wrong_of(world, c, headers, expected(c, kind)) for c in OFFERED}
    return {name: text for name, text in found.items() if text}


def same(one: requests.Response, other: requests.Response) -> bool:
    """Byte for byte, headers too."""
    unlike = {"Date": "", "X-Request-Id": ""}
    return (one.status_code, one.content, {**one.headers, **unlike}) == (
        other.status_code,
        other.content,
        {**other.headers, **unlike},
    )


OFFERED = [call for call in operations() if call.access is not Access.FUNCTION_KEY and call.tag != "dev"]


def test_every_access_has_an_expectation() -> None:
    """And every kind of caller one in it: a new access, or route, cannot be left out."""
    kinds = {kind for kind, _ in TOKENS.values()} - {"foreign manager"}
    assert set(EXPECTED) == set(Access) - {Access.FUNCTION_KEY}
    assert {access: set(row) for access, row in EXPECTED.items()} == dict.fromkeys(EXPECTED, kinds)


@pytest.mark.parametrize("token", TOKENS)
def test_a_caller_gets_what_is_declared_and_nothing_else(world: World, issuer: Issuer, token: str) -> None:
    """On every route: 401 without a good token, 403 for a low role, 404 for what others have, as for nobody's."""
    kind, changes = TOKENS[token]
    headers = {} if changes is None else bearer(issuer.token(**changes))
    assert all_wrong(world, headers, kind) == {}


@pytest.mark.parametrize("header", ["Bearer x.y.z"])
def test_what_is_no_token_is_nobody(world: World, header: str) -> None:
    """Whatever it is."""
    assert all_wrong(world, {"Authorization": header}, "nobody") == {}


def test_a_token_that_may_all_opens_nothing_that_is_not_offered(world: World, issuer: Issuer) -> None:
    """What is for development, or for services where they get no tokens, is not there."""
    headers = bearer(issuer.token(roles=["SuperAdmin"]))
    answers = {
        f"{call.method} {call.route}": world.call(call, headers).status_code
        for call in operations()
        if call not in OFFERED
    }
    assert answers == dict.fromkeys(answers, 404)
    assert answers


@pytest.fixture(scope="module")
def behind_app_service(start: Start) -> Iterator[tuple[World, Service]]:
    """A service whose callers the platform names, and that gives tokens to services."""
    made = start(auth=True, **SIGN_IN_BY_APP_SERVICE, **OFTEN)
    world = World(made.api, {"X-MS-CLIENT-PRINCIPAL": principal(sub="owner")})
    world.own("exports", "schedules", "webhooks")
    world.owned["notifications"] = told(world)
    with world.session:
        yield world, made


SERVICES: Mapping[str, tuple[str, str]] = {
    "a service of the tenant": ("admin", "acme"),
    "a service of another tenant": ("foreign", "globex"),
}


@pytest.mark.parametrize("who", SERVICES)
def test_a_service_gets_what_an_admin_of_its_tenant_gets(behind_app_service: tuple[World, Service], who: str) -> None:
    """On every route; nothing for operators, and nothing of another tenant."""
    world, service = behind_app_service
    kind, tenant = SERVICES[who]
    headers = bearer(service_token(service, tenant=tenant).json()["token"])
    assert all_wrong(world, headers, kind) == {}


PRINCIPALS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "a principal that is none": ("nobody", {"tid": "a/b"}),
    "a principal without a user": ("nobody", {"sub": []}),
    "Viewer": ("viewer", {"roles": ["Viewer"], "sub": "viewer"}),
    "a Manager of the tenant": ("manager", {"roles": ["Manager"], "sub": "somebody"}),
    "an Admin of another directory": ("foreign", {"tid": "globex"}),
    "another Admin": ("admin", {"sub": "boss"}),
    "a SuperAdmin of a directory that is not the operator's": ("viewer", {"sub": "root", "roles": ["SuperAdmin"]}),
    "a SuperAdmin of another directory": ("foreign", {"tid": "globex", "roles": ["SuperAdmin", "Admin"]}),
}


@pytest.mark.parametrize("who", PRINCIPALS)
def test_a_principal_gets_what_is_declared(behind_app_service: tuple[World, Service], who: str) -> None:
    """The platform's header opens what a token with the same claims opens."""
    world, _ = behind_app_service
    kind, changes = PRINCIPALS[who]
    headers = {"X-MS-CLIENT-PRINCIPAL": principal(**changes)}
    assert all_wrong(world, headers, kind) == {}


def test_a_function_key_opens_the_tokens_of_services_and_nothing_else(
    behind_app_service: tuple[World, Service],
) -> None:
    """Beside a wrong one, or none, which the host refuses."""
    world, service = behind_app_service
    (call,) = (call for call in operations() if call.access is Access.FUNCTION_KEY)
    for headers in ({}, {"x-functions-key": "guessed"}, {"X-MS-CLIENT-PRINCIPAL": principal(roles=["SuperAdmin"])}):
        assert world.call(call, headers).status_code == 401
    assert service_token(service).status_code == 200
    key = base64.b64encode(b"x").decode()
    assert all_wrong(world, {"x-functions-key": key}, "nobody") == {}
