"""Looking for special characters in whole columns, against looking into each cell."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from shared.formats.escape import SpecialCharacters, column_bytes, places

WANTED = ',"\r\n'
SPECIAL = SpecialCharacters(WANTED)
CLASSES = bytes(chr(code) in WANTED for code in range(256))
CELLS = st.lists(st.none() | st.text(alphabet=f"ab\u20ac\U0001f600 {WANTED}", max_size=20), min_size=1, max_size=40)


@given(cells=CELLS, start=st.integers(0, 39))
def test_the_cells_that_hold_one_are_found(cells: list[str | None], start: int) -> None:
    """In any part of a column, among nulls and empty cells."""
    column = pa.array(cells, pa.string()).slice(start)
    kept = cells[start:]
    assert SPECIAL.in_column(column) == set(WANTED) & set("".join(cell or "" for cell in kept))
    if SPECIAL.in_column(column):
        found = places(column, bytes(column_bytes(column)), CLASSES)
        assert found.cells(found.of(1)).to_pylist() == [bool(set(WANTED) & set(cell or "")) for cell in kept]
        front = SPECIAL.in_front(column)
        marks = [False] * len(kept) if front is None else [bool(mark) for mark in front.to_pylist()]
        assert marks == [(cell or "a")[:1] in set(WANTED) for cell in kept]
