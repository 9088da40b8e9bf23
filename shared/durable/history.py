"""Histories of orchestrations as the status API of the durable engine shows them, and what may be shown of them.

Inputs and results hold URLs and other things that are nobody's business. What is taken from them here is numbers, and
the code of a failure.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.timestamps import from_iso, iso

Event = Mapping[str, Any]

_NUMBER = {name: re.compile(rf"\b{name}\W+(\d+)") for name in ("index", "attempt")}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,79}")
_CODE = re.compile(r"\W*failure\W+code\W+([a-z][a-z-]{0,39})\W")
LOST = "step-lost"
"""The code of an activity that was lost with its worker, or took too long."""


def events_of(status: Any) -> Sequence[Event]:
    """The history in a status; the SDK keeps it under the name that it has on the wire, and not as ``history``."""
    return list(getattr(status, "historyEvents", None) or ())


def function_of(event: Event) -> str:
    """The activity, orchestrator or external event that an event is about; empty when it is about none."""
    name = str(event.get("FunctionName") or event.get("Name") or "")
    return name if _NAME.fullmatch(name) else ""


def number_in(event: Event, name: str) -> int | None:
    """A whole number in the input of what an event is about; None when there is none."""
    found = _NUMBER[name].search(json.dumps(event.get("Input", "")))
    return int(found[1]) if found else None


@dataclass(frozen=True)
class Shown:
    """What may be shown of an event. Times are ISO-8601 UTC, ``part`` counts from 1, as people do.

    ``attempt`` is how often the activity was called up to here, for the same part; ``failure`` the code of what it
    answered. ``position`` counts the events of the same name.
    """

    time: str
    event: str
    name: str
    scheduled_at: str
    part: int | None
    attempt: int | None
    failure: str
    position: int


def shown(events: Sequence[Event]) -> Iterator[Shown]:
    """What may be shown of a history, in the order of time."""
    calls: Counter[str] = Counter()
    for event in sorted(events, key=_moment):
        kind, name = str(event.get("EventType", "")), function_of(event)
        calls[name] += 1
        of_task = kind.startswith("Task")
        index = number_in(event, "index") if of_task and name == "encode_part" else None
        yield Shown(
            time=iso(_moment(event)),
            event=kind,
            name=name,
            scheduled_at=iso(_moment({"Timestamp": scheduled})) if (scheduled := event.get("ScheduledTime")) else "",
            part=None if index is None else index + 1,
            attempt=None if not of_task else calls[name] if index is None else number_in(event, "attempt"),
            failure=_failure(kind, event),
            position=calls[name],
        )


def _moment(event: Event) -> datetime:
    """When an event happened. The engine leaves out zeros at the end of a time, so that texts do not sort."""
    found = from_iso(str(event["Timestamp"]))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _failure(kind: str, event: Event) -> str:
    if kind == "TaskFailed":
        return LOST
    result = event.get("Result", "")
    text = result if isinstance(result, str) else json.dumps(result)
    found = _CODE.match(text)
    return found[1] if kind == "TaskCompleted" and found else ""
