"""The local outbox: each mail is an ``.eml`` file in a folder, for development and tests."""

from collections.abc import Iterator
from datetime import UTC
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

from shared.notifications.channels.base import Message
from shared.notifications.mail.mime import mail_of


class Outbox:
    """A folder of mails. The file's name is the operation id, so the same mail is there once."""

    def __init__(self, folder: str, sender: str) -> None:
        self._folder = Path(folder)
        self._sender = sender

    def send(self, message: Message, *, tried_before: bool) -> None:
        """See ``Transport.send``."""
        mail = mail_of(message, self._sender)
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = self._folder / f"{message.operation_id}.part"
        unfinished.write_bytes(bytes(mail))
        unfinished.replace(self._folder / f"{message.operation_id}.eml")

    def mails(self) -> list[dict[str, Any]]:
        """What ``GET /dev/outbox`` lists, oldest first: to, subject, operationId, time, text, html."""
        return sorted(self._read(), key=lambda mail: str(mail["time"]))

    def clear(self) -> None:
        """Empty the outbox."""
        for path in self._folder.glob("*.eml"):
            path.unlink(missing_ok=True)

    def _read(self) -> Iterator[dict[str, Any]]:
        for path in self._folder.glob("*.eml"):
            mail = message_from_bytes(path.read_bytes(), policy=policy.default)
            text, html = mail.get_body(("plain",)), mail.get_body(("html",))
            yield {
                "to": str(mail["To"]),
                "subject": str(mail["Subject"]),
                "operationId": str(mail["X-Operation-Id"]),
                "time": mail["Date"].datetime.astimezone(UTC).isoformat().replace("+00:00", "Z"),
                "text": text.get_content() if text else "",
                "html": html.get_content() if html else "",
            }
