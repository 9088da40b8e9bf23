"""``/users/{user}/offboard`` and ``/ops/users/{tenant}/{user}/offboard``: a person has left, or comes back."""

from urllib.parse import unquote, urlsplit

import azure.durable_functions as df
import azure.functions as func

from shared.audit.recorder import about
from shared.errors import NotFound
from shared.identity.caller import USER_LIMIT, Caller
from shared.identity.offboarding import offboard, reinstate
from triggers.http.endpoint import caller_of, endpoint, in_thread, json_response, request_services
from triggers.http.ops import name_of, operator_of

bp = df.Blueprint()


@bp.route(route="users/{user}/offboard", methods=["POST"])
@endpoint
async def offboard_user(req: func.HttpRequest) -> func.HttpResponse:
    caller = await _admin_of(req)
    return await _offboard(req, caller.tenant, caller)


@bp.route(route="users/{user}/offboard", methods=["DELETE"])
@endpoint
async def reinstate_user(req: func.HttpRequest) -> func.HttpResponse:
    caller = await _admin_of(req)
    return await _reinstate(req, caller.tenant, caller)


@bp.route(route="ops/users/{tenant}/{user}/offboard", methods=["POST"])
@endpoint
async def offboard_user_of(req: func.HttpRequest) -> func.HttpResponse:
    caller = await operator_of(req)
    return await _offboard(req, name_of(req, "tenant"), caller)


@bp.route(route="ops/users/{tenant}/{user}/offboard", methods=["DELETE"])
@endpoint
async def reinstate_user_of(req: func.HttpRequest) -> func.HttpResponse:
    caller = await operator_of(req)
    return await _reinstate(req, name_of(req, "tenant"), caller)


async def _admin_of(req: func.HttpRequest) -> Caller:
    caller = await caller_of(req)
    caller.require_admin()
    return caller


async def _offboard(req: func.HttpRequest, tenant: str, caller: Caller) -> func.HttpResponse:
    user = user_of(req)
    about(tenant, subject=f"offboarded {user}")
    context = await request_services()
    return json_response((await in_thread(offboard, tenant, user, caller, context)).to_json())


async def _reinstate(req: func.HttpRequest, tenant: str, caller: Caller) -> func.HttpResponse:
    user = user_of(req)
    about(tenant, subject=f"reinstated {user}")
    context = await request_services()
    await in_thread(reinstate, tenant, user, caller, context)
    return func.HttpResponse(status_code=204)


def user_of(req: func.HttpRequest) -> str:
    """The user's id in the address: any printable characters, each percent-encoded where need be, a slash as ``%2F``.

    It is taken from the address itself, because ASP.NET Core leaves an encoded slash in a route's value as it is.
    Raises ``NotFound`` for what cannot be one.
    """
    segment = urlsplit(req.url).path.rstrip("/").split("/")[-2]
    try:
        user = unquote(segment, errors="strict")
    except UnicodeDecodeError:
        user = ""
    if not (1 <= len(user) <= USER_LIMIT and user.isprintable()):
        valid = f"1 to {USER_LIMIT} printable characters, percent-encoded as UTF-8"
        raise NotFound(f"there is no user '{segment[:80]}'; a user's id has {valid}")
    return user
