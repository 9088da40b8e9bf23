"""A link to an export of a type that asks for sign-in, where App Service authentication does not sign people in."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import azure.functions as func
import pytest

import exports
from demo.azurite_server import Azurite
from exports.sessions import SESSIONS
from shared.audit.recorder import begin
from shared.identity.caller import demo_caller, dev_token
from shared.jobs.records import ExportRecord
from shared.services import Services
from tests.in_process import services_on
from triggers.http.link_access import BY_LINK, Found, Target, find, no_file_page

TARGET = Target("acme", "e1", 1, "0" * 64, revoked=False)


@pytest.fixture(scope="module")
def context(azurite: Azurite) -> Iterator[Services]:
    """The services, with an export of ada's that has a file."""
    with services_on(azurite) as found:
        asked: dict[str, Any] = {
            "request": {"body": '{"exportType":"sessions"}'},
            "caller": demo_caller("ada").to_json(),
        }
        record = ExportRecord("acme", "e1", "sessions", "csv", "Completed", "ada", "2026-01-01T00:00:00.000Z", **asked)
        found.records.create(replace(record, expires_at="2099-01-01T00:00:00.000Z"))
        yield found


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions ask for sign-in."""
    monkeypatch.setattr(exports, "EXPORT_TYPES", [replace(SESSIONS, links_require_sign_in=True)])


def found(**headers: str) -> tuple[Found, str]:
    """What the link leads to, and the page that says why there is no file."""
    sent = {"Host": "127.0.0.1:7071", **headers}
    request = func.HttpRequest("POST", "http://127.0.0.1:7071/api/link", headers=sent, body=b"")
    begin("seen", request, "r-1")
    answer = asyncio.run(find(request, lambda _: TARGET))
    page = no_file_page(answer, request).get_body().decode() if answer.reason else ""
    return answer, page


def test_a_link_gives_its_file_where_nothing_asks_for_sign_in(context: Services) -> None:
    """By the setting and by the type."""
    answer, _ = found()
    assert (answer.reason, answer.who) == ("", BY_LINK)


@pytest.mark.usefixtures("asking")
def test_a_type_that_asks_for_sign_in_is_closed_where_nobody_can(context: Services) -> None:
    """The page says where to sign in, in words; there is no address for it."""
    answer, page = found()
    assert (answer.reason, answer.record) == ("sign-in", None)
    assert "This link gives no file. Sign in where you asked for the export" in page
    assert "href" not in page


@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize(("user", "reason"), [("ada", ""), ("vic", "forbidden"), ("bea", "forbidden")])
def test_a_front_end_can_send_who_is_signed_in(context: Services, user: str, reason: str) -> None:
    """With the token that the service takes everywhere: whoever may see the export gets the file."""
    token = dev_token(user, context.settings)
    answer, _ = found(Authorization=f"Bearer {token}")
    assert answer.reason == reason
    assert reason or answer.who == demo_caller("ada").name
