"""The links that went out: each as the hash of its token, never as the token itself.

Two tables. ``SluiceLinkTokens`` finds what a token stands for: its SHA-256 is the key of a row. ``SluiceLinks`` has the
state of each link to a file under its tenant and export, so that the links of an export can be listed and revoked. A
token that has no row opens nothing.
"""

from dataclasses import dataclass, fields, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Self

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableClient, TableServiceClient

from shared.storage.accounts import storage_errors
from shared.storage.names import LINK_TOKENS_TABLE, LINKS_TABLE
from shared.storage.tables import change_row, delete_row, ensure_table, entity_page, quoted
from shared.storage.user_key import person_key
from shared.timestamps import iso

_FILE, _UNSUBSCRIBE = "file", "unsubscribe"
_PERSON = "person-"
"""Row keys that begin with it are people, not links; their rows have a time and nothing else."""

_PERSONS_END = "person."
"""Sorts after all of them."""


@dataclass(frozen=True)
class Link:
    """A link to the file of an export. ``id`` is the hash of its token, ``user`` the person it was sent to.

    ``generation`` is that of the export's links when it was made, and ``key`` the id of the key that its token was made
    with. Times are ISO-8601 UTC; ``revoked_at`` is empty while the link is good.
    """

    tenant: str
    export_id: str
    id: str
    user: str
    channel: str
    kind: str
    generation: int
    created_at: str
    key: str = ""
    revoked_at: str = ""

    def to_entity(self) -> dict[str, Any]:
        """The row of ``SluiceLinks``."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "tenant"}
        return {"PartitionKey": self.tenant, "RowKey": f"{self.export_id}-{self.id}", **values}

    @classmethod
    def from_entity(cls, entity: Any) -> Self:
        """The link in a row; columns that this release does not know are left out."""
        known = {f.name for f in fields(cls)}
        return cls(tenant=entity["PartitionKey"], **{name: v for name, v in entity.items() if name in known})


@dataclass(frozen=True)
class RevokedPerson:
    """All links that were made for a person up to ``revoked_at`` (ISO-8601 UTC) are worthless; ``row`` is their key."""

    tenant: str
    row: str
    revoked_at: str


def token_hash(token: str) -> str:
    """What is kept of a token: its SHA-256, in hexadecimal."""
    return sha256(token.encode()).hexdigest()


class Links:
    """The tables. Every method raises ``StorageUnavailable`` when the account is away."""

    def __init__(self, service: TableServiceClient) -> None:
        self._links = service.get_table_client(LINKS_TABLE)
        self._tokens = service.get_table_client(LINK_TOKENS_TABLE)

    def prepare(self) -> None:
        """Create the tables unless they are there."""
        for table in (self._links, self._tokens):
            ensure_table(table)

    def keep(self, link: Link) -> None:
        """Remember a link before it is sent. Once: the same link again changes nothing, also when it was revoked."""
        with storage_errors():
            _create(self._links, link.to_entity())
            target = {"tenant": link.tenant, "export_id": link.export_id}
            _create(self._tokens, {"PartitionKey": link.id, "RowKey": "", "purpose": _FILE, **target})

    def keep_unsubscribe(self, token: str, tenant: str, user: str) -> None:
        """Remember the link with which a person switches mail off; it stays, as mails do."""
        row = {"PartitionKey": token_hash(token), "RowKey": "", "purpose": _UNSUBSCRIBE}
        with storage_errors():
            _create(self._tokens, {**row, "tenant": tenant, "user": user})

    def find(self, token: str) -> Link | None:
        """The link with this token, revoked or not; None when there is none."""
        target = self._target(token, _FILE)
        if target is None:
            return None
        link = self._get(target["tenant"], target["export_id"], token_hash(token))
        if link is None or link.revoked_at:
            return link
        return replace(link, revoked_at=self._revoked(link.tenant, link.user, link.created_at))

    def unsubscribes(self, token: str) -> tuple[str, str] | None:
        """The tenant and the user whose mail this token switches off; None when it is none of these tokens."""
        target = self._target(token, _UNSUBSCRIBE)
        return (target["tenant"], target["user"]) if target else None

    def of_export(self, tenant: str, export_id: str) -> list[Link]:
        """The links to the file of an export, oldest first."""
        first, last = f"{export_id}-", f"{export_id}."
        where = f"PartitionKey eq '{quoted(tenant)}' and RowKey ge '{quoted(first)}' and RowKey lt '{quoted(last)}'"
        with storage_errors():
            found = [Link.from_entity(entity) for entity in self._links.query_entities(where)]
        return sorted(found, key=lambda link: (link.created_at, link.id))

    def revoke(self, tenant: str, export_id: str, link_id: str, now: datetime) -> Link | None:
        """Make one link worthless; None when there is none. A second time changes nothing."""

        def how(link: Link) -> Link:
            return link if link.revoked_at else replace(link, revoked_at=iso(now))

        row = f"{export_id}-{link_id}"
        return change_row(self._links, tenant, row, Link.from_entity, how, f"the link {link_id}")

    def revoke_links_of(self, tenant: str, user: str, now: datetime) -> int:
        """Make every link worthless that was made for a person up to now; give how many were good until then.

        What is on its way at this moment is covered too, and so are links of releases that kept no rows of them.
        """
        person = {"PartitionKey": tenant, "RowKey": _PERSON + person_key(user), "revoked_at": iso(now)}
        where = f"PartitionKey eq '{quoted(tenant)}' and user eq '{quoted(user)}' and revoked_at eq ''"
        with storage_errors():
            self._links.upsert_entity(person)
            found = [Link.from_entity(entity) for entity in self._links.query_entities(where)]
        return sum(self.revoke(tenant, link.export_id, link.id, now) is not None for link in found)

    def were_revoked(self, tenant: str, user: str, made_at: str) -> bool:
        """Whether the links that were made for a person at this time (ISO-8601 UTC) were revoked with all of theirs."""
        return bool(self._revoked(tenant, user, made_at))

    def forget(self, tenant: str, export_id: str) -> None:
        """Remove the links of an export."""
        for link in self.of_export(tenant, export_id):
            self.delete(link)

    def delete(self, link: Link) -> None:
        """Remove a link: its token first, so that what a crash leaves is found again."""
        with storage_errors():
            self._tokens.delete_entity(link.id, "")
            self._links.delete_entity(link.tenant, f"{link.export_id}-{link.id}")

    def older(self, before: str, cursor: str, limit: int) -> tuple[list[Link], str]:
        """Up to ``limit`` links of all tenants that were made before this time (ISO-8601 UTC); see ``entity_page``."""
        found, after = entity_page(self._links, f"created_at lt '{before}'", cursor, limit)
        return [Link.from_entity(entity) for entity in found], after

    def people_revoked(self, before: str, cursor: str, limit: int) -> tuple[list[RevokedPerson], str]:
        """Up to ``limit`` people of all tenants whose links were revoked before this time; see ``entity_page``."""
        where = f"RowKey ge '{_PERSON}' and RowKey lt '{_PERSONS_END}' and revoked_at lt '{before}'"
        found, after = entity_page(self._links, where, cursor, limit)
        return [RevokedPerson(e["PartitionKey"], e["RowKey"], e["revoked_at"]) for e in found], after

    def forget_person(self, person: RevokedPerson) -> bool:
        """Forget that the links of a person were revoked; False when they were so again meanwhile."""
        with storage_errors():
            try:
                row = self._links.get_entity(person.tenant, person.row)
            except ResourceNotFoundError:
                return False
        return row["revoked_at"] == person.revoked_at and delete_row(self._links, row)

    def _target(self, token: str, purpose: str) -> dict[str, str] | None:
        with storage_errors():
            try:
                row = self._tokens.get_entity(token_hash(token), "")
            except ResourceNotFoundError:
                return None
        return dict(row) if row["purpose"] == purpose else None

    def _get(self, tenant: str, export_id: str, link_id: str) -> Link | None:
        with storage_errors():
            try:
                return Link.from_entity(self._links.get_entity(tenant, f"{export_id}-{link_id}"))
            except ResourceNotFoundError:
                return None

    def _revoked(self, tenant: str, user: str, made_at: str) -> str:
        """When all links of a person were revoked, if one that was made at this time was among them."""
        with storage_errors():
            try:
                at = str(self._links.get_entity(tenant, _PERSON + person_key(user))["revoked_at"])
            except ResourceNotFoundError:
                return ""
        return at if made_at <= at else ""


def _create(table: TableClient, entity: dict[str, Any]) -> None:
    try:
        table.create_entity(entity)
    except ResourceExistsError:
        return
