"""The mails: the facts in every language, and nothing that a fact could smuggle in."""

from dataclasses import asdict, fields, replace
from html.parser import HTMLParser
from typing import Any

import pytest

from shared.notifications.channels.base import Message
from shared.notifications.mail.mime import mail_of
from shared.notifications.templates.catalogues import LANGUAGES
from shared.notifications.templates.mails import SAMPLES, Facts, MailKind, words
from shared.notifications.templates.pages import page

SAMPLE = SAMPLES["completed"]

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</p></td></table><h1>You have won</h1>",
    "{{ 7 * 7 }}{% raw %}",
    "%(title)s %s %%",
    "x\r\nBcc: everybody@example.com\r\n\r\n<b>body</b>",
    "x\nX-Evil: 1",
    "a\u2028b\u0085Bcc: c",
    "\u202etxt.exe\u202c",
    "\x00\x07\x1b[31m",
    "=?utf-8?q?=0D=0ABcc=3A_everybody=40example.com?=",
    "javascript:alert(1)//",
)
FIELDS = [f.name for f in fields(Facts) if f.type == "str" or f.type is str if f.name != "time_zone"]
LINES = "lines"
"""A field too: a tuple of texts."""
CASES = [(k, f) for k, facts in SAMPLES.items() for f in (*FIELDS, LINES) if getattr(facts, f)]


def with_text(facts: Facts, field: str, text: str) -> Facts:
    """The facts with this text in a field."""
    return replace(facts, lines=(text, *facts.lines[1:])) if field == LINES else replace(facts, **{field: text})


class Skeleton(HTMLParser):
    """The tags of a page with the names of their attributes, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[Any] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, [name for name, _ in attrs]))
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize(("kind", "field"), CASES)
def test_no_fact_breaks_out_of_its_place(kind: MailKind, locale: str, field: str) -> None:
    """Through every field, in every language: the same tags, headers and lines as with a harmless one."""
    facts = SAMPLES[kind]
    harmless = words(kind, facts, locale)
    skeleton, lines = Skeleton(harmless.html), len(harmless.text.splitlines())
    headers = mail(harmless).keys()
    for text in HOSTILE:
        told = words(kind, with_text(facts, field, text), locale)
        assert Skeleton(told.html).tags == skeleton.tags
        assert len(told.text.splitlines()) == lines
        made = mail(told)
        assert made.keys() == headers
        assert made["To"] == "ada@acme.example"
        assert len(told.subject.splitlines()) == len(told.summary.splitlines()) == 1
        assert not set("\x00\x07\x1b\u202e\u2028\x85") & set(told.subject + told.text + told.html + told.summary)
        if field not in ("link", "unsubscribe"):
            assert Skeleton(told.html).links == skeleton.links


def mail(told: Any) -> Any:
    """The mail that goes out."""
    return mail_of(
        Message("op", "ada@acme.example", "Ada", told.subject, told.text, told.html, unsubscribe=SAMPLE.unsubscribe),
        "exports@acme.example",
    )


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("reason", ["failed", "running", "cancelled", "expired"])
def test_no_fact_breaks_out_of_a_page(locale: str, reason: str) -> None:
    """Neither on the page with the button nor on that without."""
    values = {**asdict(SAMPLE), "reason": reason, "error": "e", "by_form": True, "sign_in": "", "sign_out": ""}
    for name in ("landing", "no-file"):
        skeleton = Skeleton(page(name, values, locale)).tags
        for text in HOSTILE:
            hostile = values | {"title": text, "error": text, "file_name": text}
            assert Skeleton(page(name, hostile, locale)).tags == skeleton


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("kind", SAMPLES)
def test_a_mail_holds_the_facts(kind: MailKind, locale: str) -> None:
    """In both halves; one button if there is a link, and nothing that is loaded from elsewhere."""
    facts = SAMPLES[kind]
    told = words(kind, facts, locale)
    seen = Skeleton(told.html)
    for half in (told.text, "".join(seen.text)):
        for fact in (facts.name, facts.title, facts.file_name, facts.error, facts.listing, *facts.lines):
            assert fact in half
    assert seen.links == [link for link in (facts.link, facts.unsubscribe) if link]
    assert facts.link in told.text
    assert facts.unsubscribe in told.text
    assert (facts.title or str(facts.count)) in told.subject
    assert not {tag for tag, *_ in (t for t in seen.tags if isinstance(t, tuple))} & {"img", "script", "link", "iframe"}
    assert ("Europe/Paris" in told.text) is bool(facts.expires_at)
    assert all(len(line) <= 998 for line in told.html.splitlines())


def test_a_row_is_a_row() -> None:
    """The plural is the language's."""
    texts = {locale: words("completed", replace(SAMPLE, rows=1), locale).text for locale in LANGUAGES}
    assert [w in texts[n] for n, w in zip(LANGUAGES, ("1 row,", "1 Zeile,", "1 fila,", "1 ligne,"), strict=True)] == [
        True
    ] * 4


def test_an_alert_counts_its_failures() -> None:
    """The plural is the language's here, too."""
    subjects = [
        words("alert", replace(SAMPLES["alert"], count=n), locale).subject for locale in LANGUAGES for n in (1, 2)
    ]
    assert subjects == [
        "1 export failed for good",
        "2 exports failed for good",
        "1 Export ist endgültig fehlgeschlagen",
        "2 Exporte sind endgültig fehlgeschlagen",
        "1 exportación ha fallado definitivamente",
        "2 exportaciones han fallado definitivamente",
        "1 export a définitivement échoué",
        "2 exports ont définitivement échoué",
    ]
