"""What people read."""

from datetime import UTC, datetime, timedelta

import pytest

from shared import words


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 KB"),
        (999_949, "999.9 KB"),
        (999_950, "1.0 MB"),
        (201_959_438, "202.0 MB"),
        (3 * 10**9, "3.0 GB"),
        (10**15, "1000.0 TB"),
    ],
)
def test_a_size_has_the_unit_that_suits_it(count: int, text: str) -> None:
    """Decimal units, as file managers show them."""
    assert words.size(count) == text


def test_a_moment_names_its_zone() -> None:
    """To the minute."""
    assert words.moment(datetime(2026, 3, 9, 8, 5, 59, tzinfo=UTC)) == "09 March 2026, 08:05 UTC"
    assert (words.count(1, "part"), words.count(1200, "part")) == ("1 part", "1,200 parts")


def test_a_length_of_time_has_the_unit_that_suits_it() -> None:
    """Whole ones."""
    lengths = (
        timedelta(seconds=1),
        timedelta(seconds=90),
        timedelta(minutes=2),
        timedelta(hours=12),
        timedelta(days=3),
    )
    assert list(map(words.duration, lengths)) == ["1 second", "90 seconds", "2 minutes", "12 hours", "3 days"]
