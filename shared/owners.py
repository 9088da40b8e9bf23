"""Telling owners what was done to something of theirs: a schedule that was stopped, a webhook that was disabled.

The row of the thing names what its owner was not told yet (``notice``); whoever finds one tells it and takes it off.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from shared.addresses import mail_address
from shared.app_log import logger
from shared.errors import PermanentError, TransientError
from shared.notices.mails import Facts, mail
from shared.services import Services


@dataclass(frozen=True)
class News:
    """What was done to the thing of this id, and why. ``owner``: as ``Caller.to_json``; ``title``: what they call it.

    ``notice`` tells this news from all other of the same thing.
    """

    kind: Literal["schedule-stopped", "webhook-disabled"]
    id: str
    tenant: str
    notice: str
    owner: Mapping[str, Any]
    title: str
    reason: str


Notice = Callable[[News, Services], None]
"""``notice(news, context)``: tell it; may be called again with the same."""


def log_notice(news: News, context: Services) -> None:
    """A line in the application's log."""
    thing, done = news.kind.split("-")
    extra = {"action": news.kind, thing: news.id, "tenant": news.tenant}
    message = "%s %s of %s (owner %s) was %s: %s"
    logger.warning(message, thing, news.id, news.tenant, news.owner["user"], done, news.reason, extra=extra)


def mail_notice(news: News, context: Services) -> None:
    """A mail in the owner's language, when an address is known that mail can go to."""
    if to := mail_address(str(news.owner["email"])):
        facts = Facts(str(news.owner["name"]), news.title, error=news.reason)
        told = mail(news.kind, facts, str(news.owner["locale"]), to, notice=news.notice, about=news.id)
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
