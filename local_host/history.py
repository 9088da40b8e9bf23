"""The shape of history events, as the SDK reads them.

Events are dicts with PascalCase keys; each has ``EventType`` (int), ``EventId`` (-1 unless it creates a task),
``IsPlayed`` and ``Timestamp`` (ISO 8601, UTC, ``Z``). ``Input`` and ``Result`` hold JSON text. The numbers are those of
``DurableTask.Core.History.EventType``; the fields are those ``azure.durable_functions`` reads.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

Event = dict[str, Any]


class EventType(IntEnum):
    """DurableTask.Core event types."""

    EXECUTION_STARTED = 0
    EXECUTION_COMPLETED = 1
    EXECUTION_FAILED = 2
    EXECUTION_TERMINATED = 3
    TASK_SCHEDULED = 4
    TASK_COMPLETED = 5
    TASK_FAILED = 6
    SUB_ORCHESTRATION_CREATED = 7
    SUB_ORCHESTRATION_COMPLETED = 8
    SUB_ORCHESTRATION_FAILED = 9
    TIMER_CREATED = 10
    TIMER_FIRED = 11
    ORCHESTRATOR_STARTED = 12
    ORCHESTRATOR_COMPLETED = 13
    EVENT_SENT = 14
    EVENT_RAISED = 15
    CONTINUE_AS_NEW = 16
    GENERIC = 17
    HISTORY_STATE = 18
    EXECUTION_SUSPENDED = 19
    EXECUTION_RESUMED = 20
    EXECUTION_REWOUND = 21


EVENT_NAMES = {
    EventType.EXECUTION_STARTED: "ExecutionStarted",
    EventType.EXECUTION_COMPLETED: "ExecutionCompleted",
    EventType.EXECUTION_FAILED: "ExecutionFailed",
    EventType.EXECUTION_TERMINATED: "ExecutionTerminated",
    EventType.TASK_SCHEDULED: "TaskScheduled",
    EventType.TASK_COMPLETED: "TaskCompleted",
    EventType.TASK_FAILED: "TaskFailed",
    EventType.SUB_ORCHESTRATION_CREATED: "SubOrchestrationInstanceCreated",
    EventType.SUB_ORCHESTRATION_COMPLETED: "SubOrchestrationInstanceCompleted",
    EventType.SUB_ORCHESTRATION_FAILED: "SubOrchestrationInstanceFailed",
    EventType.TIMER_CREATED: "TimerCreated",
    EventType.TIMER_FIRED: "TimerFired",
    EventType.ORCHESTRATOR_STARTED: "OrchestratorStarted",
    EventType.ORCHESTRATOR_COMPLETED: "OrchestratorCompleted",
    EventType.EVENT_SENT: "EventSent",
    EventType.EVENT_RAISED: "EventRaised",
    EventType.CONTINUE_AS_NEW: "ContinueAsNew",
    EventType.GENERIC: "GenericEvent",
    EventType.HISTORY_STATE: "HistoryState",
    EventType.EXECUTION_SUSPENDED: "ExecutionSuspended",
    EventType.EXECUTION_RESUMED: "ExecutionResumed",
    EventType.EXECUTION_REWOUND: "ExecutionRewound",
}


def utc_now() -> datetime:
    """Return the time of day, with its zone."""
    return datetime.now(UTC)


def format_time(moment: datetime) -> str:
    """Return ISO 8601 with microseconds and ``Z``, the form of every stored time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """Read what ``format_time`` wrote, and any other ISO 8601 text; no zone means UTC.

    Raises ValueError when the text is no time.
    """
    moment = datetime.fromisoformat(text.replace("Z", "+00:00").replace("z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def new_event(event_type: EventType, timestamp: str, event_id: int = -1, **fields: Any) -> Event:
    """Return an event that has not been played."""
    return {"EventType": int(event_type), "EventId": event_id, "IsPlayed": False, "Timestamp": timestamp, **fields}


def event_text(event_type: EventType, timestamp: str, event_id: int = -1, **fields: Any) -> str:
    """Return a new event as JSON text."""
    return to_text(new_event(event_type, timestamp, event_id, **fields))


def to_text(event: Event) -> str:
    """Return the event as JSON text."""
    return json.dumps(event, separators=(",", ":"))


def as_played(text: str) -> str:
    """Mark an event's JSON text as seen by an earlier episode.

    ``IsPlayed`` is the third key of every event and the two before it are numbers, so the first match is the key.
    """
    return text.replace('"IsPlayed":false', '"IsPlayed":true', 1)
