"""The mails, and the words of the other channels: one template for each kind of news."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from shared.notices.catalogues import locale_for
from shared.notices.rendering import block, environment, one_line
from shared.policy import Kind


@dataclass(frozen=True)
class Facts:
    """What templates may use. Without ``file_name`` there is no file, and without ``expires_at`` no end."""

    name: str
    title: str
    link: str
    unsubscribe: str
    time_zone: str = "UTC"
    file_name: str = ""
    rows: int = 0
    bytes: int = 0
    expires_at: datetime | None = None
    error: str = ""


@dataclass(frozen=True)
class Words:
    """The same news as a line, as a sentence, as plain text and as HTML."""

    subject: str
    summary: str
    text: str
    html: str


def words(kind: Kind, facts: Facts, locale: str) -> Words:
    """Put the news into words of this locale. No fact can break out of its line, and none is markup."""
    values = {n: one_line(v) if isinstance(v, str) else v for n, v in asdict(facts).items()}
    values["error"] = values["error"].rstrip(".")
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


SAMPLE = Facts(
    name="Ada Lindqvist",
    title="Sessions",
    link="https://exports.example.com/api/d/sample",
    unsubscribe="https://exports.example.com/api/unsubscribe/sample",
    time_zone="Europe/Paris",
    file_name="Sessions de janvier – été.csv",
    rows=1_000_000,
    bytes=201_959_438,
    expires_at=datetime(2026, 3, 9, 8, 5, tzinfo=UTC),
)
"""For the preview of the mails in dev mode."""

FAILED_SAMPLE = Facts(
    name=SAMPLE.name,
    title=SAMPLE.title,
    link=SAMPLE.link,
    unsubscribe=SAMPLE.unsubscribe,
    error="part 3 of 20 failed 6 times: the database cannot be reached",
)
