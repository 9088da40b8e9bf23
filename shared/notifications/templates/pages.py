"""The pages that links in mails lead to: one template each, loading nothing, and run by no script but one.

That script, and the style, are pinned by their hashes in the pages' policy: what anybody smuggles into a page does not
run (Content Security Policy Level 3, section 6.7.3).
"""

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from shared.notifications.templates.catalogues import locale_for
from shared.notifications.templates.rendering import asset, environment, one_line


def page(name: str, values: Mapping[str, Any], locale: str) -> str:
    """The page ``name`` in a locale."""
    template = environment(locale_for(locale), html=True).get_template(f"{name}.jinja")
    return template.render({n: one_line(v) if isinstance(v, str) else v for n, v in values.items()})


def policy(*, script: bool = False, forms: bool = False) -> str:
    """The Content-Security-Policy of a page that has the script of a mail's link, or a form, or neither.

    The answer to a form may redirect to the storage account, so that where forms lead cannot be named beforehand.
    """
    rules = ["default-src 'none'", f"style-src '{_hash('page.css')}'", "base-uri 'none'", "frame-ancestors 'none'"]
    if script:
        rules += [f"script-src '{_hash('link.js')}'", "connect-src 'self'"]
    if not forms:
        rules.append("form-action 'none'")
    return "; ".join(rules)


def preferred_locale(accept_language: str) -> str:
    """The first locale of an ``Accept-Language`` header (RFC 9110, section 12.5.4) as browsers send it.

    >>> preferred_locale("fr-CH, fr;q=0.9, en;q=0.8")
    'fr-CH'
    """
    return accept_language.partition(",")[0].partition(";")[0].strip()


def _hash(name: str) -> str:
    return f"sha256-{b64encode(sha256(asset(name).encode()).digest()).decode()}"
