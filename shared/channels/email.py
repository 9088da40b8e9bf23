"""E-mail: sent at most once for each operation id, through the transport that the settings name."""

from shared.channels.base import Message, Receipt
from shared.mail import transport_for
from shared.settings import Settings
from shared.storage.sent_mail import SentMail


class EmailChannel:
    """Remembers what was accepted, so that an activity that runs twice sends one mail."""

    name = "email"

    def __init__(self, settings: Settings, sent: SentMail) -> None:
        self._settings = settings
        self._sent = sent

    def send(self, export_id: str, kind: str, message: Message) -> Receipt:
        """See ``Channel.send``."""
        if self._sent.accepted(export_id, message.operation_id):
            return "already sent"
        transport_for(self._settings).send(
            message, tried_before=self._sent.begin(export_id, message.operation_id, kind)
        )
        self._sent.accept(export_id, message.operation_id)
        return "sent"

    def forget(self, export_id: str) -> None:
        """Forget what was sent for an export."""
        self._sent.delete(export_id)
