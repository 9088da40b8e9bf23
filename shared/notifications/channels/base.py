"""The interface of a notification channel, and the message that every channel is given."""

from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID, uuid5

from shared.identity.caller import Caller

_OPERATIONS = UUID("6f0c7a52-3a57-5d0e-9d4c-6d0b3f1c8e21")


@dataclass(frozen=True)
class Message:
    """One message to one person. ``operation_id`` is the same for the same (export, recipient, kind), for ever.

    ``text`` and ``html`` say all of it, ``summary`` is one sentence for channels with little room; ``link`` is where
    its button leads, ``unsubscribe`` turns mail off (RFC 8058). ``at``: when what it tells happened (ISO-8601 UTC).
    """

    operation_id: str
    recipient: str
    recipient_name: str
    subject: str
    text: str
    html: str
    summary: str = ""
    link: str = ""
    unsubscribe: str = ""
    tenant: str = ""
    user: str = ""
    export_id: str = ""
    kind: str = ""
    at: str = ""


Receipt = Literal["sent", "already sent"]


class Channel(Protocol):
    """Delivers messages. ``title`` names it in sentences; ``waits``: only once the grace time is over."""

    title: str
    waits: bool

    def address(self, person: Caller) -> str:
        """Where this person is reached; empty when that is not known."""
        ...

    def send(self, message: Message, *, tried_before: bool) -> None:
        """Return when the message is accepted. ``tried_before``: an earlier try began, and its end is not known.

        Raises ``TransientError`` when trying again may help, ``PermanentError`` when it cannot.
        """
        ...


def operation_id(export_id: str, recipient: str, kind: str) -> str:
    """The id under which a message is sent, however often sending is tried: a version 5 UUID (RFC 9562)."""
    return str(uuid5(_OPERATIONS, f"{export_id}\n{recipient}\n{kind}"))
