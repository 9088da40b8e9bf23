"""Templates: Jinja2, strict about names, escaping everything in HTML and nothing in plain text."""

import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from shared.notifications.templates import catalogues

if TYPE_CHECKING:
    from babel import Locale
    from jinja2 import Environment, Template

FOLDER = Path(__file__).parent / "jinja"

_TURNS = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
"""Characters that change the direction of writing (UAX 9), and the byte order mark."""


@cache
def environment(locale: "Locale", *, html: bool) -> "Environment":
    """Templates in a locale. ``html``: whatever is filled in is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=html,  # noqa: S701 - plain text has nothing to escape
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_translations(  # type: ignore[attr-defined]  # the extension adds it
        catalogues.translations(locale.language), newstyle=True
    )
    made.globals |= {
        "language": str(locale).replace("_", "-"),
        "style": Markup(asset("page.css")),  # noqa: S704 - our own file
        "script": Markup(asset("link.js")),  # noqa: S704
    }
    made.filters |= {
        "number": lambda value: catalogues.number(value, locale),
        "size": lambda value: catalogues.size(value, locale),
        "moment": lambda value, zone: catalogues.moment(value, zone, locale),
    }
    return made


@cache
def asset(name: str) -> str:
    """The style or the script of pages, byte for byte as it stands in them."""
    return (FOLDER / name).read_text(encoding="utf-8").strip()


def block(template: "Template", name: str, values: Mapping[str, Any]) -> str:
    """One block of a template, as one line."""
    return one_line("".join(template.blocks[name](template.new_context(dict(values)))))


def one_line(text: str) -> str:
    """A text that fits a header or a sentence: no line breaks, no control characters, nothing that turns the writing.

    >>> one_line("a\\r\\nBcc: b\\u202ec")
    'a Bcc: bc'
    """
    kept = (c for c in " ".join(text.split()) if c not in _TURNS and unicodedata.category(c) not in ("Cc", "Cs"))
    return " ".join("".join(kept).split())
