"""E-mail, through the transport that the settings name."""

from azure.data.tables import TableServiceClient

from shared.identity.caller import Caller
from shared.identity.mail_address import mail_address
from shared.notifications import mail
from shared.notifications.channels.base import Message
from shared.notifications.mail.base import MailRefused
from shared.notifications.mail.rate_limit import Pace
from shared.settings import Settings


class EmailChannel:
    """A mail waits until the grace time is over: who has fetched the file needs none."""

    title = "mail"
    waits = True

    def __init__(self, settings: Settings, tables: TableServiceClient) -> None:
        self._settings = settings
        self._pace = Pace(tables, settings.acs_mails_per_minute, settings.acs_mails_per_hour)

    def address(self, person: Caller) -> str:
        """See ``Channel.address``; a row of an older release may hold an address that mail cannot go to."""
        return mail_address(person.email)

    def send(self, message: Message, *, tried_before: bool) -> None:
        """See ``Channel.send``."""
        if mail_address(message.recipient) != message.recipient:
            raise MailRefused("the recipient's address is none that mail can be sent to")
        if self._settings.mail_transport == "acs":
            self._pace.take()
        mail.transport_for(self._settings).send(message, tried_before=tried_before)
