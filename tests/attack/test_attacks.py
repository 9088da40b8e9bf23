"""Nothing that is hostile gets through. ``make test-attack`` tries every input and prints a table."""

from typing import Any

import pytest

from tests.attack.families import bodies, capabilities, offline, sql, tokens, wire
from tests.attack.family import Family, shown

FAMILIES = tuple(family for module in (tokens, offline, sql, bodies, capabilities, wire) for family in module.FAMILIES)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_nothing_gets_through(family: Family, request: pytest.FixtureRequest, report: list[Any]) -> None:
    """Of no input of the family."""
    target, inputs = request.getfixturevalue(family.target), family.chosen()
    findings = {shown(given): found for given in inputs if (found := family.finding(target, given))}
    report.append((family.name, len(inputs), len(findings)))
    assert findings == {}
