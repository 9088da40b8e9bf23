"""The interface of a notification channel, and the message that every channel is given."""

from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID, uuid5

_OPERATIONS = UUID("6f0c7a52-3a57-5d0e-9d4c-6d0b3f1c8e21")


@dataclass(frozen=True)
class Message:
    """One message to one person. ``operation_id`` is the same for the same (export, recipient, kind), for ever."""

    operation_id: str
    recipient: str
    recipient_name: str
    subject: str
    text: str
    html: str


Receipt = Literal["sent", "already sent"]


class Channel(Protocol):
    """Delivers messages."""

    name: str

    def send(self, export_id: str, kind: str, message: Message) -> Receipt:
        """Deliver once. Raises ``TransientError`` when trying again may help, ``PermanentError`` when it cannot."""
        ...


def operation_id(export_id: str, recipient: str, kind: str) -> str:
    """The id under which a message is sent, however often sending is tried: a version 5 UUID (RFC 9562)."""
    return str(uuid5(_OPERATIONS, f"{export_id}\n{recipient}\n{kind}"))
