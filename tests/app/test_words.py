"""What people read."""

from shared import words


def test_a_number_of_things_has_its_thousands_apart() -> None:
    """And one is one."""
    assert (words.count(1, "part"), words.count(1200, "part")) == ("1 part", "1,200 parts")
