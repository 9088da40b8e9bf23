"""A mail server: a real one, which takes what it is given or fails as it is told to."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from demo.processes import free_port
from shared.notifications.channels.base import Message
from shared.notifications.mail import smtp
from shared.notifications.mail.base import MailNotAccepted, MailRefused
from shared.notifications.mail.smtp import MailServer

MESSAGE = Message(
    operation_id="9b1d5523-401e-593a-a426-7a53af23571f",
    recipient="ada@acme.example",
    recipient_name="Ada Lovelace",
    subject="Votre export « Séances » est prêt",
    text="Bonjour Ada\n.\nfin",
    html="<p>Bonjour Ada</p>",
    unsubscribe="https://exports.acme.example/api/unsubscribe/" + "x" * 200,
)


@dataclass
class Mailbox:
    """What the server has taken, and its answers to the next commands."""

    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    to_recipient: str = "250 OK"
    to_data: str = "250 OK"

    async def handle_RCPT(  # noqa: N802 - the name that the library calls
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if self.to_recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.to_recipient

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - likewise
        if self.to_data.startswith("250"):
            self.mails.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
            self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        return self.to_data


@pytest.fixture
def mailbox() -> Mailbox:
    """Of the server."""
    return Mailbox()


@pytest.fixture
def certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A certificate for the server, of an authority that we trust."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


Serve = Callable[..., int]


@pytest.fixture
def serve(mailbox: Mailbox) -> Iterator[Serve]:
    """Start the server; gives its port."""
    with ExitStack() as stack:

        def begin(**options: Any) -> int:
            controller = Controller(mailbox, hostname="127.0.0.1", port=free_port(), **options)
            controller.start()
            stack.callback(controller.stop)
            return int(controller.port)

        yield begin


def send(url: str) -> None:
    """The message, through the server at this address."""
    MailServer(url, "exports@acme.example").send(MESSAGE, tried_before=False)


def test_a_mail_as_the_server_gets_it(mailbox: Mailbox, serve: Serve) -> None:
    """One recipient; both halves; a Message-ID that a repetition has too; long URLs as they are."""
    url = f"smtp://127.0.0.1:{serve()}"
    send(url)
    send(url)
    assert mailbox.envelopes == [("exports@acme.example", ["ada@acme.example"])] * 2
    first, second = mailbox.mails
    assert first["Message-ID"] == second["Message-ID"] == f"<{MESSAGE.operation_id}@acme.example>"
    assert (first["Subject"], first["Auto-Submitted"]) == (MESSAGE.subject, "auto-generated")
    assert first["List-Unsubscribe"] == f"<{MESSAGE.unsubscribe}>"
    assert first["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    plain, rich = first.get_body(("plain",)), first.get_body(("html",))
    assert plain is not None
    assert rich is not None
    assert plain.get_content().splitlines() == ["Bonjour Ada", ".", "fin"]
    assert rich.get_content().strip() == MESSAGE.html


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # the library overlooks TLS from the start
def test_user_and_password_go_through_tls_only(
    mailbox: Mailbox, serve: Serve, certified: ssl.SSLContext, scheme: str
) -> None:
    """Checked against the server's certificate; a wrong password may be mended, so the mail is tried again."""

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        return AuthResult(success=(given.login, given.password) == (b"ex port", b"p@ss/w:rd"), handled=False)

    options: dict[str, Any] = {"authenticator": check, "auth_required": True}
    if scheme == "smtps":
        options |= {"ssl_context": certified, "auth_require_tls": False}
    else:
        options |= {"tls_context": certified, "require_starttls": True}
    port = serve(**options)
    send(f"{scheme}://ex%20port:p%40ss%2Fw%3Ard@127.0.0.1:{port}")
    assert len(mailbox.mails) == 1
    with pytest.raises(MailNotAccepted, match="does not take the user and password") as told:
        send(f"{scheme}://export:hunter2@127.0.0.1:{port}")
    assert "hunter2" not in str(told.value)


def test_a_server_whose_certificate_nobody_vouches_for_gets_nothing(
    mailbox: Mailbox, serve: Serve, certified: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the mail nor the password."""
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(MailNotAccepted, match="cannot be reached"):
        send(f"smtp+starttls://u:p@127.0.0.1:{serve(tls_context=certified)}")
    assert mailbox.mails == []


def test_a_server_without_starttls_gets_nothing(mailbox: Mailbox, serve: Serve) -> None:
    """It is not sent without encryption instead."""
    with pytest.raises(MailRefused, match="STARTTLS"):
        send(f"smtp+starttls://u:p@127.0.0.1:{serve()}")
    assert mailbox.mails == []


@pytest.mark.parametrize("where", ["to_recipient", "to_data"])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("451 later", MailNotAccepted),
        ("452 full", MailNotAccepted),
        ("550 unknown", MailRefused),
        ("554 no", MailRefused),
    ],
)
def test_4yz_may_pass_and_5yz_does_not(
    mailbox: Mailbox, serve: Serve, where: str, answer: str, error: type[Exception]
) -> None:
    """RFC 5321, section 4.2.1."""
    setattr(mailbox, where, answer)
    with pytest.raises(error, match=answer[:3]):
        send(f"smtp://127.0.0.1:{serve()}")
    assert mailbox.mails == []


def test_a_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait ends after 30 s."""
    assert smtp.TIMEOUT == 30
    monkeypatch.setattr(smtp, "TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(MailNotAccepted, match="does not answer"):
            send(f"smtp://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(MailNotAccepted, match="does not answer"):
            send(f"smtps://127.0.0.1:{silent.getsockname()[1]}")


def test_a_server_that_is_away() -> None:
    """May come back."""
    with pytest.raises(MailNotAccepted, match="cannot be reached"):
        send("smtp://127.0.0.1:9")
