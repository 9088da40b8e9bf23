"""The Makefile's targets for tests."""

import re
from pathlib import Path

MAKEFILE = (Path(__file__).resolve().parents[2] / "Makefile").read_text()


def test_test_all_runs_every_suite() -> None:
    """A suite that it does not name would be run by nobody."""
    suites = set(re.findall(r"^(test(?:-[a-z]+)*):", MAKEFILE, re.MULTILINE)) - {"test-all"}
    (line,) = re.findall(r"^test-all: (.*?) ##", MAKEFILE, re.MULTILINE)
    assert set(line.split()) == suites
