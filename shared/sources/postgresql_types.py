# ruff: noqa: S608 (statements are put together from the export types' own SQL; no value is in them)
"""PostgreSQL's types by their structure, and how a column of each is fetched.

A type is told by what it is based on: a domain by its base type, an array by the base type of its elements. What is
fetched as it is, is what the driver reads quickly and exactly; another type is cast, in most cases to text, which is
what psql shows. Of an array every element is cast in the same way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from shared.catalog.column_types import DECIMAL, INTERVAL, JSON, LIST, TIME, ColumnType
from shared.catalog.columns import Column
from shared.sources.conform import Misfit

_TEXT = ("text",)

_LONGEST_HOURS = 2_562_046
"""The driver has nanoseconds in 64 bits."""
_INTERVAL = (
    "case when not isfinite({0}) then"
    " case when {0} > interval '0' then interval '2147483647 months 2147483647 days'"
    " else interval '-2147483648 months -2147483648 days' end"
    f" when abs(extract(hour from {{0}})) > {_LONGEST_HOURS} then justify_hours({{0}}) else {{0}} end"
)
"""An interval that the driver can read: infinite ones as ``special_values.py`` has them; in very long ones, every 24
hours are a day, which PostgreSQL takes for equal."""


@dataclass(frozen=True)
class PostgresqlType:
    """A type of the server. ``base`` and ``element`` are names in ``pg_catalog``; a type of anybody's own has none."""

    sql: str
    """The type as SQL, for a cast of what it is compared with."""
    base: str
    """What it is, domains aside."""
    composite: bool
    element: str | None
    """For an array, what its elements are, domains aside; None for all others."""


def types_of(cursor: Any, expressions: Sequence[str], relation: str) -> dict[str, PostgresqlType]:
    """The server's own type of each expression on a relation; the LIMIT 0 is never run. Raises the driver's errors."""
    expressions = list(dict.fromkeys(expressions))
    selected = ", ".join(f"{expression} as sluice_{n}" for n, expression in enumerate(expressions))
    oids = ", ".join(f"pg_typeof(sluice_{n})::oid" for n in range(len(expressions)))
    cursor.execute(
        "with recursive given as materialized ("
        "select oid, place "
        f"from (select array[{oids}] as oids from (select 1) as one "
        f"left join (select {selected} from {relation} limit 0) as none on true) as types, "
        "unnest(types.oids) with ordinality as found(oid, place)), "
        "bases(oid, place) as (select oid, place from given union all "
        "select typbasetype, place from bases join pg_type using (oid) where typtype = 'd'), "
        "elements(oid, place) as (select typelem, place from bases join pg_type using (oid) "
        "where typtype <> 'd' and typcategory = 'A' and typelem <> 0 union all "
        "select typbasetype, place from elements join pg_type using (oid) where typtype = 'd') "
        "select format('%I.%I', given_in.nspname, given_type.typname), "
        "case when base_in.nspname = 'pg_catalog' then base_type.typname else '' end, "
        "base_type.typtype = 'c', element.name "
        "from given join pg_type as given_type on given_type.oid = given.oid "
        "join pg_namespace as given_in on given_in.oid = given_type.typnamespace "
        "join bases on bases.place = given.place "
        "join pg_type as base_type on base_type.oid = bases.oid and base_type.typtype <> 'd' "
        "join pg_namespace as base_in on base_in.oid = base_type.typnamespace "
        "left join (select place, case when nspname = 'pg_catalog' then typname else '' end as name from elements "
        "join pg_type on pg_type.oid = elements.oid and typtype <> 'd' "
        "join pg_namespace on pg_namespace.oid = typnamespace) as element on element.place = given.place "
        "order by given.place"
    )
    rows = [(sql, base, bool(composite), element) for sql, base, composite, element in cursor.fetchall()]
    return {expression: PostgresqlType(*row) for expression, row in zip(expressions, rows, strict=True)}


def fetched(column: Column, actual: PostgresqlType) -> str:
    """The expression to select for a column. Raises ``Misfit`` when the type cannot be what is declared."""
    expression = f"({column.expression})"
    declared = column.kind
    if declared.element:
        return _fetched_list(column, declared.element, expression, actual.element)
    if declared.family is JSON and (actual.composite or actual.element is not None):
        return f"to_json({expression})::text"
    if declared.family is INTERVAL and actual.base == "interval":
        return _INTERVAL.format(expression)
    if pa.types.is_string(declared.arrow) and actual.base == "inet":
        return f"abbrev({expression})"  # a cast adds a mask to every address
    return expression + "".join(f"::{name}" for name in _casts(column, declared, actual.base))


def _fetched_list(column: Column, declared: ColumnType, expression: str, element: str | None) -> str:
    if declared.family is LIST:  # decimals as strings, which is what JSON's are parsed from
        return f"to_json({expression}{'::text[]' if declared.innermost.family is DECIMAL else ''})::text"
    if element is None:
        return f"{expression}::text"  # a JSON array
    if declared.family is INTERVAL and element == "interval":
        one = _INTERVAL.format("one")
        each = f"array(select {one} from unnest({expression}) with ordinality as each(one, place) order by place)"
        return _of_one_dimension(column, expression, f"case when {expression} is not null then {each} end", "interval")
    casts = _casts(column, declared, element) or (element,)  # of a domain, its base
    if pa.types.is_string(declared.arrow) and element == "inet":
        cast = "::text::text[]"
    else:
        cast = "".join(f"::{_quoted(name)}[]" for name in casts)
    return _of_one_dimension(column, expression, expression + cast, casts[-1])


def _of_one_dimension(column: Column, array: str, result: str, element: str) -> str:
    """``result``, but an error that says why for an array of more dimensions, which the driver would make one."""
    told = f" dimensions in column '{column.name}', where a list has one".replace("'", "''")
    refused = f"(array_dims({array}) || '{told}')::{_quoted(element)}[]"
    return f"case when array_ndims({array}) > 1 then {refused} else {result} end"


def _casts(column: Column, declared: ColumnType, actual: str) -> tuple[str, ...]:
    if declared.family is TIME and actual == "timetz":
        raise Misfit(column, "its times have an offset (time with time zone); declare it as text")
    casts = declared.postgresql
    return () if actual in casts.none else casts.special.get(actual, _TEXT)


def _quoted(name: str) -> str:
    return f'pg_catalog."{name}"'
