"""Files that export types make by themselves."""

import pytest

from shared.formats.csv_files import csv_file


def test_a_file_of_columns() -> None:
    """Texts are guarded and counted, other values are not touched."""
    file = csv_file({"Id": [1, -2], "=Note": ["a;=1", None], "When": ["-", "x, y"]})
    assert file.file_content == b"Id,'=Note,When\r\n1,a;'=1,'-\r\n-2,,\"x, y\"\r\n"
    assert (file.mimetype, file.items_count, file.guarded_cells) == ("text/csv", 2, 2)


def test_no_rows() -> None:
    """The titles are there."""
    file = csv_file({"Id": [], "Note": []})
    assert (file.file_content, file.items_count) == (b"Id,Note\r\n", 0)


def test_columns_of_different_lengths() -> None:
    """A mistake that would lose rows is an error."""
    with pytest.raises(ValueError, match="shorter"):
        csv_file({"Id": [1, 2], "Note": ["a"]})
