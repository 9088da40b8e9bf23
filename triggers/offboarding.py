"""``/users/{user}/offboard`` and ``/ops/users/{tenant}/{user}/offboard``: a person has left, or comes back."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import azure.durable_functions as df
import azure.functions as func

from shared.clock import utc_now
from shared.errors import Conflict, NotAllowed, NotFound
from shared.identity import USER_LIMIT, Caller
from shared.people import OffboardedBy, Person
from shared.schedules.ownership import stop_all_of
from shared.services import Services
from shared.webhooks import ownership
from triggers.admin import name_of, operator_of
from triggers.http import caller_of, endpoint, in_thread, json_response, request_services
from triggers.presence import look_again
from triggers.trail import about

bp = df.Blueprint()


@dataclass(frozen=True)
class Done:
    """What was stopped for a person who has left."""

    person: Person
    schedules: int
    links: int
    webhooks: int

    def to_json(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "tenant": self.person.tenant,
            "user": self.person.user,
            "offboardedAt": self.person.offboarded_at,
            "offboardedBy": self.person.offboarded_by,
            "schedulesStopped": self.schedules,
            "linksRevoked": self.links,
            "webhooksPassed": self.webhooks,
        }


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


def offboard(tenant: str, user: str, caller: Caller, context: Services) -> Done:
    """Shut a person out, and stop what acts for them: schedules, links in mails, webhooks. A second time is the same.

    From the first step on no schedule of theirs runs and no mail to them goes out. Raises ``Conflict`` and
    ``NotAllowed``.
    """
    if (tenant, user) == (caller.tenant, caller.user):
        raise Conflict("you cannot offboard yourself; somebody else does")
    known = context.people.get(tenant, user)
    if known is not None and known.operates and not caller.all_tenants:
        raise NotAllowed("an operator is offboarded by operators only")
    now = utc_now()
    as_what: OffboardedBy = "operator" if caller.all_tenants else "admin"
    person = context.people.offboard(tenant, user, caller.user, as_what, now)
    look_again(tenant, user)
    schedules = stop_all_of(tenant, user, now, context)
    links = context.links.revoke_links_of(tenant, user, now)
    owned = [e for e in context.endpoints.of_tenant(tenant) if e.owner.get("user", e.created_by) == user]
    passed = [e for e in owned if ownership.look_after(e, now, context).owner.get("user", e.created_by) != user]
    return Done(person, schedules, links, len(passed))


def reinstate(tenant: str, user: str, caller: Caller, context: Services) -> None:
    """Let a person in again; what was stopped stays so. Raises ``NotAllowed`` for what an operator did."""
    known = context.people.get(tenant, user)
    if known is not None and known.offboarded_as == "operator" and not caller.all_tenants:
        raise NotAllowed("an operator has offboarded this person; an operator lifts it")
    context.people.reinstate(tenant, user)
    look_again(tenant, user)
