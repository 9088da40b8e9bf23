"""What answers have in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, RootModel
from pydantic.alias_generators import to_camel


class Resource(BaseModel):
    """An object in an answer: camelCase, times in UTC, nothing but these fields."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class StoredRequest(RootModel[dict[str, Any]]):
    """A body of ``POST /exports``, with the fields that were given."""


class ErrorEntry(Resource):
    """One wrong field."""

    field: str = Field(description="Path of the field, such as dateRange.from or columns.1.")
    message: str = Field(description="What was received and what is valid.")


class Problem(Resource):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="urn:sluice:problem:<code>; the code is stable.")
    title: str = Field(description="The kind of problem in a few words, the same for every problem of this type.")
    status: int = Field(description="The HTTP status of the answer.")
    detail: str = Field(description="A sentence for a person.")
    errors: list[ErrorEntry] = Field(default_factory=list, description="With validation-failed: every wrong field.")


class ExportLink(Resource):
    """The export that a run, a hold or a notification is about."""

    export: str = Field(description="The address of the export's status.")
