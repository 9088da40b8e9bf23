"""The worker process: loads the app and runs its functions.

The main thread runs one event loop for async functions. A reader thread takes frames from the host. Sync functions run
in threads, in three lanes so that none can starve another: orchestrator and entity episodes (one thread), activities,
and HTTP and timer functions (``PYTHON_THREADPOOL_THREAD_COUNT`` each). An app that streams has its web server on the
event loop too.

A worker never outlives its host: it ends when its lifeline (a pipe whose other end only the host holds) closes, and on
Linux the kernel ends it when the host dies.
"""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import logging
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from local_host import app_index, bindings, episode, http_server, wire
from local_host.app_index import LoadedFunction
from local_host.errors import AppLoadError
from local_host.http_server import HttpServer
from local_host.wire import Header

_PR_SET_PDEATHSIG = 1
_STACK_LIMIT = 32 * 1024

_invocation: contextvars.ContextVar[tuple[str, str] | None] = contextvars.ContextVar("invocation", default=None)


class _Channel:
    """The worker's end of the socket. Sending is safe from any thread."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._lock = threading.Lock()

    def send(self, header: Header, body: bytes = b"") -> None:
        frame = wire.encode(header, body)
        try:
            with self._lock:
                self._socket.sendall(frame)
        except OSError:
            os._exit(1)

    def read(self) -> tuple[Header, bytes] | None:
        try:
            return wire.read_frame(self._socket)
        except OSError:
            return None


class _ForwardHandler(logging.Handler):
    """Sends the records of functions to the host's log, with the invocation they belong to."""

    def __init__(self, channel: _Channel) -> None:
        super().__init__()
        self._channel = channel
        self._busy = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(self._busy, "value", False):
            return
        self._busy.value = True
        try:
            message = record.getMessage()
            if record.exc_info:
                message += "\n" + logging.Formatter().formatException(record.exc_info)
            invocation_id, function = _invocation.get() or (None, None)
            self._channel.send(
                {
                    "t": "log",
                    "level": record.levelno,
                    "logger": record.name,
                    "message": message,
                    "id": invocation_id,
                    "function": function,
                }
            )
        except Exception:  # noqa: BLE001 - logging must not break the function that logs
            self.handleError(record)
        finally:
            self._busy.value = False


class Worker:
    """Runs the functions of one app for one host."""

    def __init__(self, channel: _Channel, start: Header, functions: list[LoadedFunction]) -> None:
        self._channel = channel
        self._app_dir: str = start["app_dir"]
        self._client: str = start["durable_client"]
        self._functions = {f.metadata.name: f for f in functions}
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        threads = int(start["threads"])
        self._episodes = ThreadPoolExecutor(1, "orchestrator")
        self._activities = ThreadPoolExecutor(threads, "activity")
        self._triggers = ThreadPoolExecutor(threads, "trigger")
        base = http_server.extensions()
        self._http = HttpServer(base) if base is not None else None

    def start_http(self) -> int | None:
        """Start the web server of an app that streams and return its port. Raises AppLoadError when it cannot."""
        return self._loop.run_until_complete(self._http.start()) if self._http is not None else None

    def run(self) -> None:
        """Serve the host until it closes the channel."""
        threading.Thread(target=self._read, name="host-reader", daemon=True).start()
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _read(self) -> None:
        while True:
            frame = self._channel.read()
            if frame is None:
                os._exit(0)
            self._dispatch(*frame)

    def _dispatch(self, header: Header, body: bytes) -> None:
        if self._http is not None and header["t"] == "abandon":
            self._loop.call_soon_threadsafe(self._http.abandon, header["id"])
            return
        function = self._functions[header["function"]]
        kind = header["kind"]
        if self._http is not None and kind == app_index.HTTP:
            self._loop.call_soon_threadsafe(self._start_task, self._run_streaming(self._http, function, header))
        elif kind in (app_index.ORCHESTRATION, app_index.ENTITY):
            self._episodes.submit(self._run_sync, function, header, body)
        elif function.metadata.is_async:
            self._loop.call_soon_threadsafe(self._start_task, self._run_async(function, header, body))
        else:
            lane = self._activities if kind == app_index.ACTIVITY else self._triggers
            lane.submit(self._run_sync, function, header, body)

    def _start_task(self, coroutine: Coroutine[object, object, None]) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _run_sync(self, function: LoadedFunction, header: Header, body: bytes) -> None:
        contextvars.copy_context().run(self._call, function, header, body)

    def _call(self, function: LoadedFunction, header: Header, body: bytes) -> None:
        _invocation.set((header["id"], function.metadata.name))
        try:
            if header["kind"] == app_index.ORCHESTRATION:
                outcome = episode.run(
                    function.call, function.metadata.durable_name, header["execution_id"], body.decode()
                )
                fields, result = {"outcome": outcome.to_json()}, b""
            else:
                kwargs = bindings.arguments(function, header, body, self._client, self._app_dir)
                fields, result = bindings.result(function, kwargs, function.call(**kwargs))
            self._channel.send({"t": "done", "id": header["id"], "ok": True, **fields}, result)
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - the app's failure is an answer
            self._fail(header, error)

    async def _run_async(self, function: LoadedFunction, header: Header, body: bytes) -> None:
        _invocation.set((header["id"], function.metadata.name))
        try:
            kwargs = bindings.arguments(function, header, body, self._client, self._app_dir)
            fields, result = bindings.result(function, kwargs, await function.call(**kwargs))
            self._channel.send({"t": "done", "id": header["id"], "ok": True, **fields}, result)
        except (Exception, SystemExit, KeyboardInterrupt, asyncio.CancelledError) as error:  # noqa: BLE001 - as above
            self._fail(header, error)

    async def _run_streaming(self, http: HttpServer, function: LoadedFunction, header: Header) -> None:
        mark = partial(_invocation.set, (header["id"], function.metadata.name))
        mark()
        try:
            kwargs = bindings.arguments(function, header, b"", self._client, self._app_dir)
            kwargs[function.trigger_param] = await http.request(header["id"], header["request"]["params"])
            if function.metadata.is_async:
                value = await function.call(**kwargs)
            else:
                call = partial(contextvars.copy_context().run, partial(function.call, **kwargs))
                value = await self._loop.run_in_executor(self._triggers, call)
        except (Exception, SystemExit, KeyboardInterrupt, asyncio.CancelledError) as error:  # noqa: BLE001 - as above
            http.answer(header["id"], error, mark)
            self._fail(header, error)
        else:
            http.answer(header["id"], value, mark)
            self._channel.send({"t": "done", "id": header["id"], "ok": True})

    def _fail(self, header: Header, error: BaseException) -> None:
        stack = "".join(traceback.format_exception(error))
        self._channel.send(
            {
                "t": "done",
                "id": header["id"],
                "ok": False,
                "error": {
                    "type": type(error).__name__,
                    "message": _shorten(_words(error), episode.MESSAGE_LIMIT),
                    "stack": _shorten(stack, _STACK_LIMIT),
                },
            }
        )


def main(channel_fd: int, lifeline_fd: int) -> None:
    """Run a worker on the two inherited file descriptors; returns only when the app cannot be loaded."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_host(lifeline_fd)
    channel = _Channel(socket.socket(fileno=channel_fd))
    frame = channel.read()
    if frame is None:
        return
    start, _ = frame
    _forward_logs(channel, start["log_levels"])
    os.chdir(start["app_dir"])
    try:
        functions = app_index.load_app(Path(start["app_dir"]))
        worker = Worker(channel, start, functions)
        http_port = worker.start_http()
    except AppLoadError as error:
        channel.send({"t": "failed", "error": str(error), "details": error.details})
        return
    if any(f.metadata.kind == app_index.ORCHESTRATION for f in functions):
        episode.use_fast_timestamps()
    channel.send({"t": "ready", "functions": [f.metadata.to_json() for f in functions], "http_port": http_port})
    worker.run()


def _forward_logs(channel: _Channel, levels: dict[str, int]) -> None:
    root = logging.getLogger()
    root.addHandler(_ForwardHandler(channel))
    root.setLevel(levels.get("Function", levels["default"]))
    for name, level in levels.items():
        if name not in ("default", "Function"):
            logging.getLogger(name).setLevel(level)
    logging.captureWarnings(True)


def _die_with_host(lifeline_fd: int) -> None:
    def watch() -> None:
        os.read(lifeline_fd, 1)
        os._exit(1)

    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception may fail to say what it is; these are the platform's words then
        return "Unhandled exception in function. Could not serialize original exception message."


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text) - limit} more characters)"
