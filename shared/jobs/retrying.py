"""Retrying a failed export: it goes on from the parts that are there."""

from contextlib import suppress
from uuid import uuid4

from shared.errors import Conflict, StorageUnavailable
from shared.identity.caller import Caller
from shared.jobs.records import ExportRecord
from shared.jobs.rights import check_retry
from shared.jobs.status import IllegalTransition, Status
from shared.observability.logging import current_request
from shared.services import Services


def retry(record: ExportRecord, caller: Caller, context: Services) -> ExportRecord:
    """Make a failed export Pending again.

    Raises ``NotAllowed`` when it could not be asked for now (``check_retry``), ``Conflict`` for one that did not fail,
    ``Paused``, and ``QuotaReached``.
    """
    if record.status != Status.FAILED:
        raise _not_failed(record.status)
    check_retry(record, caller, context)
    _check_resumable(record)
    limits = context.admit(record.tenant, record.export_type)
    context.usage.enter(record.tenant, record.created_by, record.id, limits, counts=False)
    try:
        record = context.records.change(
            record.tenant,
            record.id,
            f"retry-{uuid4().hex}",
            guard=_check_resumable,
            status=Status.PENDING,
            attempt=record.attempt + 1,
            started_at="",
            completed_at="",
            expires_at="",
            seen_at="",
            error_code="",
            error_message="",
            request_id=current_request(),
        )
    except IllegalTransition as other:
        raise _not_failed(other.current) from None
    with suppress(StorageUnavailable):
        context.letters.remove(record.tenant, record.id)
        message = f"{caller.name} asked to go on from the parts that are there."
        context.log.add(record.tenant, record.id, "retried", message)
    return record


def _check_resumable(record: ExportRecord) -> None:
    if record.superseded_by:
        raise Conflict(f"its rows are in a later export of its schedule: {record.superseded_by}")
    if not record.expires_at:
        raise Conflict("the export failed too long ago, and its parts were removed; ask for it again")


def _not_failed(status: str) -> Conflict:
    return Conflict(f"the export is {status}; only one that is Failed can go on")
