"""A customer does not become an operator: SuperAdmin counts from the operator's directory alone, on every route."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import requests

from shared.api.operations import Access, Operation
from tests.environments import SIGN_IN_BY_APP_SERVICE
from tests.service.conftest import Service, Start
from tests.service.issuer import AUDIENCE, Issuer, jwk
from tests.service.problems import assert_problem
from tests.service.test_identity import principal, service_token
from triggers.http.operation import operations

OPERATORS = [call for call in operations() if call.access is Access.OPERATOR]
"""The routes that are for operators."""

Headers = Mapping[str, str]
KEY = "every-directory"
MISSING = "0123456789abcdefghijklmnopqrstuvwx"


def ask(service: Service, call: Operation, headers: Headers) -> requests.Response:
    """The call, about a tenant, a type and things that there are not; with an empty object for a body."""
    values = {"tenant": "initech", "name": "roster-headcount", "id": MISSING, "user": "nobody-at-all"}
    json: Any = None if call.method in ("GET", "HEAD") else {}
    url = f"{service.api}/{call.route.format(**values)}"
    return requests.request(call.method, url, json=json, headers=headers, timeout=30)


def statuses(service: Service, headers: Headers) -> dict[str, int]:
    """What this caller is answered on the operators' routes."""
    return {f"{call.method} {call.route}": ask(service, call, headers).status_code for call in OPERATORS}


def assert_no_operator(service: Service, headers: Headers) -> None:
    """Every route for operators refuses them, and says why."""
    assert statuses(service, headers) == {f"{call.method} {call.route}": 403 for call in OPERATORS}
    answer = requests.get(f"{service.api}/ops/overview", headers=headers, timeout=30)
    assert_problem(answer, "not-allowed", detail="this is for operators")


def assert_operator(service: Service, headers: Headers) -> None:
    """None of them does."""
    found = statuses(service, headers)
    assert not {401, 403} & set(found.values()), found
    assert found["GET ops/overview"] == 200


def refusals(service: Service, headers: Headers, tenant: str) -> list[tuple[str, str, int]]:
    """Who claimed a role in vain: by name, what, and the status."""
    query = f"{service.api}/ops/audit?tenant={tenant}&action=role-refused"
    answer = requests.get(query, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    return [(entry["user"], entry["subject"], entry["status"]) for entry in answer.json()["items"]]


@pytest.fixture(scope="module")
def token(issuer: Issuer) -> Callable[..., dict[str, str]]:
    """The header of somebody in a directory with these roles."""

    def of(directory: str, *roles: str, user: str = "u-1") -> dict[str, str]:
        claims: dict[str, Any] = {
            "tid": directory,
            "iss": f"{issuer.url}/{directory}/v2.0",
            "roles": list(roles),
            "sub": user,
        }
        made = issuer.token(headers={"kid": KEY}, **claims)
        return {"Authorization": f"Bearer {made}"}

    return of


@pytest.fixture(scope="module")
def several(start: Start, issuer: Issuer) -> Iterator[Callable[..., Service]]:
    """Start a service in which people of three directories sign in, with a token's key for all of them."""
    template = f"{issuer.url}/{{tenantid}}/v2.0"
    asked = len(issuer.asked)
    issuer.published.append(jwk(issuer.key, KEY, issuer=template))

    def begin(**settings: str) -> Service:
        return start(
            AUTH_MODE="jwt", JWT_ISSUER=template, JWT_AUDIENCE=AUDIENCE, JWT_DIRECTORIES="ops, acme, globex", **settings
        )

    yield begin
    del issuer.asked[asked:]
    issuer.published[:] = [key for key in issuer.published if key["kid"] != KEY]


@pytest.fixture(scope="module")
def named(several: Callable[..., Service]) -> Service:
    """The service, which says whose directory is the operator's."""
    return several(OPERATOR_DIRECTORY="ops")


def test_a_superadmin_of_a_customer_is_none(named: Service, token: Callable[..., dict[str, str]]) -> None:
    """On every route for operators; what else they may do, they may; and it is in the customer's audit log."""
    eve = token("globex", "SuperAdmin", "Admin", user="eve")
    assert_no_operator(named, eve)
    assert requests.get(f"{named.api}/exports", headers=eve, timeout=30).status_code == 200
    foreign = requests.get(f"{named.api}/ops/audit?tenant=acme", headers=eve, timeout=30)
    assert_problem(foreign, "not-allowed")
    root = token("ops", "SuperAdmin", user="root")
    # Each worker notes it once an hour, and this service has one.
    assert refusals(named, root, "globex") == [("eve", "SuperAdmin from globex", 403)]
    assert refusals(named, eve, "globex") == [("eve", "SuperAdmin from globex", 403)]
    assert refusals(named, root, "ops") == []


def test_nothing_of_another_tenant_is_theirs(named: Service, token: Callable[..., dict[str, str]]) -> None:
    """Neither an export nor the engine's addresses."""
    ada, eve = token("acme", "Admin", user="ada"), token("globex", "SuperAdmin", "Admin", user="eve")
    body = {"exportType": "users"}
    made = requests.post(f"{named.api}/exports", json=body, headers=ada, timeout=30)
    assert made.status_code == 202, made.text
    for path in ("", "/logs", "/workflow", "/download"):
        url = f"{named.api}/exports/{made.json()['id']}{path}"
        assert_problem(requests.get(url, headers=eve, timeout=30), "not-found")
    own = requests.post(f"{named.api}/exports", json=body, headers=eve, timeout=30)
    assert (own.status_code, "durable" in own.json()) == (202, False)
    root = token("ops", "SuperAdmin", user="root")
    assert requests.get(f"{named.api}/exports/{made.json()['id']}", headers=root, timeout=30).status_code == 200


def test_a_superadmin_of_the_operator_is_one(named: Service, token: Callable[..., dict[str, str]]) -> None:
    """Else the tests above would prove nothing; an Admin of the operator's directory is none."""
    assert_operator(named, token("ops", "SuperAdmin", user="root"))
    assert_no_operator(named, token("ops", "Admin", user="boss"))


def test_another_letter_case_is_another_directory(named: Service, token: Callable[..., dict[str, str]]) -> None:
    """Which may not sign in."""
    assert set(statuses(named, token("OPS", "SuperAdmin")).values()) == {401}


def test_with_several_directories_and_no_name_nobody_is_an_operator(
    several: Callable[..., Service], token: Callable[..., dict[str, str]]
) -> None:
    """Whichever they are of."""
    service = several()
    for directory in ("ops", "acme", "globex"):
        assert_no_operator(service, token(directory, "SuperAdmin", "Admin", user=f"root of {directory}"))


@pytest.fixture(scope="module")
def app_service(start: Start) -> Callable[..., Service]:
    """Start a service behind App Service authentication, which also gives tokens to services."""

    def begin(**settings: str) -> Service:
        return start(auth=True, **SIGN_IN_BY_APP_SERVICE, **settings)

    return begin


def signed_in(directory: str, *roles: str) -> dict[str, str]:
    """The header that App Service makes for somebody of this directory."""
    return {"X-MS-CLIENT-PRINCIPAL": principal(tid=directory, roles=list(roles), sub=f"p of {directory}")}


def test_app_service_lets_operators_in_from_their_directory_only(app_service: Callable[..., Service]) -> None:
    """And other directories only where they are allowed. A service is never an operator."""
    service = app_service(ALLOWED_DIRECTORIES="ops, acme", OPERATOR_DIRECTORY="ops")
    assert_operator(service, signed_in("ops", "SuperAdmin"))
    assert_no_operator(service, signed_in("acme", "SuperAdmin", "Admin"))
    assert requests.get(f"{service.api}/exports", headers=signed_in("acme", "Admin"), timeout=30).status_code == 200
    for directory in ("globex", "OPS", ""):
        assert set(statuses(service, signed_in(directory, "SuperAdmin")).values()) == {401}
    assert refusals(service, signed_in("ops", "SuperAdmin"), "acme") == [("p of acme", "SuperAdmin from acme", 403)]
    of_service = {"Authorization": f"Bearer {service_token(service, tenant='ops').json()['token']}"}
    assert_no_operator(service, of_service)


def test_app_service_that_lets_in_whichever_directory_has_no_operator(app_service: Callable[..., Service]) -> None:
    """Until the settings name one."""
    service = app_service()
    for directory in ("acme", "ops"):
        assert_no_operator(service, signed_in(directory, "SuperAdmin"))
