"""What an operation of the API is: its route, who may call it, what it takes and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import BaseModel


class Access(StrEnum):
    """Who may call an operation."""

    PUBLIC = "anybody"
    CALLER = "anybody with a valid token"
    EXPORTER = "SuperAdmin, Admin or Manager"
    OWNER = "the requester of the export, an Admin of the tenant, or a SuperAdmin"
    RECIPIENT = "the recipient of the notification"
    ADMIN = "an Admin of the tenant, or a SuperAdmin"
    OPERATOR = "SuperAdmin"
    FUNCTION_KEY = "a service with a function key"


@dataclass(frozen=True)
class Parameter:
    """A parameter in the path or, when not ``required``, in the query."""

    name: str
    summary: str
    schema: Mapping[str, Any]
    required: bool = False


@dataclass(frozen=True)
class Answer:
    """An answer that is no problem: JSON of a model, something of another media type, or nothing.

    Several media types are separated by a comma and a space.

    ``headers`` are those that it always has.
    """

    summary: str
    model: type[BaseModel] | None = None
    media_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    """Calls to go on with (by their function's name), whose ``id`` is this answer's."""


@dataclass(frozen=True)
class Operation:
    """A method of a route. ``audit`` is the action of its audit entry, None for no entry.

    ``refuses`` are problem statuses beyond those that its access and its input imply. With ``takes_forms`` a page of
    another site may post to it.
    """

    function: str
    method: str
    route: str
    summary: str
    description: str
    access: Access
    audit: str | None
    answers: Mapping[int, Answer]
    parameters: Sequence[Parameter] = ()
    body: type[BaseModel] | None = None
    refuses: Sequence[int] = ()
    tag: str = "exports"
    takes_forms: bool = False

    @property
    def operation_id(self) -> str:
        """The function's name; HEAD beside GET, which the same function answers, has another."""
        return f"{self.function.removesuffix('_head')}_head" if self.method == "HEAD" else self.function

    @property
    def problems(self) -> tuple[int, ...]:
        """Every problem status that this call may answer with."""
        found = {503, *self.refuses}
        if self.access not in (Access.PUBLIC, Access.FUNCTION_KEY):
            found |= {401, 429}
            if self.method not in ("GET", "HEAD"):
                found |= {403, 415}  # where people's sessions are cookies
        if self.access in (Access.EXPORTER, Access.OWNER, Access.ADMIN, Access.OPERATOR):
            found.add(403)
        if self.access in (Access.OWNER, Access.RECIPIENT):
            found.add(404)
        if self.access is Access.ADMIN and any(p.required for p in self.parameters):
            found.add(404)
        if self.body:
            found |= {400, 413}
        if any(not p.required for p in self.parameters):
            found.add(400)
        return tuple(sorted(found))
