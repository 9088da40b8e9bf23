"""Languages: gettext catalogues, read from their ``.po`` files as they are, and the CLDR's way to write figures."""

from datetime import datetime
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from shared.locales import canonical

if TYPE_CHECKING:
    from babel import Locale

FOLDER = Path(__file__).parent / "locales"
DOMAIN = "sluice"
SOURCE = "en"
"""The language of the templates themselves."""

LANGUAGES = (SOURCE, "de", "es", "fr")

_UNITS = ("kilobyte", "megabyte", "gigabyte", "terabyte")


def locale_for(wanted: str) -> "Locale":
    """The locale to write in: the region that was asked for where its language is one of ours, else English.

    >>> str(locale_for("fr_ca")), str(locale_for("de-XX")), str(locale_for("ja"))
    ('fr_CA', 'de', 'en')
    """
    from babel import Locale, UnknownLocaleError

    language, region = canonical(wanted)
    if language not in LANGUAGES:
        return Locale(SOURCE)
    try:
        return Locale(language, region or None)
    except UnknownLocaleError:
        return Locale(language)


@cache
def translations(language: str) -> NullTranslations:
    """The catalogue of one of our languages."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    if language == SOURCE:
        return NullTranslations()
    with (FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po").open("rb") as file:
        catalogue = read_po(file, locale=language, domain=DOMAIN)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)


def number(value: int, locale: "Locale") -> str:
    """A whole number with its thousands apart."""
    from babel.numbers import format_decimal

    return format_decimal(value, locale=locale)


def size(count: int, locale: "Locale") -> str:
    """A number of bytes, in the decimal unit that suits it.

    >>> from babel import Locale
    >>> size(831_674, Locale("fr")), size(1, Locale("en"))
    ('831,7\\u202fko', '1 byte')
    """
    from babel.units import format_unit

    amount, unit = float(count), "byte"
    for larger in _UNITS:
        if amount < 999.95 and (unit != "byte" or amount < 1000):
            break
        amount, unit = amount / 1000, larger
    if unit == "byte":
        return format_unit(count, "digital-byte", "long", locale=locale)
    return format_unit(amount, f"digital-{unit}", "short", format="#,##0.0", locale=locale)


def moment(time: datetime, zone: str, locale: "Locale") -> str:
    """A time to the minute, with the name of its zone.

    >>> from datetime import UTC
    >>> from babel import Locale
    >>> moment(datetime(2026, 3, 9, 8, 5, tzinfo=UTC), "Europe/Paris", Locale("fr"))
    '9 mars 2026, 09:05 (Europe/Paris)'
    """
    from babel.dates import format_date, format_time

    there = time.astimezone(ZoneInfo(zone))
    day, clock = format_date(there, "long", locale=locale), format_time(there, "HH:mm", locale=locale)
    return f"{day}, {clock} ({zone})"
