"""Telling owners what was done to something of theirs: a schedule that was stopped, a webhook that was disabled.

The row of the thing names what its owner was not told yet (``notice``); whoever finds one tells it and takes it off.
Nothing goes to an owner who was offboarded: the Admins of the tenant hear it, as far as they are known.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from shared.errors import PermanentError, TransientError
from shared.identity.mail_address import mail_address
from shared.notifications.templates.mails import Facts, MailKind, mail
from shared.observability.logging import logger
from shared.services import Services


@dataclass(frozen=True)
class News:
    """What was done to the thing of this id, and why. ``owner``: as ``Caller.to_json``; ``title``: what they call it.

    ``notice`` tells this news from all other of the same thing.
    """

    kind: Literal["schedule-stopped", "webhook-disabled", "webhook-passed"]
    id: str
    tenant: str
    notice: str
    owner: Mapping[str, Any]
    title: str
    reason: str


_MOST_TOLD = 20
"""Admins who hear of one thing: those who called last."""

Notice = Callable[[News, Services], None]
"""``notice(news, context)``: tell it; may be called again with the same."""


def log_notice(news: News, context: Services) -> None:
    """A line in the application's log."""
    thing, done = news.kind.split("-")
    extra = {"action": news.kind, thing: news.id, "tenant": news.tenant}
    message = "%s %s of %s (owner %s) was %s: %s"
    logger.warning(message, thing, news.id, news.tenant, news.owner["user"], done, news.reason, extra=extra)


def mail_notice(news: News, context: Services) -> None:
    """A mail to everybody who is to hear of it, in their language, when an address is known that mail can go to."""
    kind: MailKind = news.kind
    people: Sequence[Mapping[str, Any]] = (news.owner,)
    if context.people.has_left(news.tenant, str(news.owner["user"])):
        kind, people = "owner-left", [admin.caller for admin in context.people.admins(news.tenant)][:_MOST_TOLD]
    for person in people:
        if to := mail_address(str(person["email"])):
            facts = Facts(str(person["name"]), news.title, error=news.reason)
            told = mail(kind, facts, str(person["locale"]), to, notice=news.notice, about=news.id)
            context.delivery.send("email", told)


NOTICES: tuple[Notice, ...] = (log_notice, mail_notice)
"""How owners are told, one after the other."""


def tell(news: News, context: Services) -> bool:
    """Tell the owner; False when that is to be tried again. Raises ``StorageUnavailable``."""
    try:
        for notice in NOTICES:
            notice(news, context)
    except TransientError as error:
        logger.warning("%s: %s", news.id, error, extra={"action": "notice-not-sent"})
        return False
    except PermanentError as error:
        logger.warning("%s: %s", news.id, error, extra={"action": "notice-refused"})
    return True
