"""What the host asks of those who connect: headers in time, bodies at a least speed, no more at once than it can hold.

The figures are Kestrel's, the platform's own server (``KestrelServerLimits``): ``RequestHeadersTimeout`` 30 s,
``KeepAliveTimeout`` 130 s, ``MinRequestBodyDataRate`` 240 bytes a second after 5 s, answered with 408. It has no bound
on connections; a machine has, and what is over ``MAX_CONNECTIONS`` is closed at once. Bodies stay as they were sent:
like Kestrel, the host inflates none, so that 100 KB are 100 KB.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from local_host import logs

HEADERS_SECONDS = 30.0
IDLE_SECONDS = 130.0
BODY_BYTES_A_SECOND = 240
BODY_GRACE_SECONDS = 5.0
MAX_CONNECTIONS = 500

_LINGER_SECONDS = 1.0
"""How long what is left of a refused body is thrown away, so that its sender reads the answer."""

_CONNECTION = {"keepalive_timeout": IDLE_SECONDS, "lingering_time": _LINGER_SECONDS, "auto_decompress": False}


class RefusedBodyError(Exception):
    """A request's body is not taken; ``status`` says so."""

    status: int


class RequestTooLongError(RefusedBodyError):
    """It has more bytes than the host takes."""

    status = 413


class SlowBodyError(RefusedBodyError):
    """It comes too slowly."""

    status = 408


class GuardedSite(web.SockSite):
    """Serves a runner's application on a socket, to connections that are watched until their headers are there."""

    def __init__(self, runner: web.AppRunner, sock: socket.socket, headers_seconds: float = HEADERS_SECONDS) -> None:
        super().__init__(runner, sock)
        self._listening = sock
        self._application = runner
        self._headers_seconds = headers_seconds

    async def start(self) -> None:
        """Begin to serve."""
        await web.BaseSite.start(self)
        loop = asyncio.get_running_loop()
        manager = self._application.server
        if manager is None:
            raise RuntimeError("the runner is not set up")
        self._server = await loop.create_server(self._connection(manager, loop), sock=self._listening)

    def _connection(self, manager: web.Server, loop: asyncio.AbstractEventLoop) -> Callable[[], RequestHandler]:
        def make() -> RequestHandler:
            return _Connection(manager, self._headers_seconds, loop=loop, access_log=None, **_CONNECTION)

        return make


class _Connection(RequestHandler):
    """A connection that is closed when a request's headers have not come whole in time."""

    __slots__ = ("_headers_seconds", "_headers_timer")

    def __init__(self, manager: web.Server, headers_seconds: float, **options: Any) -> None:
        super().__init__(manager, **options)
        self._headers_seconds = headers_seconds
        self._headers_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._manager is not None and len(self._manager.connections) > MAX_CONNECTIONS:
            logs.event("http.refused", level=logging.WARNING, connections=MAX_CONNECTIONS)
            self.force_close()

    def data_received(self, data: bytes) -> None:
        begun = self._request_count
        super().data_received(data)
        if self._request_count > begun:
            self._stop_timer()
        elif self._current_request is None and not self._messages and self._headers_timer is None:
            self._headers_timer = self._loop.call_later(self._headers_seconds, self._too_late)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is not HTTP as the platform does, with its status alone: its bytes may be a key or a token."""
        if status < HTTPStatus.INTERNAL_SERVER_ERROR and request.writer.output_size == 0:
            logs.event("http.malformed", level=logging.WARNING, remote=request.remote, reason=type(exc).__name__)
            answer = web.Response(status=status, text=HTTPStatus(status).phrase)
            answer.force_close()
            return answer
        return super().handle_error(request, status, exc, message)

    def _too_late(self) -> None:
        logs.event("http.half_open", level=logging.WARNING, remote=str(self.peername))
        self.force_close()

    def _stop_timer(self) -> None:
        if self._headers_timer is not None:
            self._headers_timer.cancel()
            self._headers_timer = None


async def body_of(request: web.Request, most: int) -> AsyncIterator[bytes]:
    """A request's body, piece by piece as it comes.

    Raises RequestTooLongError beyond ``most`` bytes, and SlowBodyError when the client sends it too slowly. Only the
    time in which the client is waited for counts: whoever reads the pieces may take theirs.
    """
    clock = asyncio.get_running_loop().time
    waited, got = 0.0, 0
    while True:
        began = clock()
        patience = BODY_GRACE_SECONDS + got / BODY_BYTES_A_SECOND - waited
        try:
            data = await asyncio.wait_for(request.content.readany(), patience)
        except TimeoutError:
            raise SlowBodyError from None
        if not data:
            return
        waited += clock() - began
        got += len(data)
        if got > most:
            raise RequestTooLongError
        yield data


async def read_body(request: web.Request, most: int) -> bytes:
    """The whole body. Raises as ``body_of`` does."""
    body = bytearray()
    async for data in body_of(request, most):
        body += data
    return bytes(body)
