"""The local outbox: mails as files that any mail program opens."""

from email import message_from_bytes, policy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.notifications.channels.base import Message
from shared.notifications.mail.base import MailRefused
from shared.notifications.mail.eml_folder import Outbox

words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=80)


@given(subject=words.map(str.strip).filter(bool), text=words, html=words)
def test_any_mail_reads_back(tmp_path_factory: pytest.TempPathFactory, subject: str, text: str, html: str) -> None:
    """With another reader than the outbox's own list."""
    folder = tmp_path_factory.mktemp("outbox")
    Outbox(str(folder), "exports@acme.example").send(
        Message("op", "ada@acme.example", "Ada", subject, text, html), tried_before=False
    )
    (path,) = folder.iterdir()
    assert path.name == "op.eml"
    mail = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert (mail["To"], mail["From"]) == ("ada@acme.example", "exports@acme.example")
    assert " ".join(mail["Subject"].split()) == " ".join(subject.split())
    plain, rich = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert rich is not None
    assert plain.get_content().rstrip("\r\n") == text
    assert rich.get_content().rstrip("\r\n") == html


def test_the_same_mail_twice_is_there_once(tmp_path: Path) -> None:
    """An activity may run twice."""
    outbox = Outbox(str(tmp_path), "exports@acme.example")
    for _ in range(2):
        outbox.send(Message("op", "ada@acme.example", "Ada", "s", "t", "h"), tried_before=False)
    assert [mail["operationId"] for mail in outbox.mails()] == ["op"]
    outbox.clear()
    assert outbox.mails() == []


@pytest.mark.parametrize(
    ("recipient", "subject"),
    [
        ("ada@acme.example\r\nBcc: everybody@acme.example", "s"),
        ("ada@acme.example\nBcc: everybody@acme.example", "s"),
        ("ada@acme.example", "s\r\nBcc: everybody@acme.example"),
        ("ada@acme.example", "s\n\n<p>a body</p>"),
        ("ada@acme.example, everybody@acme.example", "s"),
        ("everybody: ada@acme.example, bea@globex.example;", "s"),
        ("", "s"),
        ("nobody", "s"),
    ],
)
def test_a_header_takes_one_value(tmp_path: Path, recipient: str, subject: str) -> None:
    """No second header, no second recipient, and nothing half-written."""
    outbox = Outbox(str(tmp_path), "exports@acme.example")
    with pytest.raises(MailRefused):
        outbox.send(Message("op", recipient, "Ada", subject, "t", "h"), tried_before=False)
    assert list(tmp_path.iterdir()) == []
