"""A span around an activity, where its input tells which trace it belongs to."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from shared.observability.telemetry import SpanInProgress, span

Function = TypeVar("Function", bound=Callable[..., Any])


def traced(function: Function) -> Function:
    """Write a span named like the activity; below the trigger's decorator, for the worker reads the signature."""
    payload = next(iter(inspect.signature(function).parameters))

    @wraps(function)
    def run(**arguments: Any) -> Any:
        parent = _parent(arguments[payload])
        if not parent:
            return function(**arguments)
        with span(function.__name__, parent, "CONSUMER") as current:
            return _told(function(**arguments), current)

    @wraps(function)
    async def run_async(**arguments: Any) -> Any:
        parent = _parent(arguments[payload])
        if not parent:
            return await function(**arguments)
        with span(function.__name__, parent, "CONSUMER") as current:
            return _told(await function(**arguments), current)

    return run_async if inspect.iscoroutinefunction(function) else run  # type: ignore[return-value]


def _parent(payload: Mapping[str, Any]) -> str:
    return str(payload.get("trace_parent") or payload.get("ref", {}).get("trace_parent", ""))


def _told(answer: Any, current: SpanInProgress) -> Any:
    if failure := answer.get("failure"):
        current.fail(failure["code"])
    return answer
