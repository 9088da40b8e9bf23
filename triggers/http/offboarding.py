"""``/users/{user}/offboard`` and ``/ops/users/{tenant}/{user}/offboard``: a person has left, or comes back."""

from urllib.parse import unquote, urlsplit

import azure.functions as func

from shared.api import schemas
from shared.api.operations import Access, Answer
from shared.audit.recorder import about
from shared.errors import NotFound
from shared.identity.caller import USER_LIMIT, Caller
from shared.identity.offboarding import offboard, reinstate
from triggers.http.endpoint import caller_of, in_thread, json_response, request_services
from triggers.http.operation import operation
from triggers.http.ops import name_of
from triggers.http.parameters import TENANT_NAME, USER_ID


@operation(
    "POST",
    "users/{user}/offboard",
    summary="Offboard a person",
    description=(
        "Stops the schedules of a person of the tenant, revokes their links, drops their unsent mails, and "
        "refuses their calls."
    ),
    access=Access.ADMIN,
    audit="changed",
    answers={200: Answer("What was stopped.", schemas.Offboarded)},
    parameters=(USER_ID,),
    refuses=(404, 409),
    tag="admin",
)
async def offboard_user(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    return await _offboard(req, caller.tenant, caller)


@operation(
    "DELETE",
    "users/{user}/offboard",
    summary="Reinstate a person",
    description=(
        "Lets a person of the tenant call again who was offboarded. Stopped schedules and revoked links stay so."
    ),
    access=Access.ADMIN,
    audit="changed",
    answers={204: Answer("The person may call again.")},
    parameters=(USER_ID,),
    refuses=(404,),
    tag="admin",
)
async def reinstate_user(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    return await _reinstate(req, caller.tenant, caller)


@operation(
    "POST",
    "ops/users/{tenant}/{user}/offboard",
    summary="Offboard a person of a tenant",
    description=(
        "Stops the schedules of a person, revokes their links, drops their unsent mails, and refuses their calls."
    ),
    access=Access.OPERATOR,
    audit="changed",
    answers={200: Answer("What was stopped.", schemas.Offboarded)},
    parameters=(TENANT_NAME, USER_ID),
    refuses=(404, 409),
    tag="admin",
)
async def offboard_user_of(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    return await _offboard(req, name_of(req, "tenant"), caller)


@operation(
    "DELETE",
    "ops/users/{tenant}/{user}/offboard",
    summary="Reinstate a person of a tenant",
    description="Lets a person call again who was offboarded. Stopped schedules and revoked links stay so.",
    access=Access.OPERATOR,
    audit="changed",
    answers={204: Answer("The person may call again.")},
    parameters=(TENANT_NAME, USER_ID),
    refuses=(404,),
    tag="admin",
)
async def reinstate_user_of(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    return await _reinstate(req, name_of(req, "tenant"), caller)


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
