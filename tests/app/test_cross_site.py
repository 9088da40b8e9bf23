"""Pages of other sites and the session of whoever looks at them: nothing is changed."""

import asyncio
import json
from collections.abc import Iterator

import azure.functions as func
import pytest

from demo.stack import bare_settings
from shared.settings import settings
from triggers.http.endpoint import endpoint, json_response
from triggers.http.operation import operations

FRIEND = "https://app.example.com"
OWN = "https://exports.example.com"
JSON = {"content-type": "application/json"}
OURS = {"x-requested-with": "fetch"}

SAFE_TYPES = [
    "",
    "text/plain",
    "text/plain; charset=application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/jsonp",
    "text/json",
    "application/octet-stream",
    "application/json-patch",
    "x/application/json",
    "json",
    ";application/json",
    "text/plain, application/json",
]
GOOD_TYPES = ["application/json", "Application/JSON", "application/json; charset=utf-8", "application/merge-patch+json"]
FOREIGN = [
    "https://evil.example",
    "null",
    "http://exports.example.com",
    "https://exports.example.com.evil.example",
    "https://exports.example.com:444",
    "https://app.example.com.evil.example",
    "http://app.example.com",
    "https://sub.app.example.com",
    "https://exports.example.com@evil.example",
    "file://",
    "chrome-extension://x",
    "HTTPS://APP.EXAMPLE.COM",
    " https://app.example.com/",
    "https://app.example.com,https://evil.example",
]
SITES = ["cross-site", "same-site", "CROSS-SITE", "unknown", "same-origin, cross-site"]


@pytest.fixture(autouse=True)
def _easyauth(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """People sign in through App Service authentication: their session is a cookie."""
    known = bare_settings("UseDevelopmentStorage=true") | {
        "AUTH_MODE": "easyauth",
        "WEBSITE_AUTH_ENABLED": "true",
        "PUBLIC_URL": OWN,
        "CORS_ORIGINS": FRIEND,
    }
    for name, value in known.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    yield
    settings.cache_clear()


def ask(
    headers: dict[str, str], *, method: str = "POST", takes_forms: bool = False, body: bytes = b"{}"
) -> tuple[int, str]:
    """The status, and the code of the problem, of a change that somebody's session is sent along with."""

    async def made(req: func.HttpRequest) -> func.HttpResponse:
        return json_response({})

    sent = {"x-ms-client-principal": "e30=", "host": "exports.example.com", **headers}
    request = func.HttpRequest(method, f"{OWN}/api/exports", headers=sent, body=body)
    answer = asyncio.run(endpoint(made, audit=None, takes_forms=takes_forms)(req=request))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    return answer.status_code, json.loads(answer.get_body()).get("type", "").removeprefix("urn:sluice:problem:")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "post"])
@pytest.mark.parametrize("kind", SAFE_TYPES)
def test_what_any_page_can_send_is_refused(method: str, kind: str) -> None:
    """415: neither JSON nor a header of ours; also where the browser does not say where it comes from."""
    headers = {"content-type": kind} if kind else {}
    assert ask(headers, method=method.upper()) == (415, "wrong-media-type")
    assert ask({**headers, "origin": OWN, "sec-fetch-site": "same-origin"}, method=method.upper())[0] == 415
    assert ask({**headers, **OURS}, method=method.upper())[0] == 200


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("site", ["", "same-origin", "none", *SITES])
@pytest.mark.parametrize("proof", [JSON, OURS, {}], ids=["JSON", "our header", "nothing"])
def test_a_foreign_origin_is_refused(origin: str, site: str, proof: dict[str, str]) -> None:
    """403, whatever else the request has."""
    assert ask({"origin": origin, "sec-fetch-site": site, **proof}) == (403, "cross-site")


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("origin", ["", OWN])
def test_another_site_is_refused(site: str, origin: str) -> None:
    """403 by the browser's own word, with or without an origin."""
    headers = {"sec-fetch-site": site, **JSON, **OURS} | ({"origin": origin} if origin else {})
    assert ask(headers) == (403, "cross-site")


@pytest.mark.parametrize("kind", GOOD_TYPES)
@pytest.mark.parametrize(
    "come",
    [
        {},
        {"origin": OWN},
        {"origin": OWN, "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"origin": FRIEND},
        {"origin": FRIEND, "sec-fetch-site": "cross-site"},
        {"origin": FRIEND, "sec-fetch-site": "same-site"},
    ],
)
def test_our_own_pages_and_friends_get_through(kind: str, come: dict[str, str]) -> None:
    """With JSON, or with our header; a program without a browser too."""
    assert ask({"content-type": kind, **come})[0] == 200
    assert ask({**OURS, **come}, body=b"")[0] == 200


@pytest.mark.parametrize("name", ["origin", "content-type", "sec-fetch-site", "host", "user-agent", "authorization"])
def test_a_header_that_is_no_text_is_refused_in_words(name: str) -> None:
    """Bytes that are not UTF-8 reach a handler as lone surrogates; an answer that quotes them is one all the same."""
    assert ask({"content-type": "text/plain", name: "http://\udcff"}) == {
        "origin": (403, "cross-site"),
        "sec-fetch-site": (403, "cross-site"),
    }.get(name, (415, "wrong-media-type"))


def test_our_own_page_may_send_nothing() -> None:
    """A button without a body, where the browser vouches for the page."""
    assert ask({"sec-fetch-site": "same-origin"}, body=b"")[0] == 200
    assert ask({}, body=b"")[0] == 415


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_is_not_changing(method: str) -> None:
    """A link from anywhere leads here."""
    assert ask({"origin": "https://evil.example", "sec-fetch-site": "cross-site"}, method=method, body=b"")[0] == 200


def test_a_bearer_token_is_sent_by_nobody_else() -> None:
    """Its owner may call from anywhere; credentials that a browser keeps are none."""
    come = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert ask({**come, "authorization": "Bearer x.y.z"})[0] == 200
    assert ask({**come, "x-zumo-auth": "x.y.z"})[0] == 200
    assert ask({**come, "authorization": "Basic eDp5"}) == (403, "cross-site")


def test_a_mails_link_acts_by_its_token() -> None:
    """RFC 8058: the mail program of anybody sends a form. Nothing else takes one."""
    form = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "cross-site"}
    assert ask(form, takes_forms=True)[0] == 200
    assert {call.function for call in operations() if call.takes_forms} == {"unsubscribe", "landing_download"}


def test_without_a_session_nothing_is_asked() -> None:
    """Services and programs with keys have no principal of App Service."""
    assert ask({"x-ms-client-principal": "e30=", "content-type": "text/plain"})[0] == 415
    request = func.HttpRequest("POST", f"{OWN}/api/exports", headers={"content-type": "text/plain"}, body=b"{}")

    async def start_export(req: func.HttpRequest) -> func.HttpResponse:
        return json_response({})

    assert asyncio.run(endpoint(start_export, audit=None)(req=request)).status_code == 200
