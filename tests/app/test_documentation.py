"""README and docs/: the generated pages are up to date, and every link leads to a page."""

import re
from pathlib import Path

import pytest

from doc_tools import errors_page, settings_page, words
from doc_tools.error_causes import CAUSES
from doc_tools.reference import DOCS, PAGES
from shared.settings import GROUPS, Settings
from triggers.http.operation import operations

ROOT = DOCS.parent
TEXTS = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", PAGES)
def test_a_generated_page_is_up_to_date(path: str) -> None:
    """``make reference`` writes it."""
    assert (DOCS / path).read_text(encoding="utf-8") == PAGES[path](), "run make reference"


def test_every_error_code_has_a_cause_and_a_cure() -> None:
    """And no text is for a code that does not exist."""
    assert set(CAUSES) == errors_page.codes()


def test_every_status_of_an_operation_is_in_the_errors() -> None:
    """The page of operations links to them."""
    assert {status for one in operations() for status in one.problems} <= set(errors_page.statuses())


def test_every_setting_is_in_one_group() -> None:
    """No setting is left out of the page of settings."""
    listed = [name for group in GROUPS for name in settings_page.fields_of(group)]
    assert sorted(listed) == sorted(Settings.model_fields)


def test_the_readme_is_short() -> None:
    """Details belong into docs/."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_every_relative_link_leads_to_a_file(path: Path) -> None:
    """Within the repository, and for a page of docs/ within docs/, for the site has nothing else."""
    prose = _FENCE.sub("", path.read_text(encoding="utf-8"))
    targets = re.findall(r"(?:\]\(|src=\")(?!https?:|#)([^)#\"\s]+)", prose)
    missing = [target for target in targets if not (path.parent / target).exists()]
    assert not missing
    if path.is_relative_to(DOCS):
        assert all((path.parent / target).resolve().is_relative_to(DOCS) for target in targets)


def test_every_page_is_in_the_navigation() -> None:
    """Decisions are in their own list, which is generated."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = set(re.findall(r"[\w/-]+\.md", text.partition("nav:")[2].partition("not_in_nav:")[0]))
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md") if not path.name.startswith("00")}
    assert listed == pages


def test_the_list_of_words_is_for_prose() -> None:
    """Code may hold any word; a line of prose is named with the word and a better one."""
    text = "Users are told.\n\n```sh\necho told: it goes on\n```\n\n`is no` is code, and a mail\nis no\nproblem\n"
    assert [(line, said) for line, said, _ in words.found(text)] == [(1, "are told"), (8, "is no")]


def test_every_page_that_a_person_reads_has_its_words_checked() -> None:
    """Records of decisions are excepted."""
    checked = {name(path) for path in words.pages()}
    assert {"README.md", "docs/index.md", "docs/how-to/runbook.md", "docs/reference/api.md"} <= checked
    assert not any("decisions" in path for path in checked)
