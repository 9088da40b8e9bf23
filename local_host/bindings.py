"""Trigger payloads to Python arguments, return values to payloads (runs in a worker).

All conversion is azure-functions' own: its binding registry decodes and encodes ``Datum`` objects, as it does for the
platform's worker.
"""

from __future__ import annotations

import threading
from typing import Any

from azure.functions import Context, Out
from azure.functions.meta import Datum

from local_host.app_index import LoadedFunction, converter_of
from local_host.cookies import set_cookie
from local_host.wire import Header


class _TraceContext:
    trace_parent = Traceparent = ""
    trace_state = Tracestate = ""
    attributes: dict[str, str] = {}  # noqa: RUF012 - the SDK's interface is a plain attribute
    Attributes = attributes


class _RetryContext:
    def __init__(self, count: int, max_count: int, message: str) -> None:
        self.retry_count = count
        self.max_retry_count = max_count
        self.exception = message


class InvocationContext(Context):
    """The ``context`` argument of a function that asks for it."""

    def __init__(self, invocation_id: str, function: LoadedFunction, app_dir: str, header: Header) -> None:
        self._invocation_id = invocation_id
        self._name = function.metadata.name
        self._directory = app_dir
        self._local = threading.local()
        self._local.invocation_id = invocation_id
        self._retry = _RetryContext(header.get("retry", 0), header.get("max_retry", 0), header.get("retry_error", ""))

    @property
    def invocation_id(self) -> str:
        """Id of this call, the one in the log."""
        return self._invocation_id

    @property
    def thread_local_storage(self) -> Any:
        """A thread local whose ``invocation_id`` marks the log records of threads the function starts."""
        return self._local

    @property
    def function_name(self) -> str:
        """Name of the function."""
        return self._name

    @property
    def function_directory(self) -> str:
        """Folder of the app."""
        return self._directory

    @property
    def trace_context(self) -> Any:
        """Empty: the host does not trace."""
        return _TraceContext()

    @property
    def retry_context(self) -> Any:
        """How often the host has called the function again after a failure."""
        return self._retry


class OutParam(Out[Any]):
    """Takes the value of an ``Out`` parameter."""

    def __init__(self) -> None:
        self._value: Any = None

    def set(self, val: Any) -> None:
        """Keep the value."""
        self._value = val

    def get(self) -> Any:
        """Return the kept value, None when there is none."""
        return self._value


def arguments(function: LoadedFunction, header: Header, body: bytes, client: str, app_dir: str) -> dict[str, Any]:
    """Return the keyword arguments of one call."""
    datum = _http_datum(header["request"], body) if header["kind"] == "http" else _json_datum(function, body)
    converter = converter_of(function.trigger_type)
    kwargs: dict[str, Any] = {function.trigger_param: converter.decode(datum, trigger_metadata={})}
    for name in function.client_params:
        kwargs[name] = client
    for name in function.out_params:
        kwargs[name] = OutParam()
    if function.wants_context:
        kwargs["context"] = InvocationContext(header["id"], function, app_dir, header)
    return kwargs


def result(function: LoadedFunction, kwargs: dict[str, Any], value: Any) -> tuple[Header, bytes]:
    """Return the header fields and the body that carry a call's return value.

    Raises TypeError when the value is none the binding can carry, with the platform's words.
    """
    if function.metadata.kind == "http":
        return _http_result(function, kwargs, value)
    if function.return_type is None:
        return {}, b""
    datum = _encode(function.return_type, value)
    text = datum.value if datum is not None else "null"
    return {}, text.encode() if isinstance(text, str) else bytes(text)


def _json_datum(function: LoadedFunction, body: bytes) -> Datum:
    kind = "json" if function.metadata.kind != "activity" else "string"
    return Datum(body.decode(), kind)


def _http_datum(request: dict[str, Any], body: bytes) -> Datum:
    def strings(mapping: dict[str, str]) -> dict[str, Datum]:
        return {name: Datum(value, "string") for name, value in mapping.items()}

    return Datum(
        {
            "method": Datum(request["method"], "string"),
            "url": Datum(request["url"], "string"),
            "headers": strings(request["headers"]),
            "params": strings(request["params"]),
            "query": strings(request["query"]),
            "body": Datum(body, "bytes"),
        },
        "http",
    )


def _http_result(function: LoadedFunction, kwargs: dict[str, Any], value: Any) -> tuple[Header, bytes]:
    binding_type = "http"
    if function.return_type is None:
        outs = [kwargs[n] for n in function.out_params if isinstance(kwargs.get(n), OutParam)]
        value = outs[0].get() if outs else None
        if value is None:
            return {"status": 204, "headers": []}, b""
    datum = _encode(binding_type, value)
    if datum is None:
        return {"status": 204, "headers": []}, b""
    if datum.type == "string":
        return {"status": 200, "headers": [["content-type", "text/plain; charset=utf-8"]]}, datum.value.encode()
    parts = datum.value
    headers = [[name, item.value] for name, item in parts["headers"].items()]
    for cookie in parts.get("cookies") or []:
        headers += [["set-cookie", set_cookie(morsel)] for morsel in cookie.values()]
    body = parts["body"].value
    return {"status": int(parts["status_code"].value), "headers": headers}, (
        body.encode() if isinstance(body, str) else bytes(body)
    )


def _encode(binding_type: str, value: Any) -> Datum | None:
    converter = converter_of(binding_type)
    try:
        datum: Datum | None = converter.encode(value, expected_type=None)
        return datum
    except NotImplementedError as error:
        raise TypeError(
            f'unable to encode outgoing TypedData: unsupported type "{converter}" for Python type '
            f'"{type(value).__name__}"'
        ) from error
