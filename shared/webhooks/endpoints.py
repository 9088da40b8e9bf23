"""The endpoints of a tenant: where its events go, signed with what. One table row each."""

import json
import secrets
from base64 import b32encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any, Self

from azure.core.exceptions import (
    ResourceNotFoundError,
)
from azure.data.tables import TableServiceClient

from shared.storage.accounts import storage_errors
from shared.storage.limited import Limit, Locks
from shared.storage.names import WEBHOOKS_TABLE
from shared.storage.tables import change_row, ensure_table
from shared.timestamps import from_iso, iso

SECRETS_AT_ONCE = 5
"""Secrets that may be good at the same time: each is a signature in a header of limited length."""


@dataclass(frozen=True)
class Secret:
    """A signing secret. ``expires_at`` is empty for the present one, and ISO-8601 UTC for those before it."""

    secret: str = field(repr=False)
    """As it is stored: encrypted for ``Endpoint.place`` (``shared/webhooks/sealing.py``), by older releases not."""
    expires_at: str = ""


@dataclass(frozen=True)
class Endpoint:
    """One endpoint. Times are ISO-8601 UTC strings, empty when the thing has not happened; newest secret first.

    ``owner`` is the caller that made it (``Caller.to_json``), or to whom it passed. They hear when it is disabled:
    ``notice`` names a time that they have not been told of. ``ownerless_since``: the owner had left by then, and there
    was nobody to whom it could pass.
    """

    tenant: str
    id: str
    url: str
    events: tuple[str, ...]
    created_by: str
    created_at: str
    secrets: tuple[Secret, ...]
    owner: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    disabled_at: str = ""
    disabled_reason: str = ""
    failing_since: str = ""
    deleted_at: str = ""
    notice: str = ""
    ownerless_since: str = ""

    @property
    def enabled(self) -> bool:
        return not self.disabled_at

    def wants(self, event: str) -> bool:
        """Whether this event is to be delivered here."""
        return self.enabled and event in self.events

    @property
    def place(self) -> str:
        """What its secrets are encrypted for: they are good for nothing in another row."""
        return f"{self.tenant}/{self.id}"

    def signing(self, now: datetime) -> list[str]:
        """The secrets that are good at this time, as they are stored, newest first."""
        return [s.secret for s in self.secrets if not s.expires_at or now < from_iso(s.expires_at)]

    def rotated(self, new: str, now: datetime, overlap: timedelta) -> Self:
        """With a new secret, encrypted already; the one before it stays good for ``overlap``."""
        good = [s for s in self.secrets if s.secret in self.signing(now)]
        kept = [replace(s, expires_at=s.expires_at or iso(now + overlap)) for s in good]
        return replace(self, secrets=(Secret(new), *kept))

    def succeeded(self) -> Self:
        """After a delivery."""
        return replace(self, failing_since="")

    def failed(self, now: datetime, patience: timedelta) -> Self:
        """After an attempt that failed: disabled once nothing has got through for ``patience``."""
        since = self.failing_since or iso(now)
        changed = replace(self, failing_since=since)
        if now - from_iso(since) < patience:
            return changed
        return changed.given_up(now, f"every attempt since {since} has failed")

    def given_up(self, now: datetime, reason: str) -> Self:
        """Disabled, and its owner is to be told; unchanged when it is disabled."""
        if self.disabled_at:
            return self
        return replace(self.disabled(now, reason), notice=f"{self.id}/{iso(now)}")

    def disabled(self, now: datetime, reason: str) -> Self:
        """Gets nothing any more until somebody enables it; unchanged when it is disabled."""
        return self if self.disabled_at else replace(self, disabled_at=iso(now), disabled_reason=reason)

    def enabled_again(self) -> Self:
        """As if it had never failed."""
        return replace(self, disabled_at="", disabled_reason="", failing_since="", notice="", ownerless_since="")

    def to_entity(self) -> dict[str, Any]:
        """The table row."""
        values = asdict(self)
        tenant, endpoint_id = values.pop("tenant"), values.pop("id")
        values["secrets"] = json.dumps(values["secrets"])
        values["owner"] = json.dumps(dict(self.owner), ensure_ascii=False)
        values["events"] = ",".join(self.events)
        return {"PartitionKey": tenant, "RowKey": endpoint_id, **values}

    @classmethod
    def from_entity(cls, entity: Mapping[str, Any]) -> Self:
        """The endpoint in a table row; columns that this release does not know are left out."""
        known = {f.name for f in fields(cls)}
        values = {name: value for name, value in entity.items() if name in known}
        values["owner"] = json.loads(values["owner"])
        values["secrets"] = tuple(Secret(**secret) for secret in json.loads(values["secrets"]))
        values["events"] = tuple(values["events"].split(","))
        return cls(tenant=entity["PartitionKey"], id=entity["RowKey"], **values)


def new_endpoint_id() -> str:
    """An id that cannot be guessed."""
    return f"wh{b32encode(secrets.token_bytes(15)).decode().lower()}"


class Endpoints:
    """The table of endpoints. Every method raises ``StorageUnavailable`` when the account is away."""

    def __init__(self, service: TableServiceClient) -> None:
        self._table = service.get_table_client(WEBHOOKS_TABLE)
        self._locks = Locks(service)

    def prepare(self) -> None:
        """Create the tables unless they are there."""
        ensure_table(self._table)
        self._locks.prepare()

    def create(self, endpoint: Endpoint, most: int) -> bool:
        """Write a new endpoint unless its tenant has ``most``; whether it was written."""
        limit = Limit(endpoint.tenant, "webhooks", "webhooks", most, lambda: len(self.of_tenant(endpoint.tenant)))
        return self._locks.create_within(self._table, endpoint.to_entity(), limit)

    def get(self, tenant: str, endpoint_id: str) -> Endpoint | None:
        """The endpoint, or None when this tenant has none of that id any more."""
        with storage_errors():
            try:
                found = Endpoint.from_entity(self._table.get_entity(tenant, endpoint_id))
            except ResourceNotFoundError:
                return None
        return None if found.deleted_at else found

    def find(self, endpoint_id: str) -> Endpoint | None:
        """The endpoint of whatever tenant; for callers that may see all of them."""
        return next((e for e in self._query("RowKey eq @row", row=endpoint_id) if not e.deleted_at), None)

    def of_tenant(self, tenant: str) -> list[Endpoint]:
        """A tenant's endpoints, oldest first."""
        found = [e for e in self._query("PartitionKey eq @tenant", tenant=tenant) if not e.deleted_at]
        return sorted(found, key=lambda endpoint: (endpoint.created_at, endpoint.id))

    def all(self) -> Iterator[Endpoint]:
        """Every endpoint of every tenant, those too that were deleted and still have deliveries."""
        return self._query("PartitionKey ge @first", first="")

    def change(self, endpoint: Endpoint, how: Callable[[Endpoint], Endpoint]) -> Endpoint | None:
        """Change an endpoint, whoever else does at the same time; ``how`` may be called more than once.

        Gives what it has become, or None when it was deleted. Nothing is written when nothing changes.
        """

        def change(present: Endpoint) -> Endpoint | None:
            return None if present.deleted_at else how(present)

        what = f"the endpoint {endpoint.id}"
        return change_row(self._table, endpoint.tenant, endpoint.id, Endpoint.from_entity, change, what)

    def remove(self, endpoint: Endpoint) -> None:
        """Remove the row; nothing happens when it is gone."""
        with storage_errors():
            self._table.delete_entity(endpoint.tenant, endpoint.id)

    def _query(self, where: str, **parameters: str) -> Iterator[Endpoint]:
        with storage_errors():
            for entity in self._table.query_entities(where, parameters=parameters):
                yield Endpoint.from_entity(entity)
