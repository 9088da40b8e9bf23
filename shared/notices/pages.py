"""The pages that links in mails lead to: one template each, run by nothing and loading nothing."""

from collections.abc import Mapping
from typing import Any

from shared.notices.catalogues import locale_for
from shared.notices.rendering import environment, one_line


def page(name: str, values: Mapping[str, Any], locale: str) -> str:
    """The page ``name`` in a locale."""
    template = environment(locale_for(locale), html=True).get_template(f"{name}.jinja")
    return template.render({n: one_line(v) if isinstance(v, str) else v for n, v in values.items()})


def preferred_locale(accept_language: str) -> str:
    """The first locale of an ``Accept-Language`` header (RFC 9110, section 12.5.4) as browsers send it.

    >>> preferred_locale("fr-CH, fr;q=0.9, en;q=0.8")
    'fr-CH'
    """
    return accept_language.partition(",")[0].partition(";")[0].strip()
