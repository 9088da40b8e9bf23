"""docs/reference/settings.md: every setting in its group, from ``Settings``."""

from collections.abc import Iterator

from shared.settings import GROUPS, Settings, variable
from shared.settings.fields import SettingsGroup

_INTRODUCTION = """# Settings

Generated from `shared/settings/` by `make reference`. Settings are environment variables; locally they are in `Values`
of `local.settings.json` (copy `local.settings.sample.json`). `/health` and every other call name an invalid setting and
its valid values. A value in an export type replaces the setting with the same meaning.
"""


def page() -> str:
    """The whole page."""
    return _INTRODUCTION + "".join(map(_section, GROUPS))


def fields_of(group: type[SettingsGroup]) -> Iterator[str]:
    """The fields that a group adds to ``Settings``, in their order."""
    return (name for name in group.__annotations__ if name in Settings.model_fields)


def _section(group: type[SettingsGroup]) -> str:
    rows = "".join(map(_row, fields_of(group)))
    return f"\n## {group.group}\n\n| setting | default | meaning |\n|---|---|---|\n{rows}"


def _row(name: str) -> str:
    setting = Settings.model_fields[name]
    default = _text(setting.default)
    return f"| `{variable(name)}` | {f'`{default}`' if default else ''} | {setting.description} |\n"


def _text(default: object) -> str:
    """A default as one writes it into the environment, empty for none."""
    if isinstance(default, tuple | frozenset):
        return ", ".join(f"{item:g}" if isinstance(item, float) else str(item) for item in default)
    return "" if default in (None, {}) else str(default)
