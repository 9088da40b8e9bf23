"""Languages: every word in every one of them, and figures as their readers write them."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from babel import Locale
from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from shared.notifications.templates import catalogues
from shared.notifications.templates.catalogues import DOMAIN, FOLDER, LANGUAGES, SOURCE

ROOT = Path(__file__).resolve().parents[2]
OTHERS = [language for language in LANGUAGES if language != SOURCE]


def in_templates() -> set[str | tuple[str, ...]]:
    """Everything that the templates say."""
    with (ROOT / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    found = extract_from_dir(
        ROOT / "shared", [(p.removeprefix("shared/"), m) for p, m in methods], options_for(options)
    )
    return {message for _, _, message, _, _ in found}


def options_for(options: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """The options of the mapping, below the folder that is read."""
    return {pattern.removeprefix("shared/"): values for pattern, values in options.items()}


def catalogue(language: str) -> Catalog:
    """The translations as they are written."""
    with (FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po").open("rb") as file:
        return read_po(file, locale=language)


@pytest.mark.parametrize("language", OTHERS)
def test_everything_is_translated_and_nothing_else(language: str) -> None:
    """`make messages` tells a catalogue what is new; a translator fills it in."""
    messages = [m for m in catalogue(language) if m.id]
    assert {m.id for m in messages} == in_templates()
    assert not [m.id for m in messages if m.fuzzy or not all([*m.string] if m.pluralizable else [m.string])]


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_names_what_the_template_fills_in(language: str) -> None:
    """No more, no less, in each plural form."""
    for message in catalogue(language):
        if message.id:
            originals, strings = (
                ([*message.id], [*message.string])
                if message.pluralizable
                else (
                    [message.id],
                    [message.string],
                )
            )
            wanted = set(re.findall(r"%\(\w+\)s", originals[-1]))
            assert all(set(re.findall(r"%\(\w+\)s", text)) == wanted for text in strings), message.id


def test_every_folder_is_a_language_of_ours() -> None:
    """A catalogue that nobody reads would be a language that is silently not there."""
    assert {path.name for path in FOLDER.iterdir()} == set(OTHERS)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("fr", "fr"),
        ("fr-CA", "fr_CA"),
        ("de_AT", "de_AT"),
        ("de-XX", "de"),
        ("ja-JP", "en"),
        ("", "en"),
        ("x" * 35, "en"),
    ],
)
def test_a_locale_is_found_however_it_is_spelt(wanted: str, found: str) -> None:
    """Words and figures are of one language; English where we have no other."""
    assert str(catalogues.locale_for(wanted)) == found


@pytest.mark.parametrize(
    ("count", "locale", "text"),
    [
        (0, "en", "0 bytes"),
        (1, "de", "1 Byte"),
        (999, "en", "999 bytes"),
        (1000, "en", "1.0 kB"),
        (999_949, "en", "999.9 kB"),
        (999_950, "en", "1.0 MB"),
        (201_959_438, "fr", "202,0\u202fMo"),
        (3 * 10**9, "de", "3,0 GB"),
        (10**15, "en", "1,000.0 TB"),
    ],
)
def test_a_size_has_the_unit_that_suits_it(count: int, locale: str, text: str) -> None:
    """Decimal units, as file managers show them."""
    assert catalogues.size(count, Locale(locale)).replace("\xa0", " ") == text


@pytest.mark.parametrize(
    ("locale", "zone", "text"),
    [
        ("en", "UTC", "March 9, 2026, 08:05 (UTC)"),
        ("de", "Europe/Berlin", "9. März 2026, 09:05 (Europe/Berlin)"),
        ("es", "America/Bogota", "9 de marzo de 2026, 03:05 (America/Bogota)"),
        ("fr", "Asia/Kolkata", "9 mars 2026, 13:35 (Asia/Kolkata)"),
    ],
)
def test_a_moment_names_its_zone(locale: str, zone: str, text: str) -> None:
    """To the minute."""
    assert catalogues.moment(datetime(2026, 3, 9, 8, 5, 59, tzinfo=UTC), zone, Locale(locale)) == text
