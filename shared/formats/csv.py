"""CSV: for spreadsheets, loaders and people (RFC 4180).

Decided where the RFC leaves it open: UTF-8; CRLF ends every row, the last one too; a cell is quoted only when it holds
the delimiter, a quotation mark or a line break, or when it would read as null (an empty text is ``""``, a null is the
null text unquoted). Texts, and titles, that a spreadsheet would take for formulas get an apostrophe where the formula
would begin (``formula_guard.py``); numbers are never touched.

A locale that is asked for decides what a spreadsheet of its people expects: a decimal comma and semicolons where they
write so, and a byte order mark unless it is English. Every option overrides it. No file starts with ``ID``, which Excel
takes for the start of another format (SYLK): the first cell is quoted then.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shared.catalog.column_types import BINARY, DECIMAL, FLOAT, JSON, LIST, ColumnType, column_type
from shared.errors import FieldError, ValidationFailed
from shared.formats.base import (
    EncodedPart,
    Facts,
    FileSpec,
    PartBytes,
    PartPosition,
    Segment,
    Write,
)
from shared.formats.compression import TextWriter, assembled, numbers_in
from shared.formats.escape import SpecialCharacters, append, column_bytes, enclosed, places, replace_where, text
from shared.formats.formula_guard import CLASSES, formulas, guard_formulas
from shared.formats.options import Option, validate
from shared.formats.scalars import TextStyle
from shared.formats.slices import slices
from shared.formats.text_columns import as_text
from shared.locales import canonical, decimal_comma

GUARDED = "guarded"
"""The fact of a part that says how many of its cells were guarded, where there are any."""

FORMULA_GUARD = "formulaGuard"

_SYLK = "ID"
_LINE_END = "\r\n"
_SPECIAL = 4
"""The bit of a byte that makes its cell need quotes, beside those of the formula guard."""

_OPTIONS = (
    Option(
        name="header",
        default="titles",
        choices=("titles", "names", "none"),
        summary="The first row: the columns' titles, their API names, or no header.",
    ),
    Option(
        name="delimiter",
        default="auto",
        choices=("auto", ",", ";", "\t", "|"),
        summary="What separates cells; auto is a semicolon beside a decimal comma, else a comma.",
    ),
    Option(
        name="decimalSeparator",
        default="auto",
        choices=("auto", "point", "comma", "locale"),
        summary="Of decimals and floats. locale is as the file's locale writes it; auto is the same when the request "
        "names a locale and no comma as the delimiter, else a point.",
    ),
    Option(name="nullText", default="", max_length=20, summary="What stands for a missing value, unquoted."),
    Option(
        name="bom",
        default=None,
        summary="Start with a UTF-8 byte order mark, by which Excel knows the encoding. Default: only if the "
        "request names a locale other than English.",
    ),
    Option(
        name=FORMULA_GUARD,
        default=True,
        summary="An apostrophe wherever a spreadsheet would take text for a formula.",
    ),
)


class Csv:
    """Comma-separated values."""

    name = "csv"
    title = "CSV"
    extension = "csv"
    content_type = "text/csv; charset=utf-8"
    summary = "Comma-separated text (RFC 4180) that every spreadsheet and loader reads."
    compressions: Sequence[str] = ("none", "gzip", "zip")
    option_list: Sequence[Option] = _OPTIONS
    rows_per_group: int | None = None
    numbers_rows = False
    part_rows: int | None = None
    max_rows: int | None = None

    def options(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Validate; a comma between cells beside a decimal comma, and an ambiguous or active null text, are refused."""
        options = validate(_OPTIONS, given)
        errors = []
        if options["decimalSeparator"] in ("comma", "locale") and options["delimiter"] == ",":
            errors.append(FieldError("options.delimiter", "a comma cannot separate cells beside a decimal comma"))
        if set(options["nullText"]) & {'"', "\r", "\n", ",", ";", "\t", "|"}:
            errors.append(FieldError("options.nullText", "no quotation mark, delimiter or line break"))
        if options[FORMULA_GUARD] and options["nullText"].strip("-") and _is_formula(options["nullText"]):
            errors.append(
                FieldError("options.nullText", "begins like a formula, which the formula guard does not let in")
            )
        if options["header"] == "none" and options["nullText"].startswith(_SYLK):
            errors.append(
                FieldError("options.nullText", f"a file must not start with {_SYLK}; choose another, or a header")
            )
        if errors:
            raise ValidationFailed(errors)
        return options

    def encode_part(
        self, batches: pa.RecordBatchReader, write: Write, spec: FileSpec, position: PartPosition
    ) -> tuple[int, Facts]:
        """The rows of the part without a header. Raises ``LimitReached`` for a row of over 256 MiB."""
        dialect = _Dialect(spec)
        rows = 0
        with TextWriter(write, spec.compression) as out:
            for batch in slices(batches, spec.columns):
                out.write(column_bytes(dialect.rows(batch, first=not rows)))
                rows += batch.num_rows
        return rows, {**out.facts, **({GUARDED: dialect.guarded} if dialect.guarded else {})}

    def assemble(self, parts: Sequence[EncodedPart], spec: FileSpec) -> Iterator[Segment]:
        """The byte order mark and the header, then the parts as they are."""
        dialect = _Dialect(spec)
        start = ("\ufeff" if dialect.bom else "") + dialect.header(spec)
        pieces = [(PartBytes(part.index), numbers_in(part.facts)) for part in parts if part.bytes]
        return assembled([start.encode(), *pieces] if start else pieces, spec)


def _is_formula(words: str) -> bool:
    return guard_formulas([words]) != [words]


def settled(spec: FileSpec) -> FileSpec:
    """The same file with the options that follow from others worked out; the spec of another format as it is.

    Release 0.1.0 would work them out in another way, and part of the rows would have other separators.
    """
    if "decimalSeparator" not in spec.options:
        return spec
    dialect = _Dialect(spec)
    separator = "comma" if dialect.decimal_comma else "point"
    found = {"decimalSeparator": separator, "delimiter": dialect.delimiter, "bom": dialect.bom}
    return replace(spec, options={**spec.options, **found})


class _Dialect:
    """The options of one file, worked out, and the encoding of rows with them."""

    def __init__(self, spec: FileSpec) -> None:
        options = spec.options
        asked = spec.locale if spec.locale_asked else "en"
        separator = options["decimalSeparator"]
        if separator == "auto":
            separator = "comma" if decimal_comma(asked) and options["delimiter"] != "," else "point"
        self.decimal_comma = separator == "comma" or (separator == "locale" and decimal_comma(spec.locale))
        self.bom = canonical(asked)[0] != "en" if options["bom"] is None else options["bom"]
        self.delimiter = options["delimiter"]
        if self.delimiter == "auto":
            self.delimiter = ";" if self.decimal_comma else ","
        self.null = options["nullText"]
        self._has_header = options["header"] != "none"
        self.columns = spec.columns
        self.guarded = 0
        self._guards = options[FORMULA_GUARD]
        self._style = TextStyle(spec.time_zone)
        special = '"\r\n' + self.delimiter
        self._special = SpecialCharacters(special)
        self._classes = bytes(CLASSES[code] | _SPECIAL * (chr(code) in special) for code in range(256))

    def rows(self, batch: pa.RecordBatch, *, first: bool) -> pa.StringArray:
        """One cell for each row: the whole row with its line end. Counts the cells that were guarded.

        ``first``: these rows are the first of their part, and so may be those of the file.
        """
        cells = [self._cells(values, column.kind) for values, column in zip(batch.columns, self.columns, strict=True)]
        # A row that is an empty line would be passed over by readers, so what is alone in its row is quoted.
        null = self.null if self.null or len(cells) > 1 else '""'
        if first and not self._has_header and pc.starts_with(cells[0][:1], _SYLK)[0].as_py():
            cells[0] = pa.concat_arrays([enclosed(cells[0][:1], '"'), cells[0][1:]])
        if len(cells) == 1:
            cells[0] = pc.if_else(pc.equal(cells[0], ""), '""', cells[0])
        cells[-1] = append(pc.fill_null(cells[-1], null), _LINE_END)
        return pc.binary_join_element_wise(*cells, text(self.delimiter), null_handling="replace", null_replacement=null)

    def header(self, spec: FileSpec) -> str:
        """The header row with its line end, or nothing."""
        if not self._has_header:
            return ""
        by_name = spec.options["header"] == "names"
        titles = [column.name if by_name else column.title_in(spec.locale) for column in spec.columns]
        cells = self._cells(pa.array(titles, pa.string()), column_type("text"))
        row = str(self.delimiter.join(cells.to_pylist())) + _LINE_END
        return f'"{cells[0]}"{row[len(str(cells[0])) :]}' if row.startswith(_SYLK) else row

    def _cells(self, column: pa.Array, kind: ColumnType) -> pa.StringArray:
        family = kind.family
        words = as_text(column, kind, self._style)
        if self.decimal_comma and family in (DECIMAL, FLOAT):
            words = pc.replace_substring(words, ".", ",")
        if family.escaped:
            words = self._protect(words, kind)
        # Only such cells, and base64 of no bytes, can be an empty text.
        if family.escaped or family is BINARY or self.null:
            like_null = pc.equal(words, self.null)
            if pc.any(like_null).as_py():
                words = pc.if_else(like_null, f'"{self.null}"', words)
        return words

    def _protect(self, words: pa.StringArray, kind: ColumnType) -> pa.StringArray:
        """The column with formulas guarded and special characters quoted. Cells that need neither are not touched."""
        held = bytes(column_bytes(words))
        look = cache(lambda: places(words, held, self._classes))
        guarded = self._guards and kind.innermost.family.escaped
        found = formulas(words, held, look, json=kind.family in (JSON, LIST)) if guarded else None
        present = self._special.among(held)
        special = look().cells(look().of(_SPECIAL)) if present else None
        masks = [mask for mask in (found.cells if found else None, special) if mask is not None]
        if not masks:
            return words
        either = reduce(pc.or_, masks)
        chosen = words.filter(either)
        if found is not None:
            chosen = found.guarded(chosen, either)
            self.guarded += found.cells.true_count
        if special is not None:
            doubled = pc.replace_substring(chosen, '"', '""') if '"' in present else chosen
            chosen = pc.if_else(special.filter(either), enclosed(doubled, '"'), chosen)
        return replace_where(words, either, chosen)
