"""Options of a format: described once, for the validation of requests, the API's catalogue, the docs and the portal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from shared.errors import FieldError, ValidationFailed, Wrong, shown, unknown


@dataclass(frozen=True)
class Option:
    """One option: a boolean, a number or a text, as its default is. Without a default it is a boolean whose value, when
    nobody gives one, follows from the rest of the file.

    ``choices`` closes the set of values; ``max_length`` bounds a text that has no choices.
    """

    name: str
    default: bool | int | str | None
    summary: str
    choices: tuple[str, ...] = ()
    max_length: int = 40

    @property
    def kind(self) -> type[bool] | type[int] | type[str]:
        """The type of its values."""
        return bool if self.default is None else type(self.default)


def validate(options: Sequence[Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """The given values with the defaults filled in. Raises ``ValidationFailed`` with one entry for each wrong value."""
    known = {option.name: option for option in options}
    errors: list[Wrong] = [partial(_unknown_option, name, list(known)) for name in given if name not in known]
    for name, option in known.items():
        if name in given and (problem := _problem(option, given[name])):
            errors.append(FieldError(f"options.{name}", problem))
    if errors:
        raise ValidationFailed(errors)
    return {name: given.get(name, option.default) for name, option in known.items()}


def _unknown_option(name: str, known: Sequence[str]) -> FieldError:
    return FieldError(f"options.{name}", unknown("option", name, known) if known else f"unknown option '{name}'")


def _problem(option: Option, value: Any) -> str | None:
    if type(value) is not option.kind:
        kind = {bool: "true or false", int: "a whole number", str: "a text"}[option.kind]
        return f"expected {kind}, not {shown(value)}"
    if not isinstance(value, str):
        return None
    if option.choices and value not in option.choices:
        return unknown("value", value, [repr(choice)[1:-1] for choice in option.choices])
    if len(value) > option.max_length:
        return f"longer than {option.max_length} characters"
    return None
