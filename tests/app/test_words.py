"""What people read."""

from datetime import timedelta

from shared import text


def test_a_number_of_things_has_its_thousands_apart() -> None:
    """And one is one."""
    assert (text.count(1, "part"), text.count(1200, "part")) == ("1 part", "1,200 parts")


def test_a_length_of_time_has_the_unit_that_suits_it() -> None:
    """Whole ones."""
    lengths = (
        timedelta(seconds=1),
        timedelta(seconds=90),
        timedelta(minutes=2),
        timedelta(hours=12),
        timedelta(days=3),
    )
    assert list(map(text.duration, lengths)) == ["1 second", "90 seconds", "2 minutes", "12 hours", "3 days"]
