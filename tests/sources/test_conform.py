"""Decimals of any text: the number, or an error, and never another number."""

from decimal import Decimal, localcontext

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.catalog.column_types import arrow_type
from shared.catalog.columns import Column
from shared.errors import SchemaChanged
from shared.sources.conform import conform_column

TYPES = ("decimal(12,2)", "decimal(5,5)", "decimal(38,2)", "decimal(38,20)", "decimal(60,4)", "decimal(76,0)")
digits = st.text("0123456789", min_size=1, max_size=90)
zeros = st.integers(0, 90).map("0".__mul__)
texts = st.one_of(
    st.tuples(st.sampled_from(["", "-"]), zeros, digits, digits, zeros).map(
        lambda t: f"{t[0]}{t[1]}{t[2]}.{t[3]}{t[4]}"
    ),
    st.tuples(digits, zeros).map("".join),
    st.tuples(st.integers(-999, 999), st.integers(-200, 200)).map(lambda t: f"{t[0]}e{t[1]:+}"),
)


@pytest.mark.parametrize("kind", TYPES)
@settings(max_examples=60)
@given(words=st.lists(texts, min_size=1, max_size=5))
def test_a_decimal_is_the_number_or_refused(kind: str, words: list[str]) -> None:
    """However long its text; one that fits is never refused unless it is written with an exponent."""
    wanted = arrow_type(kind)
    with localcontext(prec=500):
        numbers = [Decimal(word) for word in words]
        unit = Decimal(1).scaleb(-wanted.scale)
        most = Decimal(10) ** (wanted.precision - wanted.scale)
        fit = all(abs(number) < most and number % unit == 0 for number in numbers)
        try:
            found = conform_column(pa.array(words), Column("v", "V", kind), wanted).to_pylist()
        except SchemaChanged:
            assert not fit or any("e" in word for word in words)
        else:
            assert found == numbers


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("number", [0, 99, -100, 341 * 10**16, 2**63 - 1, -(2**63)])
def test_an_integer_in_a_decimal_column_is_the_number_or_refused(kind: str, number: int) -> None:
    """Also where the scale makes it longer than any decimal."""
    wanted = arrow_type(kind)
    column = Column("v", "V", kind)
    if abs(number) < 10 ** (wanted.precision - wanted.scale):
        assert conform_column(pa.array([number, None]), column, wanted).to_pylist() == [number, None]
    else:
        with pytest.raises(SchemaChanged, match="column 'v' does not fit"):
            conform_column(pa.array([number, None]), column, wanted)
