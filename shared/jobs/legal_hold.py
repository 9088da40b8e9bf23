"""Legal holds: retention removes nothing of an export that is under one."""

from uuid import uuid4

from shared.errors import Conflict
from shared.identity.caller import Caller
from shared.jobs.deletion import FORGETTING, REMOVING
from shared.jobs.records import ExportRecord
from shared.services import Services


def hold(record: ExportRecord, reason: str, caller: Caller, context: Services) -> ExportRecord:
    """Put an export under a hold for this reason, or lift it with an empty one. Raises ``Conflict``: it is going."""

    def check(present: ExportRecord) -> None:
        if present.phase in (REMOVING, FORGETTING):
            raise Conflict("the export is being removed at this moment")

    changed = context.records.change(record.tenant, record.id, f"hold-{uuid4().hex}", guard=check, hold=reason)
    action, message = ("held", f"put it under a legal hold: {reason}") if reason else ("released", "lifted the hold")
    context.log.add(record.tenant, record.id, action, f"{caller.name} {message}.")
    return changed
