"""One orchestrator episode: the SDK replays the history, its actions become decisions (runs in a worker).

The SDK answers every episode with the whole append-only list of actions. What the framework does with that list is
replayed here, with the semantics of the Durable Task extension's out-of-process shim and of DurableTask.Core:

1. the actions are walked in order; each creates its tasks, and the next one waits until it is resolved;
2. ids count from 0 in the order of creation; activities, sub-orchestrations, timers, entity calls and signals take one;
3. a created event of the history must match a task the walk has created, or the instance fails as non-deterministic;
4. what the walk has created and the history does not know is new: those are the decisions of the episode;
5. the instance is finished when the SDK is done, the walk is at its end, and no task or un-cancelled timer is open.

Everything here is a pure function of the history and of the app's code, so every recorded history can be replayed.
"""

from __future__ import annotations

import importlib
import json
import traceback
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from local_host.history import Event, EventType, format_time, parse_time

CUSTOM_STATUS_LIMIT = 16 * 1024
"""Bytes of UTF-16 that a custom status may take."""

CONTEXT_OPTIONS = {
    "upperSchemaVersion": 1,
    "upperSchemaVersionNew": 2,
    "longRunningTimerIntervalDuration": "3.00:00:00",
    "maximumShortTimerDuration": "6.00:00:00",
    "defaultHttpAsyncRequestSleepTimeMillseconds": 30000,
}
"""What every orchestrator context says of its host (the names are the SDK's)."""

MESSAGE_LIMIT = 16 * 1024
"""Characters of an error message that are kept."""

HTTP_ACTIVITY = "BuiltIn::HttpActivity"

_OUT_OF_PROC_MARKER = "\n\n$OutOfProcData$:"
_ENTITY_NAMESPACE = uuid.UUID("3f0d7a52-6d6b-4c0e-9a51-0f7f6f2b7a10")


class NonDeterminismError(Exception):
    """The replayed code does not match the history."""

    def __init__(self, details: str) -> None:
        super().__init__(f"Non-Deterministic workflow detected: {details}")


@dataclass(frozen=True)
class Outcome:
    """What an episode decided.

    ``status`` is ``running``, ``completed``, ``failed`` or ``continued``. ``output`` is JSON text (completed), the
    failure text (failed) or the next input as JSON text (continued). ``custom_status`` is JSON text or None.
    ``decisions`` are dicts with ``kind`` and ``id``, see ``Walk``. ``carryover`` are EventRaised events that came after
    continue_as_new.
    """

    status: str
    output: str | None
    custom_status: str | None
    decisions: list[dict[str, Any]]
    carryover: list[Event] = field(default_factory=list)
    stack: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return vars(self).copy()


def run(handle: Callable[..., Any], name: str, execution_id: str, context_json: str) -> Outcome:
    """Run the orchestrator on the context and return the outcome. Never raises for what the app does."""
    context = json.loads(context_json)
    history: list[Event] = context["history"]
    try:
        state, sdk_context, stack = _call_sdk(handle, context_json)
    except Exception as error:  # noqa: BLE001 - whatever the app's code raises is the instance's failure
        return Outcome(
            "failed", _failure(name, str(error) or type(error).__name__), None, [], [], traceback.format_exc()
        )
    return decide(name, execution_id, history, state, sdk_context, stack)


def decide(
    name: str,
    execution_id: str,
    history: list[Event],
    state: dict[str, Any],
    sdk_context: Any = None,
    stack: str = "",
) -> Outcome:
    """Turn the SDK's state JSON into the outcome of the episode.

    ``sdk_context`` is the SDK's context after the replay; with it, the ids the SDK counted are compared with ours.
    """
    actions = [action for group in state.get("actions", []) for action in group]
    walk = Walk(execution_id, actions)
    custom_status: str | None = None
    try:
        custom_status = _custom_status(state.get("customStatus"))
        walk.replay(history)
        if sdk_context is not None:
            _compare_ids(walk, sdk_context)
    except (NonDeterminismError, ValueError) as error:
        return Outcome("failed", _failure(name, str(error)), custom_status, [], [], stack)
    decisions = [walk.pending[task_id] for task_id in sorted(walk.pending)]
    if not walk.at_end or walk.has_open_tasks:
        return Outcome("running", None, custom_status, decisions)
    if walk.continue_input is not None:
        return Outcome("continued", walk.continue_input, custom_status, decisions, walk.carryover)
    if state.get("error"):
        return Outcome("failed", _failure(name, state["error"]), custom_status, decisions, [], stack)
    if state.get("isDone"):
        return Outcome("completed", json.dumps(state.get("output")), custom_status, decisions)
    return Outcome("running", None, custom_status, decisions)


def use_fast_timestamps() -> None:
    """Have the SDK read our timestamps without dateutil, which takes nine tenths of a replay's time to guess formats.

    The values are equal, the zone object included; text of any other form still goes to dateutil. Does nothing for an
    SDK that is built otherwise.
    """
    module = importlib.import_module("azure.durable_functions.models.history.HistoryEvent")
    general = getattr(module, "dt_parse", None)
    if general is None or hasattr(general, "general"):
        return
    zone = general("2026-01-31T08:00:00.000000Z").tzinfo

    def parse(text: str) -> datetime:
        if len(text) == 27 and text[10] == "T" and text[19] == "." and text[26] == "Z":
            return datetime.fromisoformat(text[:26]).replace(tzinfo=zone)
        moment: datetime = general(text)
        return moment

    parse.general = general  # type: ignore[attr-defined]
    module.dt_parse = parse  # type: ignore[attr-defined]


def _call_sdk(handle: Callable[..., Any], context_json: str) -> tuple[dict[str, Any], Any, str]:
    """Do what the SDK's orchestrator handle does, and keep its context to compare ids afterwards."""
    from azure.durable_functions.models import DurableOrchestrationContext
    from azure.durable_functions.orchestrator import Orchestrator

    user_function = getattr(handle, "orchestrator_function", None)
    if user_function is None:
        return json.loads(handle(context_json)), None, ""
    sdk_context = DurableOrchestrationContext.from_json(context_json)
    sdk_context._input_expected_type = getattr(handle, "_df_input_type", None)  # noqa: SLF001
    try:
        return json.loads(Orchestrator(user_function).handle(sdk_context)), sdk_context, ""
    except Exception as error:
        text = str(error)
        marker = text.rfind(_OUT_OF_PROC_MARKER)
        if marker < 0:
            raise
        state = json.loads(text[marker + len(_OUT_OF_PROC_MARKER) :])
        cause = error.__cause__ or error
        stack = "".join(traceback.format_exception(cause))
        return state, sdk_context, stack


def _failure(name: str, error: str) -> str:
    if len(error) > MESSAGE_LIMIT:
        error = f"{error[:MESSAGE_LIMIT]}... ({len(error) - MESSAGE_LIMIT} more characters)"
    return f"Orchestrator function '{name}' failed: {error}"


def _custom_status(value: Any) -> str | None:
    if value is None:
        return None
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    size = len(text.encode("utf-16-le", "surrogatepass"))
    if size > CUSTOM_STATUS_LIMIT:
        raise ValueError(
            f"The UTF-16 size of the JSON-serialized payload must not exceed {CUSTOM_STATUS_LIMIT // 1024} KB. "
            f"The current payload is {size // 1024} KB."
        )
    return json.dumps(value)


class _Task:
    """A node of the walk: done or not, told to its parent once."""

    __slots__ = ("done", "failed", "parent")

    def __init__(self) -> None:
        self.done = False
        self.failed = False
        self.parent: _Group | _Retry | None = None

    def resolve(self, *, failed: bool = False) -> None:
        if self.done:
            return
        self.done = True
        self.failed = failed
        if self.parent is not None:
            self.parent.child_done(self)


class _Open(_Task):
    """A task with an id, which an event of the history completes."""

    __slots__ = ("fields", "kind", "name", "rescheduled", "task_id")

    def __init__(self, task_id: int, kind: str, name: str | None, fields: dict[str, Any]) -> None:
        super().__init__()
        self.task_id = task_id
        self.kind = kind
        self.name = name
        self.fields = fields
        self.rescheduled = False


class _Group(_Task):
    """task_all (needs every child, failed or not) or task_any (needs one)."""

    __slots__ = ("left",)

    def __init__(self, children: list[_Task], needed: int) -> None:
        super().__init__()
        self.left = needed
        for child in children:
            child.parent = self
        done = sum(child.done for child in children)
        self.left -= done
        if self.left <= 0:
            self.done = True

    def child_done(self, _child: _Task) -> None:
        self.left -= 1
        if self.left <= 0:
            self.resolve()


class _Retry(_Task):
    """A with-retry call: task, after a failure a timer, then the task again; after the last failure a timer too."""

    __slots__ = ("attempts", "interval", "make_call", "make_timer", "max_attempts", "waits")

    def __init__(
        self,
        options: dict[str, Any],
        make_call: Callable[[], _Open],
        make_timer: Callable[[timedelta], _Open],
    ) -> None:
        super().__init__()
        self.interval = timedelta(milliseconds=options["firstRetryIntervalInMilliseconds"])
        self.max_attempts = max(1, int(options["maxNumberOfAttempts"]))
        self.make_call = make_call
        self.make_timer = make_timer
        self.attempts = 1
        self.waits = False
        make_call().parent = self

    def child_done(self, child: _Task) -> None:
        if self.waits:
            self.waits = False
            if self.attempts >= self.max_attempts:
                self.resolve(failed=True)
                return
            self.attempts += 1
            call = self.make_call()
            call.rescheduled = True
            call.parent = self
        elif child.failed:
            self.waits = True
            self.make_timer(self.interval).parent = self
        else:
            self.resolve()


_COMPLETIONS = {
    EventType.TASK_COMPLETED: ("TaskScheduledId", False),
    EventType.TASK_FAILED: ("TaskScheduledId", True),
    EventType.SUB_ORCHESTRATION_COMPLETED: ("TaskScheduledId", False),
    EventType.SUB_ORCHESTRATION_FAILED: ("TaskScheduledId", True),
    EventType.TIMER_FIRED: ("TimerId", False),
}
_CREATIONS = {
    EventType.TASK_SCHEDULED: ({"activity", "http"}, "an activity"),
    EventType.SUB_ORCHESTRATION_CREATED: ({"sub"}, "a sub-orchestration"),
    EventType.TIMER_CREATED: ({"timer"}, "a timer"),
    EventType.EVENT_SENT: ({"call_entity", "signal_entity"}, "an entity message"),
}
_WORDS = {
    "activity": "activity",
    "http": "HTTP call",
    "sub": "sub-orchestration",
    "timer": "timer",
    "call_entity": "entity call",
    "signal_entity": "entity signal",
}


class Walk:
    """The framework's side of a replay.

    ``pending`` maps ids to decisions: ``activity`` {name, input}, ``http`` {request}, ``sub`` {name, input,
    instance_id, version}, ``timer`` {fire_at}, ``call_entity`` and ``signal_entity`` {entity, operation, input,
    request_id}. Inputs are JSON text.
    """

    def __init__(self, execution_id: str, actions: list[dict[str, Any]]) -> None:
        self.pending: dict[int, dict[str, Any]] = {}
        self.created: dict[int, _Open] = {}
        self.continue_input: str | None = None
        self.carryover: list[Event] = []
        self._execution_id = execution_id
        self._actions = actions
        self._position = 0
        self._next_id = 0
        self._open: dict[int, _Open] = {}
        self._waits: dict[str, list[_Task]] = {}
        self._early: dict[str, int] = {}
        self._now = datetime.min.replace(tzinfo=UTC)
        self._current: _Task | None = None
        self._started = False

    @property
    def at_end(self) -> bool:
        """Whether every action is resolved."""
        return self._started and self._position == len(self._actions) and (self._current is None or self._current.done)

    @property
    def has_open_tasks(self) -> bool:
        """Whether a task or an un-cancelled timer is still awaited."""
        return bool(self._open)

    def replay(self, history: list[Event]) -> None:
        """Take the walk through the history. Raises NonDeterminismError, and ValueError for an unknown action."""
        for event in history:
            event_type = event["EventType"]
            if event_type in _COMPLETIONS:
                key, failed = _COMPLETIONS[event_type]
                task = self._open.pop(event[key], None)
                if task is not None:
                    task.resolve(failed=failed)
                    self._advance()
            elif event_type in _CREATIONS:
                self._match(event)
            elif event_type == EventType.EVENT_RAISED:
                self._event_raised(event)
            elif event_type == EventType.ORCHESTRATOR_STARTED:
                self._now = parse_time(event["Timestamp"])
            elif event_type == EventType.EXECUTION_STARTED:
                self._started = True
                self._advance()

    def _advance(self) -> None:
        while (self._current is None or self._current.done) and self._position < len(self._actions):
            action = self._actions[self._position]
            self._position += 1
            self._current = self._create(action)

    def _match(self, event: Event) -> None:
        task_id = event["EventId"]
        kinds, words = _CREATIONS[event["EventType"]]
        name = event.get("Name")
        decision = self.pending.pop(task_id, None)
        named = f" named '{name}'" if name else ""
        if decision is None:
            raise NonDeterminismError(
                f"A previous execution of this orchestration scheduled {words} task with sequence ID {task_id}{named}, "
                "but the current replay execution hasn't (yet?) scheduled this task. Was a change made to the "
                "orchestrator code after this instance had already started running?"
            )
        task = self.created[task_id]
        same_name = event["EventType"] not in (EventType.TASK_SCHEDULED, EventType.SUB_ORCHESTRATION_CREATED) or (
            (name or "").lower() == (task.name or "").lower()
        )
        if task.kind not in kinds or not same_name:
            now = f"{_WORDS[task.kind]}{f' {task.name!r}' if task.name else ''}"
            raise NonDeterminismError(
                f"A previous execution of this orchestration scheduled {words} task with sequence number {task_id}"
                f"{named}, but the current orchestration replay instead scheduled a different task ({now}) with this "
                "sequence number. Was a change made to the orchestrator code after this instance had already started "
                "running?"
            )
        if task.kind == "call_entity":
            request_id = json.loads(event["Input"])["id"]
            self._waits.setdefault(request_id.lower(), []).append(task)

    def _event_raised(self, event: Event) -> None:
        if self.continue_input is not None:
            self.carryover.append(event)
            return
        name = str(event["Name"]).lower()
        waits = self._waits.get(name)
        if waits:
            task = waits.pop()
            if isinstance(task, _Open):
                self._open.pop(task.task_id, None)
            task.resolve()
            self._advance()
        else:
            self._early[name] = self._early.get(name, 0) + 1

    def _create(self, action: dict[str, Any]) -> _Task:
        kind = action["actionType"]
        match kind:
            case 0:
                return self._call_activity(action)
            case 1:
                return _Retry(action["retryOptions"], lambda: self._call_activity(action), self._retry_timer)
            case 2:
                return self._call_sub_orchestrator(action)
            case 3:
                return _Retry(action["retryOptions"], lambda: self._call_sub_orchestrator(action), self._retry_timer)
            case 4:
                self.continue_input = json.dumps(action.get("input"))
                return _done()
            case 5:
                task = self._open_task("timer", None, fire_at=format_time(parse_time(action["fireAt"])))
                if action.get("isCanceled"):
                    del self._open[task.task_id]
                    task.done = True
                return task
            case 6:
                return self._wait_for_event(action["externalEventName"])
            case 7 | 9:
                return self._send_to_entity(action, waits=kind == 7)
            case 8:
                return self._open_task("http", HTTP_ACTIVITY, request=action["httpRequest"])
            case 11 | 12:
                children = [self._create(child) for child in action["compoundActions"]]
                return _Group(children, 1 if kind == 11 and children else len(children))
            case _:
                raise ValueError(f"Received an unexpected action type from the out-of-proc function: '{kind}'.")

    def _open_task(self, kind: str, name: str | None, **fields: Any) -> _Open:
        task_id = self._next_id
        self._next_id += 1
        task = _Open(task_id, kind, name, fields)
        self._open[task_id] = self.created[task_id] = task
        decision = {"kind": kind, "id": task_id, **fields}
        if name is not None:
            decision["name"] = name
        self.pending[task_id] = decision
        return task

    def _call_activity(self, action: dict[str, Any]) -> _Open:
        return self._open_task("activity", action["functionName"], input=action.get("input"))

    def _call_sub_orchestrator(self, action: dict[str, Any]) -> _Open:
        task = self._open_task(
            "sub",
            action["functionName"],
            input=action.get("input"),
            instance_id=action.get("instanceId"),
            version=action.get("version"),
        )
        if not action.get("instanceId"):
            self.pending[task.task_id]["instance_id"] = f"{self._execution_id}:{task.task_id}"
        return task

    def _retry_timer(self, interval: timedelta) -> _Open:
        return self._open_task("timer", None, fire_at=format_time(self._now + interval))

    def _wait_for_event(self, event_name: str) -> _Task:
        name = event_name.lower()
        task = _Task()
        early = self._early.get(name, 0)
        if early:
            self._early[name] = early - 1
            task.done = True
        else:
            self._waits.setdefault(name, []).append(task)
        return task

    def _send_to_entity(self, action: dict[str, Any], *, waits: bool) -> _Task:
        task = self._open_task(
            "call_entity" if waits else "signal_entity",
            None,
            entity=action["instanceId"],
            operation=action["operation"],
            input=action.get("input"),
        )
        request_id = str(uuid.uuid5(_ENTITY_NAMESPACE, f"{self._execution_id}:{task.task_id}"))
        self.pending[task.task_id]["request_id"] = request_id
        if not waits:
            del self._open[task.task_id]
            task.done = True
        return task


def _done() -> _Task:
    task = _Task()
    task.done = True
    return task


_SDK_KINDS = {
    "CallActivityAction": "activity",
    "CallActivityWithRetryAction": "activity",
    "CallSubOrchestratorAction": "sub",
    "CallSubOrchestratorWithRetryAction": "sub",
    "CreateTimerAction": "timer",
    "CallEntityAction": "call_entity",
    "CallHttpAction": "http",
}


def _compare_ids(walk: Walk, sdk_context: Any) -> None:
    """Fail when the SDK counts another task under an id than the framework does.

    The SDK only mirrors the ids of retries. With-retry calls inside task_all or task_any can make the two counts differ
    once a call fails for good: from then on results would reach the wrong task without a word.
    """
    for task_id, entry in sdk_context.open_tasks.items():
        ours = walk.created.get(task_id) if isinstance(task_id, int) else None
        if ours is None or isinstance(entry, list):
            continue
        action = entry.action_repr[0] if isinstance(entry.action_repr, list) else entry.action_repr
        api = type(action).__name__
        if api == "NoOpAction":
            is_timer = "timer" in str(getattr(action, "metadata", ""))
            same = ours.kind == "timer" if is_timer else ours.rescheduled
            theirs = "retry timer" if is_timer else "retried call"
        else:
            theirs = _SDK_KINDS.get(api, api)
            name = getattr(action, "function_name", None)
            same = ours.kind == theirs and not ours.rescheduled and (name is None or name == ours.name)
        if not same:
            raise ValueError(
                f"task {task_id} is a {_WORDS.get(theirs, theirs)} for the SDK but a {_WORDS[ours.kind]} for the "
                "framework, so results would reach the wrong task. This happens when call_activity_with_retry or "
                "call_sub_orchestrator_with_retry is used inside task_all or task_any and a call fails for good. Retry "
                "inside the activity, or yield with-retry calls one at a time."
            )
