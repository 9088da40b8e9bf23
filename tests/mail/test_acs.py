"""Azure Communication Services: the real SDK against a server that fails in every way the service does."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from azure.data.tables import TableServiceClient

from demo.stack import bare_settings
from shared.notifications.channels.base import operation_id
from shared.notifications.channels.email import EmailChannel
from shared.notifications.mail import acs
from shared.notifications.mail.acs import AzureCommunicationServices
from shared.notifications.mail.base import MailNotAccepted, MailRefused
from shared.notifications.send_once import Delivery
from shared.notifications.sent_messages import SentMail
from shared.settings import Settings, settings_from
from tests.mail.fake_acs import MESSAGE, Answer, FakeAcs, fake_acs


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAcs]:
    """The mail service, willing at first."""
    authority = tmp_path / "authority.pem"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    with fake_acs(authority) as running:
        yield running


@pytest.fixture
def service(server: FakeAcs) -> AzureCommunicationServices:
    """Our transport, talking to it."""
    return acs.with_key(server.connection_string, "exports@acme.example")


def test_the_id_of_a_message_is_for_ever() -> None:
    """The service tells repetitions by it, so no release may change it; one for each recipient and kind."""
    assert MESSAGE.operation_id == "9b1d5523-401e-593a-a426-7a53af23571f"
    ids = {operation_id(e, r, k) for e in ("1", "2") for r in ("a", "b") for k in ("completed", "failed")}
    assert len(ids) == 8
    assert all(uuid.UUID(i).version == 5 for i in ids)


def test_a_message_as_the_service_gets_it(server: FakeAcs, service: AzureCommunicationServices) -> None:
    """Under its operation id, to one recipient, in text and HTML, without tracking, marked as made by a machine."""
    service.send(MESSAGE, tried_before=False)
    assert server.posts == [
        (
            MESSAGE.operation_id,
            {
                "senderAddress": "exports@acme.example",
                "recipients": {"to": [{"address": "ada@acme.example", "displayName": "Ada Lovelace"}]},
                "content": {"subject": MESSAGE.subject, "plainText": "Hello Ada", "html": "<p>Hello Ada</p>"},
                "headers": {
                    "Auto-Submitted": "auto-generated",
                    "List-Unsubscribe": "<https://exports.acme.example/api/unsubscribe/x>",
                    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
                },
                "userEngagementTrackingDisabled": True,
            },
        )
    ]
    assert server.asked == []


_PATIENT: list[Answer] = [
    (429, {"Retry-After": "1"}),
    (429, {"retry-after-ms": "50"}),
    (429, {"Retry-After": "1000000"}),
    (429, {"Retry-After": "soon"}),
]
_ASKED_FOR = dict(zip((str(a[1]) for a in _PATIENT if isinstance(a, tuple)), (1, 0.05, 3600, 0), strict=True))
"""How long we leave the service alone: an hour at most."""


@pytest.mark.parametrize("answer", [401, 408, 429, *_PATIENT, 500, 502, 503, 504, "drop"])
def test_what_may_pass_is_one_post(server: FakeAcs, service: AzureCommunicationServices, answer: Answer) -> None:
    """The SDK would repeat the POST by itself; we ask first, in the next try."""
    server.answers = [answer]
    with pytest.raises(MailNotAccepted, match="the mail service") as failed:
        service.send(MESSAGE, tried_before=False)
    assert len(server.posts) == 1
    assert failed.value.retry_after == (_ASKED_FOR[str(answer[1])] if isinstance(answer, tuple) else 0)

    service.send(MESSAGE, tried_before=True)
    assert server.asked == [MESSAGE.operation_id]
    assert len(server.posts) == (1 if answer == "drop" else 2)
    assert {operation for operation, _ in server.posts} == {MESSAGE.operation_id}


@pytest.mark.parametrize("status", [400, 403, 404, 413])
def test_what_will_not_pass_is_not_tried_again(
    server: FakeAcs, service: AzureCommunicationServices, status: int
) -> None:
    """A message the service refuses today it refuses tomorrow."""
    server.answers = [status]
    with pytest.raises(MailRefused, match=f"refuses the message with {status}"):
        service.send(MESSAGE, tried_before=False)


def test_a_service_that_never_answers(server: FakeAcs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait ends after the read time-out: 30 s, a tenth of the SDK's own."""
    assert acs._READ_TIMEOUT == 30
    monkeypatch.setattr(acs, "_READ_TIMEOUT", 0.3)
    service = acs.with_key(server.connection_string, "exports@acme.example")
    server.answers = ["hang"]
    with pytest.raises(MailNotAccepted, match="does not answer"):
        service.send(MESSAGE, tried_before=False)
    assert len(server.posts) == 1
    service.send(MESSAGE, tried_before=True)
    assert server.asked == [MESSAGE.operation_id]
    assert [operation for operation, _ in server.posts] == [MESSAGE.operation_id] * 2


def test_a_service_that_is_away() -> None:
    """Also when it is the question that fails: not asked is not sent."""
    away = acs.with_key("endpoint=https://127.0.0.1:9/;accesskey=YWJj", "exports@acme.example")
    for tried_before in (False, True):
        with pytest.raises(MailNotAccepted, match="cannot be reached"):
            away.send(MESSAGE, tried_before=tried_before)


def settings_for(server: FakeAcs) -> Settings:
    """The app's settings with this mail service."""
    return settings_from(
        {
            **bare_settings("UseDevelopmentStorage=true"),
            "MAIL_TRANSPORT": "acs",
            "ACS_CONNECTION_STRING": server.connection_string,
        }
    )


@pytest.mark.parametrize("failures", [[], ["drop"], [503], [429, 503, 401], [503, "drop"]], ids=str)
def test_a_channel_remembers_what_was_accepted(
    server: FakeAcs, tables: TableServiceClient, sent_mail: SentMail, failures: list[Answer]
) -> None:
    """However often the activity runs: accepted once, and no POST after that."""
    server.answers = list(failures)
    message = replace(MESSAGE, export_id="0001", kind="completed")
    delivery = Delivery({"email": EmailChannel(settings_for(server), tables)}, sent_mail)
    for _ in failures:
        with pytest.raises(MailNotAccepted):
            delivery.send("email", message)
    assert delivery.send("email", message) == "sent"
    posts = len(server.posts)
    assert posts == len(failures) + (0 if "drop" in failures else 1)

    assert delivery.send("email", message) == "already sent"
    assert len(server.posts) == posts
    assert {operation for operation, _ in server.posts} == {MESSAGE.operation_id}
