"""The list of settings for the documents, made from the fields themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.settings import GROUPS, Settings, variable


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of a table of settings; ``default`` as one writes it into the environment, empty for none."""

    name: str
    default: str
    meaning: str


def reference() -> Mapping[str, Sequence[Setting]]:
    """The settings of every group by its name, each setting once."""
    fields = Settings.model_fields
    return {
        group.group: [
            Setting(variable(name), _text(fields[name].default), fields[name].description or "")
            for name in group.__annotations__
            if name in fields
        ]
        for group in GROUPS
    }


def _text(default: object) -> str:
    if isinstance(default, tuple | frozenset):
        return ", ".join(f"{item:g}" if isinstance(item, float) else str(item) for item in default)
    return "" if default in (None, {}) else str(default)


def markdown(heading: str = "###") -> str:
    """The tables of settings, a heading and a table for each group."""
    parts = []
    for group, rows in reference().items():
        cells = [f"| `{row.name}` | {f'`{row.default}`' if row.default else ''} | {row.meaning} |" for row in rows]
        parts.append("\n".join([f"{heading} {group}", "", "| setting | default | meaning |", "|---|---|---|", *cells]))
    return "\n\n".join(parts) + "\n"
