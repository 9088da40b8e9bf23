"""Words that a page for readers may not use, each with the plain one; ``make check`` runs it.

Checked are the prose of README.md and docs/, and with the generated pages what operations, settings, metrics and errors
say. Code and the records of decisions are excepted.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]

INSTEAD: Mapping[str, str] = {
    r"\b(?:It|They)\.(?!\w)": "name the thing",
    r"\b(?:is|are|was|were|be|been|not) told\b": "get a message, are notified",
    r"\btells? (?:who|what|them|somebody|nobody)\b": "notifies, describes",
    r"\bso (?:long|many|much)\b(?! as)": "this long, this many, the number",
    r"\b(?:is|are) no\b(?! longer)": "is not a, has no",
    r"\b(?:is|are) none\b": "does not exist",
    r"\bwho(?:ever)? asked\b": "the requester",
    r"\b(?:had|have) (?:its|their) time\b": "has expired",
    r"\bwhatever dies\b": "after any crash",
    r"\bnobody came\b": "was not",
    r"\bstruck off\b": "removed",
    r"\bmade good\b": "repaired",
    r"\bdriven again\b": "redriven",
    r"\bgoes on\b": "continues",
    r"\bgo on\b": "continue",
    r"\bbring(?:ing)? out\b": "release",
    r"\bgiven up\b": "stopped",
    r"\bmend(?:s|ed)?\b": "repair, correct",
    r"\bat present\b": "now",
    r"\bnone is\b": "is empty",
    r"\bwhoever\b": "everybody who",
    r"\bWhoever\b": "Everybody who",
    r", for (?:it|they|that|nothing|values|link)\b": "because",
    r"\bmost of everybody's\b": "most of the",
    r"\bleft out\b": "omitted, empty",
    r"\bvouch(?:es)? for\b": "authenticates",
    r"\bbelongs into\b": "belongs in",
}
"""Pattern of the words, and what to write."""

EXCEPTIONS: frozenset[str] = frozenset()
"""Lines that have to say it, such as a quotation, each as it stands."""

_CODE = re.compile(r"^```.*?^```|`[^`\n]*`|\]\([^)]*\)", re.MULTILINE | re.DOTALL)


def pages() -> Iterator[Path]:
    """README.md and every page of docs/ that is not the record of a decision."""
    yield ROOT / "README.md"
    yield from (path for path in sorted((ROOT / "docs").rglob("*.md")) if path.parent.name != "decisions")


def found(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, words and the plain ones, for each place of a text."""
    prose = _CODE.sub(lambda code: re.sub(r"[^\n]", "x", code[0]), text)
    lines = text.splitlines()
    for pattern, instead in INSTEAD.items():
        for match in re.finditer(pattern, prose):
            line = prose.count("\n", 0, match.start())
            if lines[line] not in EXCEPTIONS:
                yield line + 1, match[0], instead


def complaints() -> list[str]:
    """A sentence for each place on any page."""
    return [
        f"{path.relative_to(ROOT)}:{line}: '{words}': {instead}"
        for path in pages()
        for line, words, instead in sorted(found(path.read_text(encoding="utf-8")))
    ]


if __name__ == "__main__":
    wrong = complaints()
    sys.stderr.writelines(f"{one}\n" for one in wrong)
    sys.exit(1 if wrong else 0)
