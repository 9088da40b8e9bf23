"""The generated pages of the documentation. ``python -m doc_tools.reference`` writes them; a test compares them."""

from collections.abc import Callable, Mapping
from pathlib import Path

from doc_tools import api_page, decisions_page, errors_page, metrics_page, settings_page
from shared.formats import types_table

DOCS = Path(__file__).parents[1] / "docs"

PAGES: Mapping[str, Callable[[], str]] = {
    "reference/api.md": api_page.page,
    "reference/settings.md": settings_page.page,
    "reference/errors.md": errors_page.page,
    "reference/metrics.md": metrics_page.page,
    "reference/types.md": types_table.document,
    "decisions/index.md": decisions_page.page,
}
"""Path below docs/, and what makes the text."""


def write() -> None:
    """Write every generated page."""
    for path, page in PAGES.items():
        (DOCS / path).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write()
