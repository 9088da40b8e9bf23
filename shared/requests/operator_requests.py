"""What operators do about dead letters and legal holds; see ``docs/how-to/operations.md``."""

from typing import Annotated, Any

from pydantic import Field

from shared.catalog.registry import export_types
from shared.jobs.dead_letters import FailureClass
from shared.requests.export_request import WHOLE, Body, Line

TENANT_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"


class HoldRequest(Body):
    """Why an export is to be kept."""

    reason: Annotated[Line, Field(max_length=200)] = Field(
        description="Why the export is kept, for example the number of a case."
    )


def _known_types(schema: dict[str, Any]) -> None:
    """Names the export types in the schema of a field."""
    schema["enum"] = [t.name for t in export_types()]


class RedriveRequest(Body):
    """Which dead letters to drive again: all that fit, up to a number."""

    tenant: Annotated[str, Field(pattern=TENANT_PATTERN)] | None = Field(
        default=None, description="Only dead letters of this tenant."
    )
    export_type: Annotated[str, Field(json_schema_extra=_known_types)] | None = Field(
        default=None, description="Only dead letters of this export type."
    )
    failure_class: Annotated[FailureClass, Field(strict=False)] | None = Field(
        default=None, description="Only dead letters with this kind of cause."
    )
    limit: Annotated[int, Field(ge=1, le=100), WHOLE] = Field(
        default=100, description="The most dead letters to run again."
    )
