"""A family of attacks: hostile inputs, and what tells whether one of them got through."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

EVERYTHING = os.environ.get("ATTACK") == "all"
"""Try every input; otherwise a few of each family, spread over it."""


@dataclass(frozen=True)
class Family:
    """``finding`` gives what got through with an input, in words, or an empty text.

    ``target`` is the name of a fixture, which ``finding`` is given first; ``make test`` tries a ``few`` of the inputs.
    """

    name: str
    inputs: Callable[[], Sequence[Any]]
    finding: Callable[[Any, Any], str]
    target: str = "nothing"
    least: int = 300
    few: int = 30

    def chosen(self) -> Sequence[Any]:
        """The inputs that are tried now."""
        found = self.inputs()
        assert len(found) >= self.least, f"{self.name} has {len(found)} inputs"
        step = 1 if EVERYTHING else max(1, len(found) // self.few)
        return found[::step]


def shown(given: Any) -> str:
    """An input in a report."""
    text = repr(given)
    return text if len(text) < 200 else f"{text[:200]}... ({len(text)} characters)"
