"""The management API of orchestrations and entities.

One handler serves two listeners: the public address under ``/runtime/webhooks/durabletask`` (system key) and the
loopback listener the SDK's client talks to. Paths, query names, status codes and bodies are those of the Durable Task
extension (``HttpApiHandler``) and of ``DurableOrchestrationClient``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from local_host.durable_client import management_urls
from local_host.engine import Engine
from local_host.entities import EntityEngine
from local_host.errors import (
    InstanceExistsError,
    InstanceGoneError,
    InstanceNotFoundError,
    InstanceStateError,
    InvalidJsonError,
    InvalidRequestError,
)
from local_host.history import EVENT_NAMES, Event, EventType, format_time, parse_time
from local_host.task_hub import LIVE, Instance, InstanceQuery, TaskHub

STATUSES = ("Running", "Completed", "ContinuedAsNew", "Failed", "Canceled", "Terminated", "Pending", "Suspended")

_CONTINUATION = "x-ms-continuation-token"
_PAGE_SIZE = 100
_INCORRECT = "One or more of the arguments submitted is incorrect"
_WENT_WRONG = "Something went wrong while processing your request"


class DurableHttpApi:
    """Answers the management requests of one task hub."""

    def __init__(
        self, engine: Engine, entities: EntityEngine, hub: TaskHub, origin: str, hub_name: str, system_key: str
    ) -> None:
        self._engine = engine
        self._entities = entities
        self._hub = hub
        self._origin = origin
        self._hub_name = hub_name
        self._system_key = system_key

    async def handle(self, request: web.Request, path: str, *, public: bool) -> web.Response:
        """Answer one request. ``path`` is what follows the API's base, decoded; ``public`` tells which listener."""
        parts = path.strip("/").split("/")
        origin = f"{request.scheme}://{request.host}" if public else self._origin
        try:
            return await self._route(_Call(request, origin), parts)
        except InvalidJsonError as error:
            return _error(400, "Invalid JSON content", "Newtonsoft.Json.JsonReaderException", str(error))
        except InvalidRequestError as error:
            return _error(400, _INCORRECT, "System.ArgumentException", str(error))
        except InstanceExistsError as error:
            return _error(500, _WENT_WRONG, "", str(error))
        except InstanceStateError as error:
            return _error(500, _WENT_WRONG, "System.InvalidOperationException", str(error))
        except InstanceNotFoundError:
            return web.Response(status=404)
        except InstanceGoneError:
            return web.Response(status=410)

    async def _route(self, call: _Call, parts: list[str]) -> web.Response:
        method = call.request.method
        match parts[0].lower(), len(parts):
            case "orchestrators", (2 | 3) if method == "POST":
                return await self._start(call, parts[1], parts[2] if len(parts) == 3 else None)
            case "instances", 1 if method == "GET":
                return self._list(call)
            case "instances", 1 if method == "DELETE":
                return self._purge_many(call)
            case "instances", 2 if method == "GET":
                return self._status(call, parts[1])
            case "instances", 2 if method == "DELETE":
                return self._purge(parts[1])
            case "instances", 3 if method == "POST":
                return await self._operate(call, parts[1], parts[2].lower())
            case "instances", 4 if method == "POST" and parts[2].lower() == "raiseevent":
                return await self._raise_event(call, parts[1], parts[3])
            case "entities", (1 | 2) if method == "GET":
                return self._list_entities(call, parts[1] if len(parts) == 2 else None)
            case "entities", 3 if method == "GET":
                return self._entity(parts[1], parts[2])
            case "entities", 3 if method in ("POST", "DELETE"):
                return await self._signal(call, parts[1], parts[2])
        return web.Response(status=404)

    # Orchestrations

    async def _start(self, call: _Call, name: str, instance_id: str | None) -> web.Response:
        text = await call.json_text()
        instance_id = self._engine.start_instance(name, instance_id, text, call.query.get("version"))
        return await self._started(call, instance_id)

    async def _started(self, call: _Call, instance_id: str) -> web.Response:
        timeout, interval = call.number("timeout"), call.number("pollinginterval")
        if timeout is not None and interval is not None:
            if interval > timeout:
                raise InvalidRequestError(f"Total timeout {timeout:g} should be bigger than retry timeout {interval:g}")
            finished = await self._engine.wait_finished(instance_id, timeout)
            instance = self._hub.get_instance(instance_id) if finished else None
            if instance is not None and instance.status == "Completed":
                return _json_text(200, instance.output or "null")
            if instance is not None:
                return _json(200, status_body(instance, show_input=True))
        urls = management_urls(call.origin, instance_id, self._hub_name, self._system_key)
        return _json(202, urls, {"Location": urls["statusQueryGetUri"], "Retry-After": "10"})

    def _status(self, call: _Call, instance_id: str) -> web.Response:
        instance = self._hub.get_instance(instance_id)
        if instance is None:
            return web.Response(status=404)
        body = status_body(instance, show_input=call.flag("showinput", default=True))
        if call.flag("showhistory"):
            events = [json.loads(text) for text in self._hub.history(instance_id)]
            body["historyEvents"] = public_history(
                events, show_input=call.flag("showinput", default=True), show_output=call.flag("showhistoryoutput")
            )
        if instance.status in LIVE:
            return _json(202, body, {"Location": str(call.request.url), "Retry-After": "5"})
        fails = instance.status == "Failed" and call.flag("returninternalservererroronfailure")
        return _json(500 if fails else 200, body)

    def _list(self, call: _Call) -> web.Response:
        rows, token = self._hub.list_instances(call.instance_query(call.request.headers.get(_CONTINUATION)))
        show_input = call.flag("showinput", default=True)
        return _json(200, [status_body(row, show_input=show_input) for row in rows], {_CONTINUATION: token or ""})

    def _purge(self, instance_id: str) -> web.Response:
        if instance_id.startswith("@"):
            return _json(200, {"instancesDeleted": int(self._entities.purge(instance_id))})
        instance = self._hub.get_instance(instance_id)
        if instance is None:
            return web.Response(status=404)
        if instance.status in LIVE:
            return _json(
                412,
                "Only orchestrations in a terminal state can be purged, but the orchestration with instance ID "
                f"{instance_id} has status {instance.status}",
            )
        self._hub.purge_instance(instance_id)
        return _json(200, {"instancesDeleted": 1})

    def _purge_many(self, call: _Call) -> web.Response:
        if call.time("createdtimefrom") is None:
            return _json(400, "Please provide value for 'createdTimeFrom' parameter.")
        count = self._hub.purge_instances(call.instance_query(None))
        return _json(200, {"instancesDeleted": count}) if count else web.Response(status=404)

    async def _operate(self, call: _Call, instance_id: str, operation: str) -> web.Response:
        reason = call.query.get("reason", "")
        match operation:
            case "terminate":
                self._engine.terminate(instance_id, reason)
            case "suspend":
                self._engine.suspend(instance_id, reason)
            case "resume":
                self._engine.resume(instance_id, reason)
            case "rewind":
                self._engine.rewind(instance_id, reason)
            case "restart":
                new_id = call.flag("restartwithnewinstanceid", default=True)
                try:
                    restarted = self._engine.restart(instance_id, new_id=new_id)
                except InstanceNotFoundError as error:
                    words = "InstanceId does not match a valid orchestration instance."
                    return _error(400, words, "System.ArgumentException", str(error))
                if call.is_rpc:
                    return _json(202, restarted)
                return await self._started(call, restarted)
            case _:
                return web.Response(status=404)
        return web.Response(status=202)

    async def _raise_event(self, call: _Call, instance_id: str, name: str) -> web.Response:
        instance = self._hub.get_instance(instance_id)
        if instance is None:
            raise InstanceNotFoundError(instance_id)
        if instance.status not in LIVE:
            raise InstanceGoneError(instance_id, instance.status)
        if call.request.content_type.lower() != "application/json":
            return _error(400, "Only application/json request content is supported")
        self._engine.raise_event(instance_id, name, await call.json_text() or "null")
        return web.Response(status=202)

    # Entities

    def _entity(self, name: str, key: str) -> web.Response:
        state = self._entities.state(name, "" if key == "$" else key)
        return web.Response(status=404) if state is None else _json_text(200, state)

    def _list_entities(self, call: _Call, name: str | None) -> web.Response:
        fetch_state = call.flag("fetchstate")
        since, until = call.time("lastoperationtimefrom"), call.time("lastoperationtimeto")
        body = []
        for entity_name, key, state, updated in self._entities.list_entities(name):
            if (since is None or updated >= since) and (until is None or updated <= until):
                entry = {"entityId": {"name": entity_name, "key": key}, "lastOperationTime": updated}
                body.append(entry | ({"state": json.loads(state)} if fetch_state else {}))
        return _json(200, body, {_CONTINUATION: ""})

    async def _signal(self, call: _Call, name: str, key: str) -> web.Response:
        if call.request.method == "DELETE":
            self._entities.signal(name, key, "delete", "null")
        elif call.request.content_type.lower() == "application/json" or not call.request.can_read_body:
            self._entities.signal(name, key, call.query.get("op", ""), await call.json_text() or "null")
        else:
            self._entities.signal(name, key, call.query.get("op", ""), json.dumps(await call.request.text()))
        return web.Response(status=202)


class _Call:
    """A request and its query, whose names have no case."""

    def __init__(self, request: web.Request, origin: str) -> None:
        self.request = request
        self.origin = origin
        self.query = {name.lower(): value for name, value in request.query.items()}

    @property
    def is_rpc(self) -> bool:
        return not self.request.path.lower().startswith("/runtime/")

    def flag(self, name: str, *, default: bool = False) -> bool:
        return {"true": True, "false": False}.get(self.query.get(name, "").strip().lower(), default)

    def number(self, name: str) -> float | None:
        try:
            return float(self.query[name])
        except (KeyError, ValueError):
            return None

    def time(self, name: str) -> str | None:
        try:
            return format_time(parse_time(self.query[name]))
        except (KeyError, ValueError):
            return None

    def instance_query(self, continuation: str | None) -> InstanceQuery:
        known = {status.lower(): status for status in STATUSES}
        given = [
            part.strip().lower()
            for name, value in self.request.query.items()
            if name.lower() == "runtimestatus"
            for part in value.split(",")
        ]
        top = self.number("top")
        return InstanceQuery(
            created_from=self.time("createdtimefrom"),
            created_to=self.time("createdtimeto"),
            statuses=tuple(known[status] for status in given if status in known),
            prefix=self.query.get("instanceidprefix"),
            top=int(top) if top is not None and top >= 1 else _PAGE_SIZE,
            continuation=continuation or None,
        )

    async def json_text(self) -> str | None:
        """Return the body as JSON text without blanks around, None when there is none."""
        try:
            text = (await self.request.read()).decode("utf-8-sig").strip()
            if not text:
                return None
            json.loads(text)
        except ValueError as error:
            raise InvalidJsonError(f"Invalid JSON content: {error}") from error
        return text


def status_body(instance: Instance, *, show_input: bool) -> dict[str, Any]:
    """Return the status of an instance as clients see it; times are whole seconds with ``Z``."""
    return {
        "name": instance.name,
        "instanceId": instance.instance_id,
        "runtimeStatus": instance.status,
        "input": _value(instance.input) if show_input else None,
        "customStatus": _value(instance.custom_status),
        "output": _value(instance.output),
        "createdTime": f"{instance.created[:19]}Z",
        "lastUpdatedTime": f"{instance.updated[:19]}Z",
    }


def public_history(events: list[Event], *, show_input: bool, show_output: bool) -> list[dict[str, Any]]:
    """Return history events as the status request shows them: a completion carries what it completes."""
    shown: list[dict[str, Any]] = []
    created: dict[tuple[int, int], dict[str, Any]] = {}
    for event in events:
        event_type = EventType(event["EventType"])
        item = {k: v for k, v in event.items() if k not in ("EventId", "IsPlayed", "EventType", "Version")}
        item = {"EventType": EVENT_NAMES[event_type], **item}
        match event_type:
            case EventType.ORCHESTRATOR_STARTED | EventType.ORCHESTRATOR_COMPLETED:
                continue
            case EventType.TASK_SCHEDULED | EventType.SUB_ORCHESTRATION_CREATED | EventType.TIMER_CREATED:
                created[event_type, event["EventId"]] = item
            case EventType.TASK_COMPLETED | EventType.TASK_FAILED:
                _merge(shown, item, created, (EventType.TASK_SCHEDULED, item.pop("TaskScheduledId")), show_input)
            case EventType.SUB_ORCHESTRATION_COMPLETED | EventType.SUB_ORCHESTRATION_FAILED:
                key = (EventType.SUB_ORCHESTRATION_CREATED, item.pop("TaskScheduledId"))
                _merge(shown, item, created, key, show_input)
            case EventType.TIMER_FIRED:
                _merge(shown, item, created, (EventType.TIMER_CREATED, item.pop("TimerId")), show_input)
            case EventType.EXECUTION_STARTED:
                item["FunctionName"] = item.pop("Name")
                for key_name in ("OrchestrationInstance", "ParentInstance"):
                    item.pop(key_name, None)
            case _:
                pass
        if not show_input or event_type in (EventType.EVENT_RAISED, EventType.EXECUTION_TERMINATED):
            item.pop("Input", None)
        elif "Input" in item:
            item["Input"] = _value(item["Input"])
        if "Result" in item:
            result = item.pop("Result")
            if show_output:
                item["Result"] = _value(result)
        shown.append(item)
    return shown


def _merge(
    shown: list[dict[str, Any]],
    item: dict[str, Any],
    created: Mapping[tuple[int, int], dict[str, Any]],
    key: tuple[int, int],
    show_input: bool,
) -> None:
    start = created.get(key)
    if start is None:
        return
    shown[:] = [other for other in shown if other is not start]
    item["ScheduledTime"] = start["Timestamp"]
    if "Name" in start:
        item["FunctionName"] = start["Name"]
    if show_input and "Input" in start:
        item["Input"] = json.dumps(start["Input"]) if not isinstance(start["Input"], str) else start["Input"]


def _value(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def _json(status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    return _json_text(status, json.dumps(body), headers)


def _json_text(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=text, content_type="application/json", headers=headers)


def _error(status: int, message: str, kind: str = "", details: str | None = None) -> web.Response:
    body = {"Message": message, "ExceptionMessage": details or message}
    return _json(status, body | ({"ExceptionType": kind} if kind else {}))
