"""What is installed: every file of every package by its hash, the same versions everywhere, each with a reason."""

import re
from pathlib import Path

import pytest

from triggers.http.swagger_ui import content

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements", "requirements-azure-monitor", "requirements-dev", "requirements-bench")
OF_TOOLS = ("requirements-audit", "requirements-docs", "requirements-clients")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[a-z]+\])?==([^\s;\\]+)", re.MULTILINE)


def canonical(name: str) -> str:
    """The name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> set[tuple[str, str]]:
    """Name and version of each exact requirement."""
    return {(canonical(name), version) for name, version in _PIN.findall(text)}


def direct(lock: str) -> set[tuple[str, str]]:
    """What a list asks for, with the lists that it includes."""
    text = (ROOT / f"{lock}.in").read_text()
    included = re.findall(r"^-r (\S+)\.in$", text, re.MULTILINE)
    return pins(text).union(*(direct(name) for name in included))


@pytest.mark.parametrize("lock", [*LOCKS, *OF_TOOLS])
def test_every_requirement_is_pinned_with_hashes(lock: str) -> None:
    """So that pip checks each file; one line without a hash, and it refuses the whole list. `make lock` writes them."""
    text = (ROOT / f"{lock}.txt").read_text()
    entries = [e for e in re.split(r"\n(?=\S)", text) if not e.startswith("#")]
    assert len(entries) >= 20
    for entry in entries:
        assert _PIN.match(entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry), entry
    assert direct(lock) <= pins(text)


def test_all_lists_have_the_same_versions() -> None:
    """What is tested is what runs."""
    app, *others = (pins((ROOT / f"{lock}.txt").read_text()) for lock in LOCKS)
    assert all(app <= other for other in others)


def test_every_direct_requirement_has_a_reason() -> None:
    """In docs/reference/dependencies.md; bench/ names its own peers."""
    table = (ROOT / "docs" / "reference" / "dependencies.md").read_text()
    first_cells = [cell.split("|")[1] for cell in table.splitlines() if cell.startswith("|")]
    named = {canonical(word) for word in re.findall(r"[\w.-]+", " ".join(first_cells))}
    assert {name for name, _ in direct("requirements-dev")} <= named


def test_swagger_ui_has_a_sanitiser_with_its_fixes() -> None:
    """DOMPurify before 3.4.7 lets markup through that runs scripts (GHSA-v9jr-rg53-9pgp and its kin)."""
    (version,) = re.findall(rb'DOMPurify\.version="(\d+)\.(\d+)\.(\d+)"', content("swagger-ui-bundle.js")[0])
    assert tuple(map(int, version)) >= (3, 4, 7)
