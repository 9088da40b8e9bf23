"""Declaring an operation: route, method, access, audit and documentation, in one place, at its handler.

The route of the function app, HEAD beside GET, authorisation, the audit entry, the refusal of other methods and the
OpenAPI document all derive from the declaration. A handler without one is not registered.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any

import azure.durable_functions as df
import azure.functions as func
from pydantic import BaseModel

from shared.api.operations import Access, Answer, Operation, Parameter
from shared.audit.recorder import asks_for, owner_was_checked, was_named
from shared.identity.caller import Caller
from shared.settings import Settings
from triggers.http.endpoint import caller_of, endpoint

bp = df.Blueprint()

_declared: list[Operation] = []

_ROLES: Mapping[Access, Callable[[Caller], None]] = {
    Access.EXPORTER: Caller.require_exporter,
    Access.OWNER: Caller.require_exporter,
    Access.ADMIN: Caller.require_admin,
    Access.OPERATOR: Caller.require_operator,
}
_OPEN = frozenset({Access.PUBLIC, Access.FUNCTION_KEY})
_OWN = frozenset({Access.OWNER, Access.RECIPIENT})


def operation(
    method: str,
    route: str,
    *,
    summary: str,
    description: str,
    access: Access,
    audit: str | None,
    answers: Mapping[int, Answer],
    parameters: Sequence[Parameter] = (),
    body: type[BaseModel] | None = None,
    refuses: Sequence[int] = (),
    tag: str = "exports",
    head: bool = True,
    needs_settings: bool = True,
    takes_forms: bool = False,
) -> Callable[[Callable[..., Awaitable[func.HttpResponse]]], Any]:
    """Register a handler as an operation of the API. Its name is the function's name and the operation id.

    ``audit`` is the action of its audit entry (``shared/audit/log.py``), None for an operation that shows and changes
    nobody's data. GET answers HEAD too, unless ``head`` is False because another operation does. A handler with the
    parameter ``client`` gets the durable client. ``needs_settings`` is False for what answers whatever the settings
    are, ``takes_forms`` True for what a page of another site may post to.
    """

    def declare(handler: Callable[..., Awaitable[func.HttpResponse]]) -> Any:
        declared = Operation(
            function=handler.__name__,
            method=method,
            route=route,
            summary=summary,
            description=description,
            access=access,
            audit=audit,
            answers=answers,
            parameters=parameters,
            body=body,
            refuses=refuses,
            tag=tag,
            takes_forms=takes_forms,
        )
        found = [declared]
        if method == "GET" and head:
            found.append(replace(declared, method="HEAD", summary=f"{summary}: headers only"))
        taken = {(known.method, known.route) for known in _declared}
        if clash := [one for one in found if (one.method, one.route) in taken]:
            raise ValueError(f"{clash[0].method} {route} is declared twice")
        _declared.extend(found)
        built: Any = endpoint(
            _admitted(declared, handler), audit=audit, needs_settings=needs_settings, takes_forms=takes_forms
        )
        if "client" in inspect.signature(handler).parameters:
            built = bp.durable_client_input(client_name="client")(built)
        level = func.AuthLevel.FUNCTION if access is Access.FUNCTION_KEY else None
        return bp.route(route=route, methods=[one.method for one in found], auth_level=level)(built)

    return declare


def _admitted(
    declared: Operation, handler: Callable[..., Awaitable[func.HttpResponse]]
) -> Callable[..., Awaitable[func.HttpResponse]]:
    """The handler behind its access: it is called for nobody else."""

    @wraps(handler)
    async def admitted(req: func.HttpRequest, **kwargs: Any) -> func.HttpResponse:
        asks_for(declared.function, _named_in(declared.route, req.route_params))
        if declared.access not in _OPEN:
            caller = await caller_of(req)
            if check := _ROLES.get(declared.access):
                check(caller)
        answered = await handler(req=req, **kwargs)
        if declared.access in _OWN and answered.status_code < 400 and not owner_was_checked():
            raise RuntimeError(f"{declared.function} answered without a look at whose it is")
        if declared.audit and "{" in declared.route and answered.status_code < 400 and not was_named():
            raise RuntimeError(f"{declared.function} answered and did not say what it was about")
        return answered

    return admitted


def _named_in(route: str, values: Mapping[str, str]) -> str:
    """The address below ``/api`` that is called, but for tokens, which no log has.

    >>> _named_in("webhooks/{id}/ping", {"id": "wh_1"})
    'webhooks/wh_1/ping'
    """
    known = {name: value for name, value in values.items() if name != "token"}
    return re.sub(r"\{(\w+)\}", lambda found: known.get(found[1], found[0]), route)


def operations() -> tuple[Operation, ...]:
    """Every operation, in the order of declaration."""
    return tuple(_declared)


def offered(settings: Settings) -> tuple[Operation, ...]:
    """The operations that these settings offer."""
    return tuple(
        one
        for one in _declared
        if (settings.auth_mode == "dev" or one.tag != "dev")
        and (settings.service_tokens or one.access is not Access.FUNCTION_KEY)
    )
