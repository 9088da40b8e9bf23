"""Offboarding: a person has left, so what acts for them stops; and reinstating them."""

from dataclasses import dataclass
from typing import Any

from shared.errors import Conflict, NotAllowed
from shared.identity.caller import Caller
from shared.identity.people import OffboardedBy, Person
from shared.identity.presence import look_again
from shared.schedules.leavers import stop_all_of
from shared.services import Services
from shared.timestamps import utc_now
from shared.webhooks import leavers


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
    passed = [e for e in owned if leavers.look_after(e, now, context).owner.get("user", e.created_by) != user]
    return Done(person, schedules, links, len(passed))


def reinstate(tenant: str, user: str, caller: Caller, context: Services) -> None:
    """Let a person in again; what was stopped stays so. Raises ``NotAllowed`` for what an operator did."""
    known = context.people.get(tenant, user)
    if known is not None and known.offboarded_as == "operator" and not caller.all_tenants:
        raise NotAllowed("an operator has offboarded this person; an operator lifts it")
    context.people.reinstate(tenant, user)
    look_again(tenant, user)
