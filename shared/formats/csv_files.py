"""A whole CSV file out of columns of Python values, for export types that make their file by themselves.

It keeps to the rules of the format CSV: UTF-8, CRLF, quotes only where needed, and the formula guard.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from shared.catalog.export_types import GeneratedExportData
from shared.formats.formula_guard import guard_formulas


def csv_file(columns: Mapping[str, Sequence[Any]]) -> GeneratedExportData:
    """The file of these columns by their titles, all of the same length. None is an empty cell.

    Texts that a spreadsheet would take for formulas are guarded (``shared/formats/formula_guard.py``); other values are
    not. Raises ``ValueError`` for columns of different lengths.
    """
    guarded = 0
    cells: list[Sequence[Any]] = []
    for values in columns.values():
        texts = [value if isinstance(value, str) else None for value in values]
        safe = guard_formulas(texts)
        guarded += sum(now != before for now, before in zip(safe, texts, strict=True))
        cells.append([value if text is None else text for value, text in zip(values, safe, strict=True)])
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(guard_formulas(list(columns)))
    writer.writerows(zip(*cells, strict=True))
    items = len(cells[0]) if cells else 0
    return GeneratedExportData(text.getvalue().encode(), "text/csv", items, guarded)
