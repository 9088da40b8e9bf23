"""What groups of settings share: their base class, types of fields, and how a wrong value is told."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

SENTENCE = "sentence"
"""Type of an error whose message continues the name of its setting."""

Seconds = Annotated[int, Field(ge=0)]
AtLeastOne = Annotated[int, Field(ge=1)]
Days = Annotated[float, Field(gt=0, le=3650)]


class SettingsGroup(BaseModel):
    """Settings of one subject.

    A field is an environment variable by its name in lower case; its title is the name where capitals matter.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    group: ClassVar[str]
    """What the subject is called in the documents."""


def wrong(rest: str) -> PydanticCustomError:
    """An error that is told as a sentence: the name of the setting, then ``rest``."""
    return PydanticCustomError(SENTENCE, "{rest}", {"rest": rest})


def items(value: object) -> object:
    """The items of a comma-separated text; every other value unchanged."""
    return tuple(item.strip() for item in value.split(",") if item.strip()) if isinstance(value, str) else value


Items = Annotated[tuple[str, ...], BeforeValidator(items)]
