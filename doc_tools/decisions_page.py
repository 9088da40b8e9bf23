"""docs/decisions/index.md: the list of all decisions."""

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "docs" / "decisions"


def page() -> str:
    """The whole page."""
    text = "# Decisions\n\nEach page records one choice and its reasons.\n\n"
    for path in sorted(FOLDER.glob("[0-9]*.md")):
        title = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        text += f"- [{title}]({path.name})\n"
    return text
