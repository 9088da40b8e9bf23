"""Who may do what: tokens, roles, tenants, companies and scopes."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import requests

from demo.client import Client
from demo.stack import Stack
from tests.service.conftest import People
from tests.service.problems import assert_problem

Export = Callable[..., dict[str, Any]]

MISSING = "0123456789abcdefghijklmnopqrstuvwx"
"""Looks like an id, and is none."""

ENDPOINTS = [
    ("POST", "/exports"),
    ("GET", "/exports"),
    ("GET", f"/exports/{MISSING}"),
    ("GET", f"/exports/{MISSING}/logs"),
    ("GET", f"/exports/{MISSING}/download"),
    ("GET", "/export-types"),
]


def forged(key: str, **changes: object) -> str:
    """A token such as the service makes, but for the changes; None leaves a claim out."""
    now = datetime.now(UTC)
    claims = {
        "sub": "ada",
        "iss": "sluice-dev",
        "aud": "sluice-dev",
        "iat": now,
        "exp": now + timedelta(hours=1),
        **changes,
    }
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, key, algorithm="HS256")


@pytest.fixture
def key(service: Stack) -> str:
    """The key that signs tokens."""
    return (service.home / "signing-key").read_text()


def ask(people: People, authorization: str | None, method: str = "GET", path: str = "/exports") -> requests.Response:
    """A request with this Authorization header."""
    headers = {} if authorization is None else {"Authorization": authorization}
    return requests.request(method, people.api + path, headers=headers, timeout=30, allow_redirects=False)


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_without_a_token_nothing_is_answered(people: People, method: str, path: str) -> None:
    """401 on every endpoint, before anything else is looked at."""
    assert_problem(ask(people, None, method, path), "not-authenticated", detail="Authorization: Bearer <token>")


@pytest.mark.parametrize("authorization", ["Basic YWRhOmFkYQ==", "Bearer", "Bearer ", "ada", "Bearer\tx"])
def test_a_header_that_is_no_bearer_token_is_refused(people: People, authorization: str) -> None:
    """401; a user's name is no proof."""
    assert_problem(ask(people, authorization), "not-authenticated")


def test_the_token_that_the_forgeries_are_made_like_is_good(people: People, key: str) -> None:
    """Otherwise the tests below would prove nothing."""
    assert ask(people, f"Bearer {forged(key)}").status_code == 200
    assert ask(people, f"bearer {forged(key)}").status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody"},
        {"aud": "sluice-landing"},
        {"sub": "mallory"},
        {"sub": None},
        {"exp": None},
        {"iat": None},
        {"aud": None},
        {"iss": None},
        {"iat": 2**32},
        {"nbf": 2**32},
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_is_refused(people: People, key: str, changes: dict[str, object]) -> None:
    """Also when its signature is right."""
    assert_problem(ask(people, f"Bearer {forged(key, **changes)}"), "not-authenticated", detail="not valid here")


def test_a_token_with_a_wrong_signature_is_refused(people: People, key: str) -> None:
    """Another key, none, cut short, or changed after it was signed."""
    good = forged(key)
    head, claims, signature = good.split(".")
    admin = base64.urlsafe_b64encode(json.dumps({"sub": "sam"}).encode()).decode().rstrip("=")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    for token in (
        forged("k" * 32),
        f"{none}.{claims}.",
        f"{head}.{claims}",
        f"{head}.{claims}.{signature[:-4]}",
        f"{head}.{admin}.{signature}",
        "x",
        "é",
        f"{good}{good}" * 8,
    ):
        assert_problem(ask(people, f"Bearer {token}".encode().decode("latin-1")), "not-authenticated")


def test_an_expired_token_is_refused(people: People, key: str) -> None:
    """And the answer says that it is only old."""
    token = forged(key, exp=datetime.now(UTC) - timedelta(seconds=1))
    assert_problem(ask(people, f"Bearer {token}"), "not-authenticated", detail="the token has expired; get a new one")


@pytest.mark.parametrize(("method", "path"), ENDPOINTS[:-1])
def test_a_viewer_exports_nothing(people: People, method: str, path: str) -> None:
    """403 that says who can change that, for every id alike."""
    answer = people.vic.call(method, path)
    assert_problem(answer, "not-allowed", detail="an Admin of your organisation can change your role")


def test_a_viewer_learns_nothing_of_an_export_that_is_there(people: People, finished: dict[str, Any]) -> None:
    """The same answer as for an id that is nobody's."""
    for end in ("", "/logs", "/download"):
        there = people.vic.call("GET", f"/exports/{finished['id']}{end}")
        missing = people.vic.call("GET", f"/exports/{MISSING}{end}")
        assert (there.status_code, there.content) == (missing.status_code, missing.content)
        assert there.status_code == 403


def test_a_type_for_admins_is_refused_to_a_manager(people: People) -> None:
    """403 that names the roles."""
    answer = people.max.call("POST", "/exports", json={"exportType": "users"})
    assert_problem(answer, "not-allowed", detail="open to: SuperAdmin, Admin; you are: Manager")


@pytest.mark.parametrize("user", ["bea", "gus", "max"])
@pytest.mark.parametrize("end", ["", "/logs", "/download"])
def test_a_foreign_id_and_a_missing_one_are_answered_alike(
    people: People, finished: dict[str, Any], user: str, end: str
) -> None:
    """Byte for byte, headers too: an Admin of another tenant, a Manager of it, a Manager of the same one."""
    client = people[user]
    foreign = client.call("GET", f"/exports/{finished['id']}{end}")
    missing = client.call("GET", f"/exports/{MISSING}{end}")
    assert_problem(foreign, "not-found", detail="there is no export of this id that you may see")
    assert foreign.content == missing.content
    unlike = {"Date": "", "X-Request-Id": ""}
    assert {**foreign.headers, **unlike} == {**missing.headers, **unlike}


@pytest.mark.parametrize(
    "given",
    [
        "a" * 65,
        "a" * 2_000,
        "a" * 7_000,
        "%00",
        "a%00b",
        "%2e%2e%2fa",
        "a'b",
        "a%22b",
        "%C3%A9",
        "%F0%9F%98%80",
        "a%0Ab",
        "!limit",
        "-",
        "a%2Fb",
        "%FF",
        "%E2%80%AE",
        "a%5Cb",
        "a%23b",
        "a%3Fb",
        "1e999999999",
        "0x10",
        "*",
        "a;b",
        "$top",
    ],
)
@pytest.mark.parametrize("path", ["exports/{}", "exports/{}/logs", "operations/{}", "webhooks/{}", "schedules/{}"])
def test_an_id_that_cannot_be_one_is_a_missing_one(people: People, path: str, given: str) -> None:
    """404, whatever its length and characters: storage is not asked what it makes of them."""
    assert_problem(people.ada.call("GET", f"/{path.format(given)}"), "not-found")


def test_a_foreign_download_leaves_no_trace(people: People, finished: dict[str, Any]) -> None:
    """The owner's export is not marked as downloaded, and its log says nothing."""
    before, place = people.ada.logs(finished["id"]), f"/exports/{finished['id']}"
    downloaded = people.ada.call("GET", place).json()["downloadedAt"]  # by another test, perhaps
    assert people.bea.call("GET", f"{place}/download").status_code == 404
    assert people.ada.logs(finished["id"]) == before
    assert people.ada.call("GET", place).json()["downloadedAt"] == downloaded


@pytest.mark.parametrize(
    "export_id",
    [
        "a'b",
        "' or PartitionKey ne '",
        "%00",
        "..",
        "%2e%2e%2fplan.json",
        "x/../y",
        "é",
        "a" * 2_000,
        "%F0%9F%91%8D",
        "a%0d%0aSet-Cookie:%20x=1",
    ],
)
@pytest.mark.parametrize("user", ["ada", "sam"])
def test_an_id_that_is_no_id_finds_nothing(people: People, user: str, export_id: str) -> None:
    """404, whatever it holds, also for somebody who may see all tenants; no other record, no error, no header."""
    for end in ("", "/logs", "/download"):
        client: Client = getattr(people, user)
        prepared = requests.Request("GET", f"{people.api}/exports/x{end}").prepare()
        prepared.headers["Authorization"] = str(client._session.headers["Authorization"])
        prepared.url = f"{people.api}/exports/{export_id}{end}"  # as it is: requests would tidy it up
        with requests.Session() as session:
            answer = session.send(prepared, timeout=30)
        assert answer.status_code == 404, answer.text
        assert "Set-Cookie" not in answer.headers


def test_a_manager_sees_only_their_own_exports(people: People, finished: dict[str, Any], export: Export) -> None:
    """In the list, whatever filter they set; an Admin of the tenant sees both, one of another tenant neither."""
    mine = export("max", exportType="analytics")

    def ids(client: Client, query: str = "") -> set[str]:
        return {item["id"] for item in client.call("GET", f"/exports?limit=200{query}").json()["items"]}

    assert mine["id"] in ids(people.max)
    assert finished["id"] not in ids(people.max)
    assert ids(people.max, "&createdBy=ada") == set()
    assert ids(people.max, "&createdBy=' or created_by eq 'ada") == set()
    assert {mine["id"], finished["id"]} <= ids(people.ada)
    assert not {mine["id"], finished["id"]} & ids(people.bea)


def test_an_admin_reads_what_a_manager_asked_for(people: People, export: Export) -> None:
    """Status, log and file, within the tenant."""
    mine = export("max", exportType="analytics")
    for end, status in (("", 200), ("/logs", 200), ("/download", 302)):
        assert people.ada.call("GET", f"/exports/{mine['id']}{end}").status_code == status
        assert people.bea.call("GET", f"/exports/{mine['id']}{end}").status_code == 404


def test_a_super_admin_reads_every_tenant(people: People, export: Export) -> None:
    """By id."""
    theirs = export("bea", exportType="analytics")
    assert people.sam.call("GET", f"/exports/{theirs['id']}").json() == theirs


@pytest.mark.parametrize("export_type", ["sessions", "employees", "exemptions", "payroll-headcount"])
def test_companies_and_scopes_of_others_are_refused(people: People, export_type: str) -> None:
    """400 that names each, whatever the type's scope; max has company 123 and scope north only."""
    body = {"exportType": export_type, "companyIds": ["123", "124", "201"], "operationalScopeIds": ["south"]}
    assert_problem(
        people.max.call("POST", "/exports", json=body),
        "validation-failed",
        companyIds__1="unknown company '124'",
        companyIds__2="unknown company '201'; known: 123",
        operationalScopeIds__0="unknown operational scope 'south'",
    )


def test_the_engines_own_address_asks_for_its_key(people: People, finished: dict[str, Any], service: Stack) -> None:
    """A tenant's token opens nothing there."""
    url = f"{service.base_url}/runtime/webhooks/durabletask/instances/{finished['id']}"
    token = str(people.ada._session.headers["Authorization"])
    assert requests.get(url, timeout=30).status_code == 401
    assert requests.get(url, headers={"Authorization": token}, timeout=30).status_code == 401
    assert requests.get(f"{url}?code=guessed", timeout=30).status_code == 401


@pytest.mark.parametrize("body", [b"", b"[]", b"ada"])
def test_a_request_for_a_token_that_is_no_object_is_refused(people: People, body: bytes) -> None:
    """With what it is, or an example of a right one."""
    answer = requests.post(f"{people.api}/dev/token", data=body, timeout=30)
    assert_problem(answer, "bad-request", detail="the body")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"name": "ada"}, {"user": "is required", "name": "unknown field 'name'; known: user"}),
        ({"user": 7}, {"user": "valid string, got 7"}),
        ({"user": "ada", "role": "Admin"}, {"role": "unknown field 'role'; known: user"}),
    ],
    ids=str,
)
def test_a_wrong_request_for_a_token_is_refused(people: People, body: Any, fields: dict[str, str]) -> None:
    """Field by field."""
    answer = requests.post(f"{people.api}/dev/token", json=body, timeout=30)
    assert_problem(answer, "validation-failed", **fields)


def test_a_token_for_an_unknown_user_is_refused(people: People) -> None:
    """With the nearest known name."""
    answer = requests.post(f"{people.api}/dev/token", json={"user": "adda"}, timeout=30)
    assert_problem(answer, "validation-failed", user="unknown user 'adda'; did you mean 'ada'?")
