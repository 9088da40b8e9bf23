"""The mails, and the words of the other channels: one template for each kind of news."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal

from shared.notifications.channels.base import Message, operation_id
from shared.notifications.policy import Kind
from shared.notifications.templates.catalogues import locale_for
from shared.notifications.templates.rendering import block, environment, one_line

MailKind = Kind | Literal["schedule-stopped", "webhook-disabled", "webhook-passed", "owner-left", "alert"]
"""What mails are about: exports, what was done to something of somebody's, and what operators are to know."""


@dataclass(frozen=True)
class Facts:
    """What templates may use. Without ``file_name`` there is no file, without ``expires_at`` no end, and so on.

    ``title`` is that of what the mail is about; ``lines`` are listed, and ``listing`` is where all of them are.
    """

    name: str
    title: str = ""
    link: str = ""
    unsubscribe: str = ""
    time_zone: str = "UTC"
    file_name: str = ""
    rows: int = 0
    bytes: int = 0
    expires_at: datetime | None = None
    error: str = ""
    count: int = 0
    listing: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Words:
    """The same news as a line, as a sentence, as plain text and as HTML."""

    subject: str
    summary: str
    text: str
    html: str


def words(kind: MailKind, facts: Facts, locale: str) -> Words:
    """Put the news into words of this locale. No fact can break out of its line, and none is markup."""
    values = {n: one_line(v) if isinstance(v, str) else v for n, v in asdict(facts).items()}
    values["error"] = values["error"].rstrip(".")
    values["lines"] = [one_line(line) for line in facts.lines]
    language = locale_for(locale)
    plain = environment(language, html=False).get_template(f"{kind}.jinja")
    rich = environment(language, html=True).get_template(f"{kind}.jinja")
    lead = block(plain, "lead", values)
    return Words(
        subject=block(plain, "subject", values),
        summary=lead[:1].upper() + lead[1:],
        text=plain.render(layout="layout.txt", **values),
        html=rich.render(layout="layout.html", **values),
    )


def mail(kind: MailKind, facts: Facts, locale: str, recipient: str, *, notice: str, about: str) -> Message:
    """The mail with this news to the person of the facts; ``notice`` tells it from all other about the same thing."""
    told = words(kind, facts, locale)
    return Message(
        operation_id=operation_id(notice, recipient, kind),
        recipient=recipient,
        recipient_name=facts.name,
        subject=told.subject,
        text=told.text,
        html=told.html,
        summary=told.summary,
        export_id=about,
        kind=kind,
    )


_COMPLETED = Facts(
    name="Ada Lindqvist",
    title="Sessions",
    link="https://exports.example.com/api/d#sample",
    unsubscribe="https://exports.example.com/api/unsubscribe/sample",
    time_zone="Europe/Paris",
    file_name="Sessions de janvier – été.csv",
    rows=1_000_000,
    bytes=201_959_438,
    expires_at=datetime(2026, 3, 9, 8, 5, tzinfo=UTC),
)

SAMPLES: Mapping[MailKind, Facts] = {
    "completed": _COMPLETED,
    "failed": Facts(
        name=_COMPLETED.name,
        title=_COMPLETED.title,
        link=_COMPLETED.link,
        unsubscribe=_COMPLETED.unsubscribe,
        error="part 3 of 20 failed 6 times: the database cannot be reached",
    ),
    "expiring": _COMPLETED,
    "schedule-stopped": Facts(_COMPLETED.name, "New sessions, every morning", error="5 runs failed in a row"),
    "webhook-disabled": Facts(_COMPLETED.name, "hooks.example.com", error="the receiver answered 410 Gone"),
    "webhook-passed": Facts(_COMPLETED.name, "hooks.example.com", error="its owner has left"),
    "owner-left": Facts(_COMPLETED.name, "New sessions, every morning", error="its owner was offboarded"),
    "alert": Facts(
        "Operators",
        count=2,
        listing="https://exports.example.com/api/ops/dead-letters",
        lines=("0ab (acme, sessions, source): the database cannot be reached", "0cd (globex, users, worker): lost"),
    ),
}
"""For the preview of the mails in dev mode: one of each."""
