"""docs/explanation/security.md: complete, as far as code can tell."""

import re
from pathlib import Path

import pytest

from shared.settings import Settings
from shared.storage import names

TEXT = (Path(__file__).parents[2] / "docs" / "explanation" / "security.md").read_text()
_MAY_BE_SECRET = re.compile(r"(key|keys|keys_accepted|secret|connection_string|storage)$|^(source|smtp)_url$")


def section(title: str) -> str:
    """The text below a heading."""
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_data_map_has_every_table_and_container() -> None:
    """Whoever adds one says what of persons is in it, and for how long."""
    known = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
    tables = {value for value in known if re.fullmatch(r"Sluice[A-Za-z]+|[a-z-]+", value)}
    assert len(tables) >= 20
    named = set(re.findall(r"`([\w-]+)`", section("Where personal data is")))
    assert tables - named == set()


def test_every_secret_of_the_settings_says_how_it_is_rotated() -> None:
    """And what it opens."""
    secrets = {name for name in Settings.model_fields if _MAY_BE_SECRET.search(name)}
    assert {"link_signing_key", "webhook_secret_keys", "source_url", "smtp_url", "azurewebjobsstorage"} <= secrets
    named = {word.lower() for word in re.findall(r"`([\w-]+)`", section("What each key opens"))}
    assert secrets - named == set()


@pytest.mark.parametrize("file", ["docs/explanation/security.md", "SECURITY.md"])
def test_what_they_point_to_is_there(file: str) -> None:
    """Every link to a file of the repository."""
    path = Path(__file__).parents[2] / file
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text())
    assert targets
    assert [target for target in targets if not (path.parent / target).exists()] == []
