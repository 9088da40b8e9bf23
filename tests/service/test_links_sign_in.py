"""Links that ask for sign-in: App Service authentication says who presses the button, and they must see the export."""

import re
import time
from email import message_from_bytes, policy
from typing import Any

import pytest
import requests

from tests.service.conftest import Service, Start
from tests.service.mail_links import link_in, look, press
from tests.service.test_identity import principal

PUBLIC = "https://exports.example.com"
MAIL = {"email": True, "graceSeconds": 0, "afterSeconds": 0}
SIGN_IN = 'href="/.auth/login/aad?post_login_redirect_uri=%2Fapi%2Fd"'


@pytest.fixture(scope="module")
def app_service(start: Start) -> Service:
    """A service behind App Service authentication whose links ask for sign-in, but for globex's sessions."""
    rules = {"LINKS_REQUIRE_SIGN_IN": "globex/sessions=false"}
    return start(AUTH_MODE="easyauth", WEBSITE_AUTH_ENABLED="True", PUBLIC_URL=PUBLIC, **rules)


def here(service: Service, link: str) -> str:
    """A link of a mail, at the address of this machine."""
    assert link.startswith(f"{PUBLIC}/api/")
    return link.replace(f"{PUBLIC}/api", service.api)


def mailed(service: Service, export_type: str, **who: Any) -> tuple[str, str]:
    """The id of an export that a person asked for, and the link in the mail about it."""
    headers = {"X-MS-CLIENT-PRINCIPAL": principal(**who)}
    body = {"exportType": export_type, "notify": MAIL, "fresh": True}
    asked = requests.post(f"{service.api}/exports", json=body, headers=headers, timeout=30)
    assert asked.status_code == 202, asked.text
    export_id = str(asked.json()["id"])
    end = time.monotonic() + 60
    while time.monotonic() < end:
        logs = service.get(f"/exports/{export_id}/logs", X_MS_CLIENT_PRINCIPAL=principal(**who)).json()["items"]
        if "mail-sent" in {line["action"] for line in logs}:
            break
        assert "mail-skipped" not in {line["action"] for line in logs}, logs
        time.sleep(0.1)
    (sent,) = service.get(f"/exports/{export_id}/links", X_MS_CLIENT_PRINCIPAL=principal(**who)).json()["items"]
    assert sent["channel"] == "email"
    newest = max((service.home / "outbox").glob("*.eml"), key=lambda path: path.stat().st_mtime)
    parts = message_from_bytes(newest.read_bytes(), policy=policy.default)
    text, html = parts.get_body(("plain",)), parts.get_body(("html",))
    assert text is not None
    assert html is not None
    return export_id, here(service, link_in({"text": text.get_content(), "html": html.get_content()}))


@pytest.fixture(scope="module")
def link(app_service: Service) -> tuple[str, str]:
    """An export of a Manager of acme\'s, and the link to it."""
    return mailed(app_service, "sessions", sub="m", roles=["Manager"], email="m@acme.example", company_ids=["123"])


def test_nobody_gets_the_file_who_is_not_signed_in(app_service: Service, link: tuple[str, str]) -> None:
    """The page leads to sign-in and back, and tells nothing of the file; a session that is none is none."""
    for headers in ({}, {"X-MS-CLIENT-PRINCIPAL": "x"}, {"Authorization": "Bearer x"}):
        for answer in (look(link[1], **headers), press(link[1], **headers)):
            assert answer.status_code == 403
            assert SIGN_IN in answer.text
            assert "Sign in to get the file" in answer.text
            assert "essions" not in answer.text
            assert "sig=" not in answer.text


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ({"sub": "m", "roles": ["Manager"]}, 200),
        ({"sub": "boss", "roles": ["Admin"]}, 200),
        ({"sub": "other", "roles": ["Manager"]}, 403),
        ({"sub": "m", "roles": ["Viewer"]}, 403),
        ({"sub": "m", "roles": []}, 403),
        ({"sub": "m", "roles": ["Admin"], "tid": "globex"}, 403),
    ],
    ids=str,
)
def test_the_file_is_for_those_who_may_see_the_export(
    app_service: Service, link: tuple[str, str], who: dict[str, Any], status: int
) -> None:
    """Who asked for it, and Admins of the tenant; others learn that it is for somebody else, and how to sign out."""
    headers = {"X_MS_CLIENT_PRINCIPAL": principal(**who)}
    seen, pressed = look(link[1], **headers), press(link[1], **headers)
    assert (seen.status_code, pressed.status_code) == (status, status)
    if status == 403:
        assert 'href="/.auth/logout?post_logout_redirect_uri=%2Fapi%2Fd"' in pressed.text
        assert "for somebody else" in pressed.text
    else:
        assert requests.get(pressed.json()["url"], timeout=30).status_code == 200
        query = f"/ops/audit?exportId={link[0]}&action=downloaded&user={who['sub']}"
        (entry,) = app_service.get(query, X_MS_CLIENT_PRINCIPAL=principal()).json()["items"]
        assert re.fullmatch("link [0-9a-f]{64}", entry["subject"])


def test_who_was_offboarded_gets_a_page_too(app_service: Service, link: tuple[str, str]) -> None:
    """The same as somebody else, though they were an Admin and their session is good."""
    headers = {"X-MS-CLIENT-PRINCIPAL": principal(sub="boss")}
    assert (
        requests.post(f"{app_service.api}/users/out/offboard", json={}, headers=headers, timeout=30).status_code == 200
    )
    for answer in [act(link[1], X_MS_CLIENT_PRINCIPAL=principal(sub="out")) for act in (look, press)]:
        assert (answer.status_code, "for somebody else" in answer.text) == (403, True)


def test_a_rule_lets_links_work_without(app_service: Service) -> None:
    """Of one type of one tenant; all others ask."""
    who = {"sub": "g", "tid": "globex", "email": "g@globex.example"}
    _, free = mailed(app_service, "sessions", **who)
    assert (look(free).status_code, press(free).status_code) == (200, 200)
    _, asks = mailed(app_service, "users", **who)
    assert (look(asks).status_code, press(asks).status_code) == (403, 403)


def test_unsubscribing_never_asks_for_sign_in(app_service: Service, link: tuple[str, str]) -> None:
    """RFC 8058: one POST, by a mail program that has no session."""
    mails = [path.read_bytes() for path in (app_service.home / "outbox").glob("*.eml")]
    headers = [message_from_bytes(mail, policy=policy.default) for mail in mails]
    url = next(str(mail["List-Unsubscribe"]) for mail in headers if "m@acme.example" in str(mail["To"]))
    answer = requests.post(here(app_service, url.strip("<>")), data={"List-Unsubscribe": "One-Click"}, timeout=30)
    assert (answer.status_code, "no more mails" in answer.text) == (200, True)
