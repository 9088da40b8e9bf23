"""Locales: the decimal sign of each, as the Unicode CLDR has it."""

import pytest
from babel import Locale, localedata

from shared.locales import canonical, decimal_comma

LOCALES = [
    locale
    for locale in map(Locale.parse, localedata.locale_identifiers())
    if len(locale.language) == 2 and not locale.script and not locale.variant
]


@pytest.mark.parametrize("separator", ["-", "_"])
def test_the_decimal_sign_is_that_of_the_cldr(separator: str) -> None:
    """For every language of two letters, in every region."""
    wrong = []
    for locale in LOCALES:
        tag = separator.join(filter(None, (locale.language, locale.territory)))
        expected = locale.number_symbols["latn"]["decimal"] if "latn" in locale.number_symbols else "."
        if decimal_comma(tag) != (expected == ","):
            wrong.append(tag)
    assert wrong == []
    assert len(LOCALES) > 300


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        ("en", ("en", "")),
        ("FR_ca", ("fr", "CA")),
        ("zh-Hant-TW", ("zh", "TW")),
        ("es-419", ("es", "419")),
        ("", ("", "")),
        ("x", ("x", "")),
    ],
)
def test_a_locale_is_a_language_and_a_region(locale: str, expected: tuple[str, str]) -> None:
    """In the usual case, however it was written."""
    assert canonical(locale) == expected
