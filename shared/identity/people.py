"""Who called lately and as what, and who has left: one row for each person of a tenant.

What somebody may do is known from their calls alone. The last of it is kept, so that what acts for them later (a
schedule, a webhook) does not act on rights that they have lost; and who was offboarded stays so until that is lifted.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, Self

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableEntity, TableServiceClient

from shared.identity import roles
from shared.identity.caller import Caller
from shared.storage.accounts import storage_errors
from shared.storage.names import PEOPLE_TABLE
from shared.storage.tables import change_row, delete_row, ensure_table, entity_page, quoted
from shared.storage.user_key import person_key
from shared.timestamps import iso

LEFT = "its owner was offboarded"
"""Why something of a person who has left is stopped."""

OffboardedBy = Literal["", "admin", "operator"]
"""As what somebody offboarded a person; what an operator did, only operators lift."""

_OFFBOARDING = ("offboarded_at", "offboarded_by", "offboarded_as")


@dataclass(frozen=True)
class Person:
    """Somebody of a tenant. ``caller`` is as of their last call (``Caller.to_json``), empty when there was none.

    Times are ISO-8601 UTC, empty when the thing has not happened.
    """

    tenant: str
    user: str
    roles: tuple[str, ...] = ()
    caller: Mapping[str, Any] = field(default_factory=dict)
    seen_at: str = ""
    offboarded_at: str = ""
    offboarded_by: str = ""
    offboarded_as: OffboardedBy = ""

    @property
    def operates(self) -> bool:
        return roles.operates(self.roles)

    @property
    def administers(self) -> bool:
        """May look after what belongs to the whole tenant."""
        return not self.offboarded_at and roles.administers(self.roles)

    @property
    def exports(self) -> bool:
        """May have what they asked for: their last call was that of somebody who may export."""
        return not self.offboarded_at and roles.exports(self.roles)

    def was(self, caller: Caller) -> bool:
        """Whether they came as the same at their last call."""
        return bool(self.caller) and Caller.from_json(self.caller) == Caller.from_json(caller.to_json())

    def only_offboarded(self) -> Self:
        """What is kept of somebody who was offboarded: that, by whom, and the id."""
        return replace(self, roles=(), caller={}, seen_at="")

    def to_entity(self) -> dict[str, Any]:
        """The table row."""
        offboarding = {name: getattr(self, name) for name in _OFFBOARDING}
        seen = _seen(self.roles, self.caller, self.seen_at)
        return {"PartitionKey": self.tenant, "RowKey": person_key(self.user), "user": self.user, **seen, **offboarding}

    @classmethod
    def from_entity(cls, entity: Mapping[str, Any]) -> Self:
        """The person in a table row; columns that this release does not know are left out."""
        caller = entity.get("caller")
        return cls(
            tenant=entity["PartitionKey"],
            user=entity["user"],
            roles=tuple(filter(None, str(entity.get("roles", "")).split(","))),
            caller=json.loads(caller) if caller else {},
            seen_at=entity.get("seen_at", ""),
            **{name: entity.get(name, "") for name in _OFFBOARDING},
        )


class People:
    """The table of people. Every method raises ``StorageUnavailable`` when the account is away."""

    def __init__(self, service: TableServiceClient) -> None:
        self._table = service.get_table_client(PEOPLE_TABLE)

    def prepare(self) -> None:
        """Create the table unless it is there."""
        ensure_table(self._table)

    def get(self, tenant: str, user: str) -> Person | None:
        """The person; None when they never called and nobody offboarded them."""
        entity = self._entity(tenant, user)
        return None if entity is None else Person.from_entity(entity)

    def has_left(self, tenant: str, user: str) -> bool:
        """Whether the person was offboarded."""
        person = self.get(tenant, user)
        return person is not None and bool(person.offboarded_at)

    def may_have(self, tenant: str, user: str) -> bool:
        """Whether the person may have what they asked for; of somebody who never called nothing else is known."""
        person = self.get(tenant, user)
        return person is None or person.exports

    def note(self, caller: Caller, now: datetime) -> None:
        """Keep what a caller is now. Nothing is kept of who was offboarded, also by a call that began before."""

        def how(person: Person) -> Person:
            if person.offboarded_at:
                return person
            return replace(person, roles=caller.roles, caller=caller.to_json(), seen_at=iso(now))

        self._change(caller.tenant, caller.user, how)

    def offboard(self, tenant: str, user: str, by: str, as_what: OffboardedBy, now: datetime) -> Person:
        """Note that a person has left; once, but an operator's word replaces an Admin's. The rest goes."""

        def how(person: Person) -> Person:
            if person.offboarded_at and (person.offboarded_as == "operator" or as_what == "admin"):
                return person.only_offboarded()
            left = Person(tenant, user, offboarded_at=person.offboarded_at or iso(now))
            return replace(left, offboarded_by=by, offboarded_as=as_what)

        return self._change(tenant, user, how)

    def reinstate(self, tenant: str, user: str) -> None:
        """Let a person in again, as if they had never called; nothing happens when nobody had offboarded them."""
        while (entity := self._entity(tenant, user)) is not None and Person.from_entity(entity).offboarded_at:
            if delete_row(self._table, entity):
                return

    def admins(self, tenant: str) -> list[Person]:
        """The people who administer a tenant, as far as they have called; who called last comes first."""
        where = f"PartitionKey eq '{quoted(tenant)}' and admin eq true"
        with storage_errors():
            found = [Person.from_entity(entity) for entity in self._table.query_entities(where)]
        known = [person for person in found if person.administers and person.caller]
        return sorted(known, key=lambda person: person.seen_at, reverse=True)

    def not_seen_since(self, before: str, cursor: str, limit: int) -> tuple[list[Person], str]:
        """Up to ``limit`` people whose last call was before this time (ISO-8601 UTC); see ``entity_page``.

        Of who was offboarded those of whom more than that is kept, such as by an older release, whatever their time.
        """
        where = f"seen_at gt '' and (seen_at lt '{before}' or offboarded_at gt '')"
        found, after = entity_page(self._table, where, cursor, limit)
        return [Person.from_entity(entity) for entity in found], after

    def forget(self, person: Person) -> bool:
        """Remove what is known of a person, but that they were offboarded; False when it is not as ``person`` says."""
        if person.offboarded_at:
            forgotten = self._change(person.tenant, person.user, lambda p: p.only_offboarded() if p == person else p)
            return forgotten == person.only_offboarded()
        entity = self._entity(person.tenant, person.user)
        return entity is not None and Person.from_entity(entity) == person and delete_row(self._table, entity)

    def _entity(self, tenant: str, user: str) -> TableEntity | None:
        with storage_errors():
            try:
                return self._table.get_entity(tenant, person_key(user))
            except ResourceNotFoundError:
                return None

    def _change(self, tenant: str, user: str, how: Callable[[Person], Person]) -> Person:
        """Change the row of a person, or make it; ``how`` may be called more than once, and gives what is kept."""
        row, nobody = person_key(user), Person(tenant, user)
        while True:
            changed = change_row(self._table, tenant, row, Person.from_entity, how, "what is known of a person")
            if changed is not None:
                return changed
            made = how(nobody)
            if made == nobody:
                return nobody
            with storage_errors():
                try:
                    self._table.create_entity(made.to_entity())
                except ResourceExistsError:
                    continue
            return made


def _seen(held: tuple[str, ...], caller: Mapping[str, Any], seen_at: str) -> dict[str, Any]:
    """The columns that a call writes; a service is nobody to whom anything could pass."""
    admin = not caller.get("service") and roles.administers(held)
    text = json.dumps(dict(caller), ensure_ascii=False) if caller else ""
    return {"roles": ",".join(held), "admin": admin, "caller": text, "seen_at": seen_at}
