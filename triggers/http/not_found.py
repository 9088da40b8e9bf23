"""Whatever no other function takes: an address that is not there, or a method that an address does not have.

Hosts answer both with an empty 404; we say which it is (RFC 9110, section 15.5.6), and answer OPTIONS.
"""

import azure.durable_functions as df
import azure.functions as func

from shared.errors import MethodNotAllowed, NotFound
from shared.settings import settings
from triggers.http.endpoint import endpoint
from triggers.http.middleware import preflight
from triggers.http.operation import offered

bp = df.Blueprint()


async def elsewhere(req: func.HttpRequest) -> func.HttpResponse:
    allowed = methods_of(req.route_params.get("path", ""))
    if not allowed:
        raise NotFound("there is nothing here")
    if req.method == "OPTIONS":
        methods = ", ".join(allowed)
        return func.HttpResponse(status_code=204, headers={"Allow": methods, **preflight(req, methods)})
    raise MethodNotAllowed(req.method, allowed)


bp.route(route="{*path}")(endpoint(elsewhere, audit=None))


def methods_of(path: str) -> tuple[str, ...]:
    """The methods that an address has, in alphabetical order; none when it is not there."""
    wanted = path.strip("/").split("/")
    found = {call.method for call in offered(settings()) if _fits(call.route.split("/"), wanted)}
    return tuple(sorted({*found, "OPTIONS"})) if found else ()


def _fits(route: list[str], path: list[str]) -> bool:
    return len(route) == len(path) and all(
        bool(there) if part.startswith("{") else part == there.lower() for part, there in zip(route, path, strict=True)
    )
