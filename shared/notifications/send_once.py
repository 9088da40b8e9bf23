"""Delivery: each message once, whatever the channel and however often the activity runs."""

from collections.abc import Mapping

from shared.notifications.channels.base import Channel, Message, Receipt
from shared.notifications.sent_messages import SentMail


class Delivery:
    """The channels, and the memory of what they have accepted."""

    def __init__(self, channels: Mapping[str, Channel], sent: SentMail) -> None:
        self.channels = channels
        self._sent = sent

    def send(self, channel: str, message: Message) -> Receipt:
        """Deliver once. Raises ``TransientError`` when trying again may help, ``PermanentError`` when it cannot."""
        if self.accepted(message):
            return "already sent"
        tried_before = self._sent.begin(message.export_id, message.operation_id, message.kind)
        self.channels[channel].send(message, tried_before=tried_before)
        self._sent.accept(message.export_id, message.operation_id)
        return "sent"

    def accepted(self, message: Message) -> bool:
        """Whether the message was delivered before."""
        return self._sent.accepted(message.export_id, message.operation_id)

    def forget(self, export_id: str) -> None:
        """Forget what was sent for an export."""
        self._sent.delete(export_id)
