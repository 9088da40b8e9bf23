"""Who asked first: one table row for each request or idempotency key, so that equal requests become one export.

The row is written before the export's record and names the export's id. Whoever finds a row without a record writes
that record, under that id: a process that dies in between loses nothing, and nobody waits for anybody.
"""

import hashlib
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceResponseError,
)
from azure.data.tables import TableEntity, TableServiceClient, UpdateMode

from shared.errors import KeyReused, StorageUnavailable
from shared.identity.caller import Caller
from shared.jobs.records import ExportRecord, ExportRecords
from shared.jobs.status import FINAL, Status
from shared.storage.accounts import storage_errors
from shared.storage.names import CLAIMS_TABLE
from shared.storage.tables import ensure_table, entity_page
from shared.timestamps import from_iso, utc_now

_RACES = 20
"""How often it is looked again because somebody else was faster, or the answer was lost."""

_LOST_ANSWERS = 3

_ABANDONED_AFTER = timedelta(minutes=15)
"""Longer than any function may run: whoever made a claim so old and wrote no record will not write one any more."""

LEFT_OVER_AFTER = 2 * _ABANDONED_AFTER
"""Whoever took over a claim that was not abandoned yet has written its record by then, too."""


@dataclass(frozen=True)
class Claim:
    """``row`` is what is claimed, ``fingerprint`` the whole request; ``created_at`` is ISO-8601 UTC."""

    row: str
    fingerprint: str
    export_id: str = ""
    created_at: str = ""


def key_claim(caller: Caller, key: str, fingerprint: str) -> Claim:
    """The claim of a request with an ``Idempotency-Key``: one export for each key of a user, whatever becomes of it."""
    return Claim(f"key-{_digest(caller.user, key)}", fingerprint)


def request_claim(caller: Caller, fingerprint: str) -> Claim:
    """The claim of a request without a key: one export for equal requests of a user, while it is of use."""
    return Claim(f"request-{_digest(caller.user, fingerprint)}", fingerprint)


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(f"{len(text)} {text}" for text in texts).encode()).hexdigest()


class Claims:
    """The table of claims. Every method raises ``StorageUnavailable`` when the account is away."""

    def __init__(self, service: TableServiceClient) -> None:
        self._table = service.get_table_client(CLAIMS_TABLE)

    def prepare(self) -> None:
        """Create the table unless it is there."""
        ensure_table(self._table)

    def take(self, tenant: str, claim: Claim) -> Claim:
        """Write the claim unless there is one for its row; give the one that is there now."""
        for _ in range(_LOST_ANSWERS):
            with storage_errors():
                try:
                    self._table.create_entity(_entity(tenant, claim))
                except (ResourceExistsError, ServiceResponseError):
                    if (found := self._get(tenant, claim.row)) is not None:
                        return found[0]
                else:
                    return claim
        raise StorageUnavailable("the request is being made too often at the same time; try again")

    def replace(self, tenant: str, old: Claim, new: Claim) -> Claim:
        """Put a claim in the place of one whose export is of no use any more; give the one that is there now."""
        with storage_errors():
            found = self._get(tenant, old.row)
            if found is None:
                return self.take(tenant, new)
            present, etag = found
            if present != old:
                return present
            try:
                self._table.update_entity(
                    _entity(tenant, new),
                    mode=UpdateMode.REPLACE,
                    etag=etag,
                    match_condition=MatchConditions.IfNotModified,
                )
            except (ResourceModifiedError, ResourceNotFoundError, ServiceResponseError):
                return self.take(tenant, new)
        return new

    def forget(self, tenant: str, row: str, export_id: str) -> None:
        """Remove the claim of an export; nothing happens when it is gone, or belongs to a later one."""
        with storage_errors():
            found = self._get(tenant, row)
            if found is not None and found[0].export_id == export_id:
                with suppress(ResourceModifiedError, ResourceNotFoundError):
                    self._table.delete_entity(tenant, row, etag=found[1], match_condition=MatchConditions.IfNotModified)

    def refuse(self, tenant: str, claim: Claim) -> None:
        """Note that the request of a claim was refused, so that the claim is removed one day; a later one is left."""
        with storage_errors():
            found = self._get(tenant, claim.row)
            if found is not None and found[0] == claim:
                with suppress(ResourceModifiedError, ResourceNotFoundError):
                    self._table.update_entity(
                        {"PartitionKey": tenant, "RowKey": claim.row, "refused": True},
                        mode=UpdateMode.MERGE,
                        etag=found[1],
                        match_condition=MatchConditions.IfNotModified,
                    )

    def left_over(
        self, refused_before: str, made_before: str, after: str, limit: int
    ) -> tuple[list[tuple[str, Claim]], str]:
        """Up to ``limit`` claims that may have no export, each with its tenant, and where to go on, empty at the end.

        They are those of requests that were refused, made before the first time, and all that were made before the
        second one (ISO-8601 UTC).
        """
        where = f"(refused eq true and created_at lt '{refused_before}') or created_at lt '{made_before}'"
        found, cursor = entity_page(self._table, where, after, limit)
        return [(entity["PartitionKey"], _claim(entity)) for entity in found], cursor

    def keep(self, tenant: str, claim: Claim) -> None:
        """Note that a claim has its export after all."""
        with storage_errors(), suppress(ResourceNotFoundError):
            self._table.update_entity({"PartitionKey": tenant, "RowKey": claim.row, "refused": False})

    def _get(self, tenant: str, row: str) -> tuple[Claim, str] | None:
        try:
            entity = self._table.get_entity(tenant, row)
        except ResourceNotFoundError:
            return None
        return _claim(entity), str(entity.metadata["etag"])


def _claim(entity: TableEntity) -> Claim:
    return Claim(entity["RowKey"], entity["fingerprint"], entity["export_id"], entity["created_at"])


def _entity(tenant: str, claim: Claim) -> dict[str, Any]:
    values = asdict(claim)
    return {"PartitionKey": tenant, "RowKey": values.pop("row"), **values}


@dataclass(frozen=True)
class Holder:
    """The export that a request gets; ``record`` is None until somebody has written it."""

    claim: Claim
    record: ExportRecord | None


def holder(wanted: ExportRecord, claim: Claim, window: timedelta, claims: Claims, records: ExportRecords) -> Holder:
    """Whose export answers this request: the ``wanted`` one, or an earlier one that does as well.

    A key's export does whatever became of it; an equal request's while it runs, and for ``window`` after it completed.
    Raises ``KeyReused`` when the key came with another request before, and ``StorageUnavailable``.
    """
    keyed = claim.row.startswith("key-")
    ours = replace(claim, export_id=wanted.id, created_at=wanted.created_at)
    held = claims.take(wanted.tenant, ours)
    for _ in range(_RACES):
        if held == ours:
            return Holder(ours, None)
        if held.fingerprint != claim.fingerprint:
            raise KeyReused(
                "this Idempotency-Key came with another request before; send that request again, or use a new key"
            )
        record = records.get(wanted.tenant, held.export_id)
        now = utc_now()
        if record is None:
            useful = now - from_iso(held.created_at) < _ABANDONED_AFTER
        else:
            useful = keyed or _does_as_well(record, window, now)
        if useful:
            return Holder(held, record)
        held = claims.replace(wanted.tenant, held, ours)
    raise StorageUnavailable("the request is being made too often at the same time; try again")


def _does_as_well(record: ExportRecord, window: timedelta, now: datetime) -> bool:
    if record.status not in FINAL:
        return True
    return (
        record.status == Status.COMPLETED
        and now - from_iso(record.completed_at) < window
        and now < from_iso(record.expires_at)
    )
