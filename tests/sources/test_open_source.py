"""Opening a source by its URL."""

import pytest

from shared.errors import SettingsError
from shared.sources import SOURCES, open_source


@pytest.mark.parametrize("url", ["sqlite:///demo.db", "sqlite:////srv/demo.db?immutable=1", "postgresql://h/db"])
def test_known_urls(url: str) -> None:
    """Opening does not connect, so it works for a database that is not there."""
    assert open_source(url) is not None


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "has no scheme"),
        ("mysql://root:s3cret@host/db", r"unknown source 'mysql'; known: sqlite, postgresql"),
        ("postgre://root:s3cret@host/db", r"unknown source 'postgre'; did you mean 'postgres(ql)?'\?"),
        ("sqlite:///", "is sqlite:///path"),
        ("sqlite://demo.db", "is sqlite:///path"),
        ("sqlite:///demo.db?mode=rw", "is sqlite:///path"),
        ("postgresql://u:s3cret@h/db?statement_timeout=soon", "whole number of seconds, not 'soon'"),
    ],
)
def test_urls_that_are_wrong(url: str, reason: str) -> None:
    """The error says what is valid, and never shows the URL with its password."""
    with pytest.raises(SettingsError, match=reason) as caught:
        open_source(url)
    assert "s3cret" not in str(caught.value)


def test_every_source_says_what_its_url_is() -> None:
    """The list is what opens a URL; each entry is found by its own scheme."""
    assert list(SOURCES) == ["sqlite", "postgresql", "postgres"]
