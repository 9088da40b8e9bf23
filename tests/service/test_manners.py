"""HTTP manners: entity tags, HEAD, gzip, CORS, request ids."""

import gzip
import json
import re
from typing import Any

import pytest
import requests

from demo.stack import Stack
from shared.api.operations import Operation
from tests.service.conftest import People, Service, Start
from triggers.http.operation import operations


def test_what_has_not_changed_is_not_sent_again(people: People, finished: dict[str, Any]) -> None:
    """304 without a body for the tag that was given, also in a list, weak or strong, or for *; 200 for another."""
    for path in (f"/exports/{finished['id']}", f"/operations/{finished['id']}", "/export-types", "/openapi.json"):
        first = people.ada.call("GET", path)
        tag = first.headers["ETag"]
        assert (first.status_code, first.headers["Cache-Control"]) == (200, "private, no-cache")
        assert re.fullmatch(r'W/"[0-9a-f]{32}"', tag)
        for given in (tag, tag.removeprefix("W/"), f'"x", {tag}', "*"):
            again = people.ada.call("GET", path, headers={"If-None-Match": given})
            assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
        assert people.ada.call("GET", path, headers={"If-None-Match": '"x"'}).content == first.content


def test_a_poller_learns_when_something_changed(people: People) -> None:
    """The tag of a running export is not that of the finished one; 304 until then still says when to ask again."""
    export_id = people.ada.start(exportType="users")
    early = people.ada.call("GET", f"/exports/{export_id}")
    people.ada.wait(export_id)
    late = people.ada.call("GET", f"/exports/{export_id}", headers={"If-None-Match": early.headers["ETag"]})
    same = early.json()["status"] == "Completed"
    assert late.status_code == (304 if same else 200)


def test_a_tag_opens_nothing(people: People, finished: dict[str, Any]) -> None:
    """Whoever may not see it gets 404 or 401, whatever tag they hold."""
    headers = {"If-None-Match": "*"}
    assert people.bea.call("GET", f"/exports/{finished['id']}", headers=headers).status_code == 404
    assert requests.get(f"{people.api}/exports/{finished['id']}", headers=headers, timeout=30).status_code == 401


def test_what_holds_a_key_is_kept_nowhere(people: People, finished: dict[str, Any]) -> None:
    """URLs that read a file, and tokens: no-store, no tag."""
    for answer in (
        people.ada.call("GET", f"/exports/{finished['id']}/download"),
        people.ada.call("GET", f"/exports/{finished['id']}/download?redirect=false"),
        people.ada.call("POST", "/dev/token", json={"user": "ada"}),
        people.ada.call("GET", "/exports/x"),
    ):
        assert answer.headers["Cache-Control"] == "no-store"
        assert "ETag" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/exports", "/exports/{id}", "/exports/{id}/logs", "/export-types", "/health", "/docs"]
)
def test_head_is_get_without_a_body(people: People, finished: dict[str, Any], path: str) -> None:
    """The same status and headers."""
    where = path.replace("{id}", finished["id"])
    get, head = (people.ada.call(m, where, headers={"X-Request-Id": "same"}) for m in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (200, b"")
    unlike = {"Date": "", "Content-Length": ""}
    assert {**head.headers, **unlike} == {**get.headers, **unlike}


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [("gzip", True), ("br, gzip;q=0.5", True), ("*", True), ("gzip;q=0", False), ("identity", False), ("", False)],
)
def test_long_json_is_packed_for_those_who_take_it(people: People, accepted: str, packed: bool) -> None:
    """The same bytes when unpacked."""
    answer = people.ada.call("GET", "/export-types", headers={"Accept-Encoding": accepted}, stream=True)
    raw = answer.raw.read(decode_content=False)
    assert ("gzip" == answer.headers.get("Content-Encoding")) is packed
    assert "Accept-Encoding" in answer.headers["Vary"]
    body = gzip.decompress(raw) if packed else raw
    assert body == people.ada.call("GET", "/export-types").content
    assert json.loads(body)["items"]


def test_short_json_is_not_packed(people: People) -> None:
    """It would not become shorter."""
    answer = people.ada.call("GET", "/health", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in answer.headers


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"X-Request-Id": "a.b_c~9-Z"}, "a.b_c~9-Z"),
        ({"traceparent": TRACE}, "0af7651916cd43dd8448eb211c80319c"),
        ({"traceparent": TRACE, "X-Request-Id": "mine"}, "mine"),
        ({}, "[0-9a-f]{32}"),
        ({"X-Request-Id": "x" * 129}, "[0-9a-f]{32}"),
        ({"X-Request-Id": "a b"}, "[0-9a-f]{32}"),
        ({"X-Request-Id": "<script>"}, "[0-9a-f]{32}"),
        ({"traceparent": f"00-{'0' * 32}-b7ad6b7169203331-01"}, "(?!0{32})[0-9a-f]{32}"),
        ({"traceparent": "x"}, "[0-9a-f]{32}"),
    ],
    ids=str,
)
def test_every_answer_has_a_request_id(people: People, given: dict[str, str], expected: str) -> None:
    """The caller's when it is a plain one, that of their trace, or a new one; errors too."""
    for path in ("/health", "/exports/x", "/nothing"):
        answer = people.ada.call("GET", path, headers=given)
        assert re.fullmatch(expected, answer.headers["X-Request-Id"])


@pytest.fixture(scope="module")
def shared_service(start: Start) -> Service:
    """A service that pages of two origins may call."""
    return start(CORS_ORIGINS="https://app.example.com, http://localhost:5173")


@pytest.mark.parametrize("origin", ["https://app.example.com", "http://localhost:5173"])
def test_pages_of_known_origins_may_call(shared_service: Service, origin: str) -> None:
    """Before the call (OPTIONS) and in the answer, also in one that refuses; no cookies."""
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    asked = requests.options(f"{shared_service.api}/exports", headers=headers, timeout=30)
    assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (204, origin)
    assert asked.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS, POST"
    assert "Authorization" in asked.headers["Access-Control-Allow-Headers"]
    for path, status in (("/health", 200), ("/exports", 401), ("/nothing", 404)):
        answer = shared_service.get(path, Origin=origin)
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (status, origin)
        assert "Origin" in answer.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "https://app.example.com.evil.example", "http://app.example.com", "null", "*", ""],
)
def test_pages_of_other_origins_may_not(shared_service: Service, origin: str) -> None:
    """No header lets a browser show them the answer."""
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    asked = requests.options(f"{shared_service.api}/exports", headers=headers, timeout=30)
    answer = shared_service.get("/health", Origin=origin)
    assert not [name for found in (asked, answer) for name in found.headers if name.startswith("Access-Control")]


def test_without_the_setting_no_page_may(service: Stack) -> None:
    """And nothing depends on where a page came from."""
    answer = requests.get(f"{service.api}/health", headers={"Origin": "https://app.example.com"}, timeout=30)
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Origin" not in answer.headers["Vary"]


PAGES = [call for call in operations() if any(a.media_type == "text/html" for a in call.answers.values())]


@pytest.mark.parametrize("call", PAGES, ids=lambda call: f"{call.method} {call.route}")
def test_no_page_tells_another_site_its_address(people: People, call: Operation) -> None:
    """The address may have a token: no browser sends it as Referer. What a browser does send is in no log."""
    token = "0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P"
    page = f"{people.api}/{call.route.format(token=token, kind='completed')}"
    body: dict[str, Any] = {"data": {"List-Unsubscribe": "One-Click"}} if "{token}" in call.route else {}
    if call.method == "POST" and not body:
        body = {"json": {"token": token}}
    headers = {"Referer": f"{people.api}/unsubscribe/{token}"}  # the logs of all hosts are searched at the end
    answer = requests.request(call.method, page, headers=headers, timeout=30, allow_redirects=False, **body)
    assert answer.headers["Content-Type"].startswith("text/html"), answer.text
    assert answer.headers["Referrer-Policy"] == "no-referrer"
