"""HTTP functions: their routes, and a request's way through a worker.

Route templates are those of ASP.NET Core, as on the platform: literals, ``{name}``, ``{name?}``, ``{name=default}``,
``{name:constraint}`` (several may follow each other), ``{*rest}``, and segments that mix text and parameters. Matching
has no case; the more literal route wins.
"""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from multidict import CIMultiDict

from local_host import logs
from local_host.app_index import HTTP, FunctionMetadata
from local_host.background import BackgroundTasks
from local_host.errors import AppLoadError, FunctionFailedError, FunctionTimeoutError, WorkerDiedError
from local_host.front_door import RefusedBodyError, RequestTooLongError, read_body
from local_host.http_forwarding import HttpForwarder
from local_host.keys import HostKeys
from local_host.settings import HostSettings
from local_host.wire import Header
from local_host.worker_pool import Place, WorkerPool

_PARAMETER = re.compile(r"\{(\*{0,2})([A-Za-z_]\w*)((?::[^{}()=?]+(?:\((?:[^()]|\([^()]*\))*\))?)*)(=[^{}]*)?(\?)?\}")
_CONSTRAINT = re.compile(r":([A-Za-z]+)(?:\(((?:[^()]|\([^()]*\))*)\))?")
_OWN_HEADERS = {"content-length", "transfer-encoding", "connection"}
_LOOK_SECONDS = 1.0
_NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"

_Check = Callable[[str], bool]


def _pattern(expression: str) -> _Check:
    compiled = re.compile(expression, re.IGNORECASE)
    return lambda value: compiled.fullmatch(value) is not None


def _whole(low: int, high: int) -> _Check:
    return lambda value: re.fullmatch(r"-?\d+", value) is not None and low <= int(value) <= high


def _is_datetime(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _constraint(name: str, argument: str) -> _Check:
    match name.lower():
        case "int":
            return _whole(-(2**31), 2**31 - 1)
        case "long":
            return _whole(-(2**63), 2**63 - 1)
        case "min":
            return _whole(int(argument), 2**63 - 1)
        case "max":
            return _whole(-(2**63), int(argument))
        case "range":
            low, high = argument.split(",")
            return _whole(int(low), int(high))
        case "bool":
            return _pattern("true|false")
        case "alpha":
            return _pattern("[a-z]*")
        case "guid":
            return _pattern(r"\{?[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\}?")
        case "decimal" | "double" | "float":
            return _pattern(_NUMBER)
        case "datetime":
            return _is_datetime
        case "length" if "," in argument:
            low, high = argument.split(",")
            return lambda value: int(low) <= len(value) <= int(high)
        case "length":
            return lambda value: len(value) == int(argument)
        case "minlength":
            return lambda value: len(value) >= int(argument)
        case "maxlength":
            return lambda value: len(value) <= int(argument)
        case "regex":
            compiled = re.compile(argument.replace("{{", "{").replace("}}", "}"), re.IGNORECASE)
            return lambda value: compiled.search(value) is not None
        case "required":
            return bool
    raise ValueError(f"unknown route constraint {name!r}")


@dataclass(frozen=True)
class _Parameter:
    name: str
    checks: tuple[_Check, ...]
    default: str | None


class Route:
    """One route template. ``rank`` orders routes: the smaller matches first."""

    def __init__(self, template: str) -> None:
        """Read the template. Raises ValueError when it is not valid."""
        self.template = template.strip("/")
        self.parameters: list[_Parameter] = []
        segments = _segments(self.template)
        expression, rank = "", []
        for segment in segments:
            part, weight = self._segment(segment)
            expression += part
            rank.append(weight)
        self.rank = (rank, -len(segments))
        self._expression = re.compile(expression, re.IGNORECASE)

    def match(self, path: str) -> dict[str, str] | None:
        """Return the parameters of a path (without slashes around, still quoted), or None."""
        found = self._expression.fullmatch(f"/{path}" if path else "")
        if found is None:
            return None
        values = {}
        for parameter, group in zip(self.parameters, found.groups(), strict=True):
            if group is None or group == "":
                if parameter.default is not None:
                    values[parameter.name] = parameter.default
                continue
            value = unquote(group)
            if not all(check(value) for check in parameter.checks):
                return None
            values[parameter.name] = value
        return values

    def _segment(self, segment: str) -> tuple[str, int]:
        whole = _PARAMETER.fullmatch(segment)
        if whole is None:
            return self._mixed(segment)
        stars, optional = whole.group(1), bool(whole.group(5))
        parameter = self._parameter(whole)
        self.parameters.append(parameter)
        if stars:
            return r"(?:/(.*))?", 5
        if optional or parameter.default is not None:
            return r"(?:/([^/]+))?", 2 if parameter.checks else 3
        return r"/([^/]+)", 2 if parameter.checks else 3

    def _mixed(self, segment: str) -> tuple[str, int]:
        expression, position, found = "/", 0, False
        for match in _PARAMETER.finditer(segment):
            expression += re.escape(segment[position : match.start()]) + "([^/]+?)"
            self.parameters.append(self._parameter(match))
            position, found = match.end(), True
        rest = segment[position:]
        if "{" in rest or "}" in rest:
            raise ValueError(f"segment {segment!r} of the route is not valid")
        return expression + re.escape(rest), 1 if found else 0

    @staticmethod
    def _parameter(match: re.Match[str]) -> _Parameter:
        checks = tuple(_constraint(name, argument or "") for name, argument in _CONSTRAINT.findall(match.group(3)))
        default = match.group(4)
        return _Parameter(match.group(2), checks, default[1:] if default else None)


@dataclass(frozen=True)
class HttpFunction:
    """An HTTP function and where it is found. ``methods`` empty means all; ``auth_level`` is in lower case."""

    metadata: FunctionMetadata
    route: Route
    methods: frozenset[str]
    auth_level: str

    def url(self, origin: str, prefix: str) -> str:
        """Return the address with its template."""
        return "/".join(part for part in (origin, prefix, self.route.template) if part)


_RESERVED = ("admin", "runtime")
"""The platform keeps what begins so for itself (``ScriptHost.ValidateHttpFunction``)."""


def http_functions(functions: Iterable[FunctionMetadata]) -> list[HttpFunction]:
    """Read routes and methods from the triggers. Raises AppLoadError when a route is not valid."""
    found = []
    for metadata in functions:
        trigger = metadata.trigger
        template = str(trigger.get("route") or metadata.name)
        if template.strip("/").lower().startswith(_RESERVED):
            raise AppLoadError(
                f"cannot load the {metadata.name} function: the specified route conflicts with one or more built in "
                f"routes: none may begin with {' or '.join(_RESERVED)}, whatever the prefix"
            )
        try:
            route = Route(template)
        except (ValueError, re.error) as error:
            raise AppLoadError(f"cannot load the {metadata.name} function: route {template!r}: {error}") from error
        methods = frozenset(str(m).upper() for m in trigger.get("methods") or ())
        found.append(HttpFunction(metadata, route, methods, str(trigger.get("authLevel", "function")).lower()))
    return sorted(found, key=lambda f: f.route.rank)


class HttpTriggers:
    """Serves the app's HTTP functions."""

    def __init__(
        self, functions: list[HttpFunction], pool: WorkerPool, settings: HostSettings, keys: HostKeys, *, auth: bool
    ) -> None:
        self._functions = functions
        self._pool = pool
        self._prefix = settings.route_prefix
        self._timeout = settings.function_timeout
        self._max_bytes = settings.max_request_bytes
        self._keys = keys
        self._auth = auth
        self._forwarder = HttpForwarder(settings.max_request_bytes)
        self._calls = BackgroundTasks()

    async def stop(self) -> None:
        """End the calls that still stream."""
        await self._calls.stop()
        await self._forwarder.close()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request: 404 no route, 401 wrong key, 408 body too slow, 413 too long, 500 the function failed."""
        found = self._find(request.method, request.raw_path.partition("?")[0])
        if found is None:
            return web.Response(status=404)
        function, params = found
        if self._auth and not self._keys.allows(function.auth_level, request):
            return web.Response(status=401)
        call = _Call(function, request, params)
        if self._pool.serves_http:
            return await self._stream(call)
        try:
            body = await read_body(request, self._max_bytes)
        except RefusedBodyError as error:
            return self._refused(call, error)
        return await self._invoke(call, body)

    def _find(self, method: str, path: str) -> tuple[HttpFunction, dict[str, str]] | None:
        path = path.strip("/")
        if self._prefix:
            head, _, path = path.partition("/") if "/" not in self._prefix else self._cut_prefix(path)
            if head.lower() != self._prefix.lower():
                return None
        for function in self._functions:
            if not function.methods or method in function.methods:
                params = function.route.match(path)
                if params is not None:
                    return function, params
        return None

    def _cut_prefix(self, path: str) -> tuple[str, str, str]:
        size = len(self._prefix)
        return path[:size], "/", path[size:].strip("/")

    async def _invoke(self, call: _Call, body: bytes) -> web.Response:
        try:
            done, result = await self._pool.call("trigger", call.header, body, self._timeout)
        except (FunctionFailedError, WorkerDiedError, FunctionTimeoutError) as failure:
            call.failed(failure)
            return web.Response(status=500)
        headers: CIMultiDict[str] = CIMultiDict()
        for name, value in done["headers"]:
            if name.lower() not in _OWN_HEADERS or (call.request.method == "HEAD" and name.lower() == "content-length"):
                headers.add(name, value)
        call.served(done["status"])
        return web.Response(status=done["status"], headers=headers, body=result)

    async def _stream(self, call: _Call) -> web.StreamResponse:
        """Let the function have the request, and the client the response, as they come."""
        request, response = call.request, web.StreamResponse()
        if (request.content_length or 0) > self._max_bytes:
            return self._refused(call, RequestTooLongError())
        place = await self._pool.take("trigger")
        forwarding = asyncio.ensure_future(self._forwarder.forward(request, response, place.worker, call.header))
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._calls.spawn(self._follow(call, place, response, forwarding, ended))
        try:
            while not (forwarding.done() or ended.done()) and _is_connected(request):
                await asyncio.wait((forwarding, ended), timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            forwarding.cancel()
        await asyncio.wait((forwarding,))
        error = asyncio.CancelledError() if forwarding.cancelled() else forwarding.exception()
        if error is not None and response.prepared:
            # Only a connection that breaks tells the client that this is not the whole response.
            if request.transport is not None:
                request.transport.abort()
        elif isinstance(error, RefusedBodyError):
            return self._refused(call, error)
        elif error is not None:
            return web.Response(status=504 if isinstance(error, TimeoutError) else 500)
        return response

    async def _follow(
        self,
        call: _Call,
        place: Place,
        response: web.StreamResponse,
        forwarding: asyncio.Task[None],
        ended: asyncio.Future[None],
    ) -> None:
        """Make a call that streams and log its end, also when its client has gone. ``ended`` is done then."""
        try:
            await place.call(call.header, b"", self._timeout, forwarding)
        except (FunctionFailedError, WorkerDiedError, FunctionTimeoutError) as failure:
            call.failed(failure)
        else:
            error = None if forwarding.cancelled() else forwarding.exception()
            if forwarding.cancelled() or error is not None:
                call.failed(ConnectionError(f"the client has not got the whole response: {error or 'it has gone'}"))
            else:
                call.served(response.status)
        finally:
            if not ended.done():
                ended.set_result(None)

    def _refused(self, call: _Call, error: RefusedBodyError) -> web.Response:
        action = "http.too_large" if error.status == RequestTooLongError.status else "http.too_slow"
        logs.event(action, level=logging.WARNING, **call.log, limit=self._max_bytes)
        response = web.Response(status=error.status)
        response.force_close()  # the rest of the body is not waited for
        return response


class _Call:
    """One call of an HTTP function: what its worker is told, and what is logged of it.

    The log has the route and not the path, for a path may carry a token.
    """

    def __init__(self, function: HttpFunction, request: web.Request, params: dict[str, str]) -> None:
        self.request = request
        self.header: Header = {
            "id": str(uuid.uuid4()),
            "kind": HTTP,
            "function": function.metadata.name,
            "request": {
                "method": request.method,
                "url": f"{request.scheme}://{request.host}{request.raw_path}",
                "headers": _headers(request),
                "params": params,
                "query": {name: ",".join(request.query.getall(name)) for name in request.query},
            },
        }
        self.log: dict[str, Any] = {
            "function": function.metadata.name,
            "invocation": self.header["id"],
            "method": request.method,
            "route": function.route.template,
        }
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()

    def served(self, status: int) -> None:
        """Log that the call was answered."""
        ms = 1000 * (self._clock() - self._began)
        logs.event("http.served", **self.log, status=status, ms=ms)

    def failed(self, failure: Exception) -> None:
        """Log that it was not."""
        error, stack = str(failure), None
        if isinstance(failure, FunctionFailedError):
            error, stack = f"{failure.kind}: {failure.message}", failure.stack
        logs.event("http.failed", level=logging.ERROR, **self.log, error=error, stack=stack)


def _is_connected(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()


def _headers(request: web.Request) -> dict[str, str]:
    """The request's headers, and where it came from as the platform's front end says it: the last entry is its own."""
    headers = {name.lower(): ",".join(request.headers.getall(name)) for name in request.headers}
    before = headers.get("x-forwarded-for")
    headers["x-forwarded-for"] = f"{before}, {request.remote}" if before else str(request.remote)
    return headers


def _segments(template: str) -> list[str]:
    """Split at slashes that are not inside braces."""
    segments, depth, current = [], 0, ""
    for char in template:
        depth += (char == "{") - (char == "}")
        if char == "/" and depth == 0:
            segments.append(current)
            current = ""
        else:
            current += char
    return [*segments, current] if current else segments
