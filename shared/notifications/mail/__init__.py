"""How mail leaves the house: one file for each transport, and the list of them."""

from collections.abc import Callable, Mapping

from shared.notifications.mail.base import Transport
from shared.notifications.mail.eml_folder import Outbox
from shared.notifications.mail.smtp import MailServer
from shared.settings import Settings


def _acs(settings: Settings) -> Transport:
    from shared.notifications.mail import acs

    if settings.acs_connection_string:
        return acs.with_key(settings.acs_connection_string, settings.mail_from)
    return acs.by_identity(settings)


TRANSPORTS: Mapping[str, Callable[[Settings], Transport]] = {
    "acs": _acs,
    "smtp": lambda settings: MailServer(settings.smtp_url, settings.mail_from),
    "outbox": lambda settings: Outbox(settings.mail_outbox_dir, settings.mail_from),
}


def transport_for(settings: Settings) -> Transport:
    """The transport that ``MAIL_TRANSPORT`` names."""
    return TRANSPORTS[settings.mail_transport](settings)
