"""Start-up and shut-down of a host: puts the parts together and prints what is served where."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from aiohttp import web

from local_host import lease, logs
from local_host.app_index import FunctionMetadata
from local_host.durable_client import WEBHOOK_PATH, binding_value
from local_host.durable_http import DurableHttpApi
from local_host.engine import Engine
from local_host.entities import EntityEngine
from local_host.errors import AppLoadError, PortInUseError, SettingsError, TaskHubLostError
from local_host.front_door import GuardedSite
from local_host.function_table import FunctionTable
from local_host.http_calls import HttpCalls
from local_host.http_forwarding import leave_type_out
from local_host.http_triggers import HttpFunction, HttpTriggers, http_functions
from local_host.keys import HostKeys, load_keys
from local_host.reload import Snapshot, changed, snapshot
from local_host.settings import (
    MAX_REQUEST_BYTES,
    HostSettings,
    is_disabled,
    load_host_settings,
    load_local_settings,
)
from local_host.task_hub import TaskHub
from local_host.timer_triggers import TimerFunction, TimerTriggers
from local_host.worker_pool import WorkerOptions, WorkerPool

_RPC_PATH = "/durabletask/"
_ANY_PATH = r"{tail:[\s\S]*}"
"""The rest of a path, whatever characters it decodes to; whether they are allowed is for the handler to say."""

_GRACE_SECONDS = 1.0
_STAGE, _DEVELOPMENT, _PRODUCTION = "AZURE_FUNCTIONS_ENVIRONMENT", "Development", "Production"
"""What functions are told of where they run: by Core Tools the second, by the platform the third."""

_KEYLESS = "LOCAL_HOST_ASKS_FOR_NO_KEYS"
"""Functions are told so where the authorization level of a function means nothing."""


@dataclass(frozen=True)
class StartOptions:
    """What the command line says. ``port`` 0 takes a free one, ``rpc_port`` 0 too."""

    app_dir: Path
    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 7071
    rpc_port: int = 0
    auth: bool = False
    reload: bool = False


async def serve(options: StartOptions) -> bool:
    """Run a host until SIGINT or SIGTERM; with ``reload`` also until the app changes, and tell whether it has.

    Raises SettingsError, PortInUseError, TaskHubInUseError or AppLoadError when it cannot start, and TaskHubLostError
    when another host has taken the task hub over.
    """
    stop = asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(_unless_lost)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    # Taken before the app is read, so that no change is missed that comes while it starts.
    seen = snapshot(options.app_dir) if options.reload else None
    try:
        host = await Host.start(options)
    except AppLoadError as error:
        if not options.reload:
            raise
        print(f"{error.details}error: {error}\nwaiting for a change of the app", file=sys.stderr, flush=True)  # noqa: T201
        return await _stopped_or_changed(stop, options, seen)
    try:
        host.print_summary()
        return await _stopped_or_changed(stop, options, seen, host.lease_held)
    finally:
        await host.stop()


async def _stopped_or_changed(
    stop: asyncio.Event, options: StartOptions, seen: Snapshot | None, *others: asyncio.Future[None]
) -> bool:
    """Wait for a signal, for a change of the app, or for the error of another future, which is raised."""
    waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(stop.wait()), *others]
    if seen is not None:
        waits.append(asyncio.ensure_future(changed(options.app_dir, seen)))
    done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    if stop.is_set():
        return False
    for wait in done:
        logs.event("host.reloading", changed=str(wait.result()))
    return True


class Host:
    """A host that serves."""

    def __init__(
        self, options: StartOptions, settings: HostSettings, hub: TaskHub, keys: HostKeys, sock: socket.socket
    ) -> None:
        self.options = options
        self.settings = settings
        self.hub = hub
        self.keys = keys
        self.origin = f"http://{_url_host(options.host)}:{sock.getsockname()[1]}"
        self.http: list[HttpFunction] = []
        self.functions = FunctionTable([])
        self.disabled: list[FunctionMetadata] = []
        self._socket = sock
        self._runners: list[web.AppRunner] = []
        self._http_calls = HttpCalls()
        self._state = "Starting"
        self._outstanding = 0
        self.lease_held = asyncio.ensure_future(self._hold_lease())
        self._engine: Engine
        self._entities: EntityEngine
        self._pool: WorkerPool
        self._timers: TimerTriggers
        self._triggers: HttpTriggers
        self._api: DurableHttpApi

    @classmethod
    async def start(cls, options: StartOptions) -> Host:
        """Start everything and return when requests are answered."""
        load_local_settings(options.app_dir, os.environ)
        os.environ.setdefault("FUNCTIONS_WORKER_RUNTIME", "python")
        settings = load_host_settings(options.app_dir, os.environ)
        logs.configure(settings.log_levels["default"])
        sock = _listen(options.host, options.port)
        try:
            stage = _stage(sock, os.environ)
            os.environ[_STAGE] = stage
            options = replace(options, auth=options.auth or not _is_loopback(sock))
            if not options.auth:
                os.environ[_KEYLESS] = "true"
            path = options.data_dir / f"{settings.hub_name.lower()}.db"
            hub = TaskHub(path, await lease.claim(path))
        except BaseException:
            sock.close()
            raise
        host = cls(options, settings, hub, load_keys(options.data_dir / "host-keys.json"), sock)
        try:
            await host._start()
        except BaseException:
            await host.stop()
            raise
        return host

    async def _start(self) -> None:
        rpc = web.Application(client_max_size=MAX_REQUEST_BYTES)
        rpc.router.add_route("*", _RPC_PATH + _ANY_PATH, self._handle_rpc)
        rpc_runner = await self._run(rpc)
        rpc_site = web.TCPSite(rpc_runner, "127.0.0.1", self.options.rpc_port)
        try:
            await rpc_site.start()
        except OSError as error:
            raise PortInUseError("127.0.0.1", self.options.rpc_port) from error
        rpc_port = rpc_runner.addresses[0][1]
        client = binding_value(
            self.origin, f"http://127.0.0.1:{rpc_port}{_RPC_PATH}", self.settings.hub_name, self.keys.system
        )
        options = WorkerOptions(
            self.options.app_dir, self.settings.thread_count, dict(self.settings.log_levels), client
        )
        self._pool = WorkerPool(self.settings.worker_count, options, self._place_free)
        functions = await self._pool.start()
        self.disabled = [f for f in functions if is_disabled(f.name, os.environ)]
        self.functions = FunctionTable([f for f in functions if f not in self.disabled])
        self.http = http_functions(self.functions.http)
        timers = [TimerFunction(f, os.environ) for f in self.functions.timers]
        self._engine = Engine(self.hub, self.functions, self.settings, self._http_calls.send)
        self._entities = EntityEngine(self.hub, self._engine, self.functions, self.settings)
        self._api = DurableHttpApi(
            self._engine, self._entities, self.hub, self.origin, self.settings.hub_name, self.keys.system
        )
        self._triggers = HttpTriggers(self.http, self._pool, self.settings, self.keys, auth=self.options.auth)
        self._timers = TimerTriggers(timers, self._pool, self.hub, self.settings)
        public = web.Application(client_max_size=self.settings.max_request_bytes)
        public.on_response_prepare.append(leave_type_out)
        public.router.add_route("*", WEBHOOK_PATH + "/" + _ANY_PATH, self._handle_management)
        public.router.add_get("/admin/host/status", self._handle_status)
        public.router.add_get("/admin/host/ping", self._handle_ping)
        public.router.add_post("/admin/host/ping", self._handle_ping)
        public.router.add_get("/admin/functions", self._handle_functions)
        public.router.add_post("/admin/functions/{name}", self._handle_call)
        public.router.add_get("/", self._handle_root)
        public.router.add_route("*", "/" + _ANY_PATH, self._handle_function)
        self._state = "Running"
        self._engine.start(self._pool)
        self._entities.start(self._pool)
        self._timers.start()
        await GuardedSite(await self._run(public), self._socket).start()

    async def stop(self) -> None:
        """Stop serving, end the workers, close the task hub.

        Requests that are being answered get a moment to end, and what they need (the workers, the SDK's listener) stays
        until then. All else is in the task hub.
        """
        self._state = "Stopping"
        self.lease_held.cancel()
        for runner in self._runners[1:]:
            await runner.cleanup()
        for part in ("_triggers", "_timers", "_entities", "_engine", "_pool"):
            if hasattr(self, part):
                with contextlib.suppress(TaskHubLostError):
                    await getattr(self, part).stop()
        for runner in self._runners[:1]:
            await runner.cleanup()
        await self._http_calls.close()
        self._socket.close()
        self.hub.close()
        logs.event("host.stopped")

    async def _hold_lease(self) -> None:
        """Give signs of life until another host has the task hub. Raises TaskHubLostError then."""
        while True:
            try:
                self.hub.renew_lease()
            except sqlite3.Error as error:
                logs.event("hub.failed", level=logging.CRITICAL, error=str(error))
            await asyncio.sleep(lease.RENEW_SECONDS)

    def print_summary(self) -> None:
        """Print the functions with their addresses, then the line that says the host is ready."""
        print("\nFunctions:\n")  # noqa: T201 - the output of the command
        for function in sorted([*self.functions.all, *self.disabled], key=lambda f: (f.kind != "http", f.name.lower())):
            print(f"\t{function.name}: {self._describe(function)}\n")  # noqa: T201
        print(f"Host ready on {self.origin}", flush=True)  # noqa: T201

    def _describe(self, function: FunctionMetadata) -> str:
        for http in self.http:
            if http.metadata is function:
                methods = f"[{','.join(sorted(http.methods))}] " if http.methods else ""
                return f"{methods}{http.url(self.origin, self.settings.route_prefix)}"
        return "disabled" if function in self.disabled else str(function.trigger["type"])

    async def _run(self, app: web.Application) -> web.AppRunner:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GRACE_SECONDS, handle_signals=False)
        await runner.setup()
        self._runners.append(runner)
        return runner

    def _place_free(self) -> None:
        if hasattr(self, "_entities"):
            self._entities.pump()
            self._engine.pump()

    async def _handle_rpc(self, request: web.Request) -> web.Response:
        return await self._manage(request, public=False)

    async def _handle_management(self, request: web.Request) -> web.Response:
        if not self.keys.allows_management(request):
            return web.Response(status=401)
        return await self._manage(request, public=True)

    async def _manage(self, request: web.Request, *, public: bool) -> web.Response:
        try:
            return await self._api.handle(request, request.match_info["tail"], public=public)
        except TaskHubLostError:
            return web.Response(status=503)

    async def _handle_function(self, request: web.Request) -> web.StreamResponse:
        most = self.settings.max_outstanding_requests
        if most is not None and self._outstanding >= most:
            return web.Response(status=429)
        self._outstanding += 1
        try:
            return await self._triggers.handle(request)
        finally:
            self._outstanding -= 1

    async def _handle_root(self, request: web.Request) -> web.StreamResponse:
        if self.settings.route_prefix:
            return web.Response(text="Your Functions host is up and running.")
        return await self._handle_function(request)

    async def _handle_status(self, request: web.Request) -> web.Response:
        if not self._is_admin(request):
            return web.Response(status=401)
        return web.json_response(
            {
                "id": f"local_host-{os.getpid()}",
                "state": self._state,
                "version": f"local_host; azure-functions-durable {version('azure-functions-durable')}",
                "processId": os.getpid(),
                "workers": self._pool.pids,
                "taskHub": self.settings.hub_name,
                "instances": self.hub.counts(),
            }
        )

    async def _handle_ping(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _handle_functions(self, request: web.Request) -> web.Response:
        if not self._is_admin(request):
            return web.Response(status=401)
        urls = {f.metadata.name: f.url(self.origin, self.settings.route_prefix) for f in self.http}
        body: list[dict[str, Any]] = [
            {
                "name": f.name,
                "language": "python",
                "invoke_url_template": urls.get(f.name),
                "isDisabled": f in self.disabled,
                "config": {"bindings": f.bindings},
            }
            for f in (*self.functions.all, *self.disabled)
        ]
        return web.json_response(body)

    async def _handle_call(self, request: web.Request) -> web.Response:
        """Call a timer function now, as the platform's administration address does."""
        if not self._is_admin(request):
            return web.Response(status=401)
        function = self._timers.find(request.match_info["name"])
        if function is None:
            return web.Response(status=404)
        await self._timers.call(function)
        return web.Response(status=202)

    def _is_admin(self, request: web.Request) -> bool:
        return not self.options.auth or self.keys.allows("admin", request)


def _unless_lost(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Handle what callbacks raise; that the task hub is lost is told once, as the host's end."""
    if not isinstance(context.get("exception"), TaskHubLostError):
        loop.default_exception_handler(context)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(128)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(host, port) from error
        raise SettingsError(f"cannot listen on {host} port {port}: {error.strerror or error}") from error
    sock.setblocking(False)
    return sock


def _stage(sock: socket.socket, environment: Mapping[str, str]) -> str:
    """The stage that functions are told: what is set, else Development where only this machine can call.

    Raises SettingsError when other machines could call what is meant for local development.
    """
    stage = environment.get(_STAGE, "")
    if _is_loopback(sock):
        return stage or _DEVELOPMENT
    found = f"{_STAGE}={stage}" if stage.lower() == _DEVELOPMENT.lower() else ""
    if not found and environment.get("AUTH_MODE", "").lower() == "dev":
        found = "AUTH_MODE=dev"
    if found:
        raise SettingsError(
            f"other machines can call what listens on {sock.getsockname()[0]}, and {found} is for local development: "
            f"listen on 127.0.0.1, or leave {found} out and say who vouches for callers"
        )
    return stage or _PRODUCTION


def _is_loopback(sock: socket.socket) -> bool:
    return ipaddress.ip_address(sock.getsockname()[0]).is_loopback


def _url_host(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
