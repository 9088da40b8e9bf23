"""In-app notifications: a row that ``GET /notifications`` lists."""

from azure.data.tables import TableServiceClient

from shared.identity.caller import Caller
from shared.notifications.channels.base import Message
from shared.notifications.inbox import Notification, Notifications, notification_id


class InAppChannel:
    """Tells at once: reading it is what makes the mail unnecessary."""

    title = "in-app notification"
    waits = False

    def __init__(self, tables: TableServiceClient) -> None:
        self._notifications = Notifications(tables)

    def address(self, person: Caller) -> str:
        """See ``Channel.address``."""
        return person.user

    def send(self, message: Message, *, tried_before: bool) -> None:
        """See ``Channel.send``; the row's name is made of the message, so that a repetition writes the same one."""
        told = Notification(
            notification_id(message.at, message.operation_id),
            message.kind,
            message.export_id,
            message.subject,
            message.summary,
            message.at,
        )
        self._notifications.add(message.tenant, message.user, told)
