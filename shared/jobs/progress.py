"""How far an export that runs is, as its orchestrations say it in their custom status.

Where a large export's parts run in sub-orchestrations, the one that runs knows everything. Which one that is, a worker
remembers from the last look, so that the next one asks for nothing else, and while the record is being read.
"""

from collections import OrderedDict
from typing import Any

import azure.durable_functions as df

from shared.durable.instance_ids import export_instance
from shared.jobs.records import ExportRecord

_REMEMBERED = 1_000

_running: OrderedDict[str, str] = OrderedDict()
"""Export id to the orchestration that told its progress last; a hint, and never more."""


async def look_ahead(export_id: str, client: df.DurableOrchestrationClient) -> dict[str, Any]:
    """What the orchestration says that is likely to tell; empty when none comes to mind, or it does not run any more.

    Whether the caller may see the export has to be found out before this is shown.
    """
    likely = _running.get(export_id)
    if likely is None:
        return {}
    try:
        status = await client.get_status(likely)
        return _whole(status) if status.runtime_status == df.OrchestrationRuntimeStatus.Running else {}
    except Exception:  # noqa: BLE001 - all that the SDK raises; whoever needs the answer asks again
        return {}


async def progress_of(
    record: ExportRecord, client: df.DurableOrchestrationClient, ahead: dict[str, Any]
) -> dict[str, Any] | None:
    """The progress of a record's attempt; None when the engine does not know it. ``ahead``: see ``look_ahead``."""
    instance = export_instance(record.id, record.attempt)
    if ahead and _running.get(record.id, "").startswith(instance):
        return ahead
    status = await client.get_status(instance)
    if status is None or status.runtime_status is None:
        return None
    shown = _custom(status)
    group = shown.get("runningGroup")
    if group and (inside := _whole(await client.get_status(group))):
        shown = inside
        _remember(record.id, group)
    else:
        _running.pop(record.id, None)
    return shown


def _whole(status: Any) -> dict[str, Any]:
    """The export's progress, in the words of a group of its parts; empty before the group has said a word."""
    shown = _custom(status)
    return shown if "phase" in shown else {}


def _custom(status: Any) -> dict[str, Any]:
    found = status.custom_status if status else None
    return dict(found) if isinstance(found, dict) else {}


def _remember(export_id: str, instance: str) -> None:
    _running[export_id] = instance
    _running.move_to_end(export_id)
    while len(_running) > _REMEMBERED:
        _running.popitem(last=False)
