"""Starts workers, feeds them, replaces those that die, and ends them (runs in the host).

A call is one ``invoke`` frame and its ``done`` frame. Every worker has a number of places per lane; a call waits in
the host, not in the worker, while no place is free, so that a worker's death costs few calls and the least busy worker
gets the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from local_host import logs, wire
from local_host.app_index import ACTIVITY, ENTITY, ORCHESTRATION, FunctionMetadata
from local_host.errors import AppLoadError, FunctionFailedError, FunctionTimeoutError, WorkerDiedError
from local_host.wire import Header

MAX_DELIVERIES = 5
"""How many workers may die while they run an activity, an episode or a batch before it fails."""

ISOLATED_FROM = 2
"""After how many such deaths an activity runs alone, so that it does not fail for what its neighbours do."""

_ASYNC_PLACES = 100
_EPISODE_PLACES = 2
_BOOTSTRAP = (
    "import sys; root, channel, lifeline = sys.argv[1:]; sys.path.insert(0, root); import local_host.worker as w; "
    "sys.path.remove(root); w.main(int(channel), int(lifeline))"
)
_RESTART_DELAYS = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


@dataclass(frozen=True)
class WorkerOptions:
    """What a worker is started with. ``durable_client`` is the JSON text of the client binding."""

    app_dir: Path
    threads: int
    log_levels: dict[str, int]
    durable_client: str


class _Protocol(asyncio.Protocol):
    def __init__(self, worker: WorkerProcess) -> None:
        self._worker = worker
        self._reader = wire.FrameReader()

    def data_received(self, data: bytes) -> None:
        for header, body in self._reader.feed(data):
            self._worker.frame_received(header, body)

    def connection_lost(self, exc: Exception | None) -> None:
        self._worker.connection_lost()


class WorkerProcess:
    """One worker process and the calls it has."""

    def __init__(
        self, options: WorkerOptions, on_place: Callable[[], None], on_retire: Callable[[WorkerProcess], None]
    ) -> None:
        self.pid = 0
        self.draining = False
        self.alone = False
        self.functions: list[FunctionMetadata] = []
        self.http_port: int | None = None
        self.busy = {"episode": 0, "activity": 0, "async activity": 0, "trigger": 0}
        self.ended = asyncio.Event()
        self._options = options
        self._on_place = on_place
        self._on_retire = on_retire
        self._calls: dict[str, asyncio.Future[tuple[Header, bytes]]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._lifeline = -1
        self._ready: asyncio.Future[list[FunctionMetadata]] = asyncio.get_running_loop().create_future()

    async def start(self) -> None:
        """Start the process and wait until it has loaded the app. Raises AppLoadError, also when it cannot start."""
        ours, theirs = socket.socketpair()
        lifeline_read, self._lifeline = os.pipe()
        arguments = ["-P", "-c", _BOOTSTRAP, _package_root(), str(theirs.fileno()), str(lifeline_read)]
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), lifeline_read),
                cwd=self._options.app_dir,
            )
        except OSError as error:
            ours.close()
            raise AppLoadError(f"cannot start a worker process: {error}") from error
        finally:
            theirs.close()
            os.close(lifeline_read)
        self.pid = self._process.pid
        ours.setblocking(False)
        transport, _ = await asyncio.get_running_loop().create_unix_connection(lambda: _Protocol(self), sock=ours)
        transport.set_write_buffer_limits(high=64 * 1024 * 1024)
        self._transport = transport
        start = {
            "t": "start",
            "app_dir": str(self._options.app_dir),
            "threads": self._options.threads,
            "log_levels": self._options.log_levels,
            "durable_client": self._options.durable_client,
        }
        transport.write(wire.encode(start))
        self.functions = await self._ready

    @property
    def activities(self) -> int:
        """How many activities it has."""
        return self.busy["activity"] + self.busy["async activity"]

    def take(self, lane: str) -> Place:
        """Take a place."""
        self.busy[lane] += 1
        return Place(self, lane)

    def give_back(self, lane: str) -> None:
        """Free a place."""
        self.busy[lane] -= 1
        self.alone = self.alone and self.activities > 0
        self._on_place()

    async def call(
        self, header: Header, body: bytes, forwarding: asyncio.Task[None] | None = None
    ) -> tuple[Header, bytes]:
        """Run one function and return the ``done`` frame.

        A call whose request and answer go through the worker's web server lasts until ``forwarding`` has ended.
        Raises FunctionFailedError when the function raised, WorkerDiedError when the process ended first.
        """
        if self._transport is None or self.ended.is_set():
            raise WorkerDiedError(f"worker {self.pid} has ended")
        future: asyncio.Future[tuple[Header, bytes]] = asyncio.get_running_loop().create_future()
        self._calls[header["id"]] = future
        try:
            self._transport.write(wire.encode({"t": "invoke", **header}, body))
            if forwarding is not None:
                forwarding.add_done_callback(lambda _: self._forwarded(header["id"]))
            done, result = await future
            if forwarding is not None:
                await asyncio.wait([forwarding])
        finally:
            self._calls.pop(header["id"], None)
            if self.draining and not self._calls:
                self.kill()
        if not done["ok"]:
            error = done["error"]
            raise FunctionFailedError(error["type"], error["message"], error["stack"])
        return done, result

    def _forwarded(self, invocation_id: str) -> None:
        """Tell the worker that a request comes no more, if it has not come."""
        future = self._calls.get(invocation_id)
        if future is not None and not future.done() and self._transport is not None:
            self._transport.write(wire.encode({"t": "abandon", "id": invocation_id}))

    def retire(self) -> None:
        """Take no more calls, and end as soon as there is none."""
        if not self.draining:
            self.draining = True
            logs.event("worker.retired", level=logging.WARNING, pid=self.pid, calls=len(self._calls))
            self._on_retire(self)
        if not self._calls:
            self.kill()

    def frame_received(self, header: Header, body: bytes) -> None:
        """Take one frame from the worker."""
        match header["t"]:
            case "done":
                future = self._calls.get(header["id"])
                if future is not None and not future.done():
                    future.set_result((header, body))
            case "log":
                text = logs.line(
                    "function.log",
                    function=header["function"],
                    invocation=header["id"],
                    logger=header["logger"],
                    message=header["message"],
                )
                logs.forward(header["level"], text)
            case "ready":
                self.http_port = header["http_port"]
                if not self._ready.done():
                    self._ready.set_result([FunctionMetadata(**f) for f in header["functions"]])
            case "failed":
                if not self._ready.done():
                    self._ready.set_exception(AppLoadError(header["error"], header["details"]))

    def connection_lost(self) -> None:
        """Give back every call: the process has ended."""
        if self.ended.is_set():
            return
        self.ended.set()
        error = WorkerDiedError(f"worker process {self.pid} ended before it answered")
        if not self._ready.done():
            self._ready.set_exception(AppLoadError(f"the worker process {self.pid} ended while it loaded the app"))
        for future in self._calls.values():
            if not future.done():
                future.set_exception(error)
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def wait(self) -> int:
        """Wait until the process has ended and return its exit status."""
        if self._process is None:
            self.connection_lost()
            return 0
        status = await self._process.wait()
        if self._transport is not None:
            self._transport.close()
        self.connection_lost()
        return status


class Place:
    """A place in a worker, for one call."""

    def __init__(self, worker: WorkerProcess, lane: str) -> None:
        self.worker = worker
        self._lane = lane
        self._held = True

    async def call(
        self, header: Header, body: bytes, seconds: float | None, forwarding: asyncio.Task[None] | None = None
    ) -> tuple[Header, bytes]:
        """Make the call and free the place. See WorkerProcess.call.

        Raises FunctionTimeoutError after that many seconds (None: no limit). Nothing can stop a function from outside,
        so its worker takes no more calls, and ends when its other calls have.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self.worker.call(header, body, forwarding)
        except TimeoutError:
            self.worker.retire()
            raise FunctionTimeoutError(header["function"], seconds or 0.0, header["id"]) from None
        finally:
            self.free()

    def free(self) -> None:
        """Free the place; a second time does nothing."""
        if self._held:
            self._held = False
            self.worker.give_back(self._lane)


class WorkerPool:
    """The workers of one host. ``serves_http`` tells whether they have web servers, because the app streams."""

    def __init__(self, count: int, options: WorkerOptions, on_place: Callable[[], None]) -> None:
        self._count = count
        self._options = options
        self._on_place = on_place
        self._workers: list[WorkerProcess] = []
        self._keepers: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._reserved: WorkerProcess | None = None
        self.serves_http = False

    async def start(self) -> list[FunctionMetadata]:
        """Start the workers and return the app's functions. Raises AppLoadError."""
        first = self._new_worker()
        try:
            await first.start()
        except AppLoadError:
            first.kill()
            await first.wait()
            raise
        self.serves_http = first.http_port is not None
        self._keep(first)
        for _ in range(1, self._count):
            self._keep(None)
        return first.functions

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that are up."""
        return [w.pid for w in self._workers]

    async def call(self, lane: str, header: Header, body: bytes, seconds: float | None) -> tuple[Header, bytes]:
        """Run one function in the least busy worker, waiting for a worker when none is up. See Place.call."""
        return await (await self.take(lane)).call(header, body, seconds)

    async def take(self, lane: str) -> Place:
        """Take a place in the least busy worker, however many calls it has, waiting for a worker when none is up."""
        while True:
            worker = self._least_busy(lane, sys.maxsize)
            if worker is not None:
                return worker.take(lane)
            if self._stopping:
                raise WorkerDiedError("the host is stopping")
            await asyncio.sleep(0.05)

    def place(self, kind: str, *, is_async: bool = False, alone: bool = False) -> Place | None:
        """Take a place for an episode or an activity in the least busy worker; None when all are taken.

        An activity that is to be ``alone`` gets a worker without other activities. When there is none, one takes no
        new activities until it has ended those it has.
        """
        if kind in (ORCHESTRATION, ENTITY):
            lane, places = "episode", _EPISODE_PLACES
        elif kind == ACTIVITY and is_async:
            lane, places = "async activity", _ASYNC_PLACES
        else:
            lane, places = "activity", self._options.threads
        if kind != ACTIVITY:
            worker = self._least_busy(lane, places)
        elif alone:
            worker = self._least_busy(lane, places, lambda w: w.activities == 0)
            self._reserved = None
            if worker is None:
                self._reserved = min(
                    (w for w in self._workers if not w.alone), key=lambda w: w.activities, default=None
                )
            else:
                worker.alone = True
        else:
            worker = self._least_busy(lane, places, lambda w: not w.alone and w is not self._reserved)
        return None if worker is None else worker.take(lane)

    async def stop(self) -> None:
        """End all workers."""
        self._stopping = True
        for keeper in self._keepers:
            keeper.cancel()
        for worker in self._workers:
            worker.kill()
        await asyncio.gather(*(w.wait() for w in self._workers))

    def _new_worker(self) -> WorkerProcess:
        return WorkerProcess(self._options, self._on_place, self._replace)

    def _replace(self, worker: WorkerProcess) -> None:
        if worker in self._workers:
            self._workers.remove(worker)
        if not self._stopping:
            self._keep(None)

    def _least_busy(
        self, lane: str, places: int, suits: Callable[[WorkerProcess], bool] = lambda _: True
    ) -> WorkerProcess | None:
        best: WorkerProcess | None = None
        for worker in self._workers:
            if worker.ended.is_set() or worker.busy[lane] >= places or not suits(worker):
                continue
            if best is None or _load(worker, lane) < _load(best, lane):
                best = worker
        return best

    def _keep(self, worker: WorkerProcess | None) -> None:
        if worker is not None:
            self._joined(worker)
        task = asyncio.get_running_loop().create_task(self._keep_running(worker))
        self._keepers.add(task)
        task.add_done_callback(self._keepers.discard)

    def _joined(self, worker: WorkerProcess) -> None:
        self._workers.append(worker)
        logs.event("worker.started", pid=worker.pid)
        self._on_place()

    async def _keep_running(self, worker: WorkerProcess | None) -> None:
        failures = 0
        while not self._stopping:
            if worker is None:
                await asyncio.sleep(_RESTART_DELAYS[min(failures, len(_RESTART_DELAYS) - 1)])
                worker = self._new_worker()
                try:
                    await worker.start()
                except AppLoadError as error:
                    failures += 1
                    logs.event("worker.load_failed", level=logging.ERROR, pid=worker.pid, error=str(error))
                    worker.kill()
                    await worker.wait()
                    worker = None
                    continue
                except asyncio.CancelledError:
                    worker.kill()
                    raise
                self._joined(worker)
            began = asyncio.get_running_loop().time()
            status = await worker.wait()
            if worker in self._workers:
                self._workers.remove(worker)
            if worker.draining or self._stopping:
                logs.event("worker.ended", pid=worker.pid)
                return
            failures = 0 if asyncio.get_running_loop().time() - began > 10 else failures + 1
            logs.event("worker.died", level=logging.WARNING, pid=worker.pid, status=status)
            worker = None


def _package_root() -> str:
    return str(Path(__file__).resolve().parent.parent)


def _load(worker: WorkerProcess, lane: str) -> tuple[int, int]:
    return worker.busy[lane], sum(worker.busy.values())
