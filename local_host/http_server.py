"""HTTP functions of apps that stream: the web server of their extension (runs in a worker).

An app that imports a web extension (``azurefunctions-extensions-http-fastapi``) takes the extension's requests and
gives its responses. As on the platform, a worker of such an app serves HTTP by itself, on the loopback address: the
host sends a request on to it (see ``http_forwarding``) and, at the same time, calls the function; the header
``x-ms-invocation-id`` says which of both belong together. Read from azure-functions-python-worker (``http_v2.py``)
and azure-functions-host (``DefaultHttpProxyService``).
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

from local_host.errors import AppLoadError

INVOCATION_HEADER = "x-ms-invocation-id"

_EXTENSIONS = "azurefunctions.extensions.base"
_ADDRESS = "127.0.0.1"
_LATE_SECONDS = 60.0
_SERVER_LOGGERS = ("uvicorn", "uvicorn.access", "uvicorn.error")


def extensions() -> Any:
    """Return the package web extensions register in, or None when the app has imported none of them."""
    base = sys.modules.get(_EXTENSIONS)
    return base if base is not None and base.HttpV2FeatureChecker.http_v2_enabled() else None


class _Exchange:
    """A request and what the function returned or raised, whichever comes first."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.request: asyncio.Future[Any] = loop.create_future()
        self.response: asyncio.Future[tuple[Any, Callable[[], object]]] = loop.create_future()


class HttpServer:
    """The extension's web server, and the requests in it. Belongs to the event loop of the worker."""

    def __init__(self, base: Any) -> None:
        self._base = base
        self._exchanges: dict[str, _Exchange] = {}
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Start serving and return the port. Raises AppLoadError when the server cannot."""
        extension = importlib.import_module(self._base.ModuleTrackerMeta.get_module())
        app = extension.WebApp()
        app.route(self._endpoint())
        port = _free_port()
        # The extension's server takes signals, and writes its log to the standard streams, as a program of its own.
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        logging.disable(logging.INFO)
        self._serving = asyncio.get_running_loop().create_task(extension.WebServer(_ADDRESS, port, app).serve())
        while not await _listens(port):
            if self._serving.done():
                raise AppLoadError("the web server of the app's HTTP extension ended before it served")
            await asyncio.sleep(0.01)
        logging.disable(logging.NOTSET)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for name in _SERVER_LOGGERS:
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.propagate = True
            logger.setLevel(logging.WARNING)  # requests are in the host's log
        return port

    async def request(self, invocation_id: str, params: dict[str, str]) -> Any:
        """Wait for the request of a call and return it, with its route parameters.

        Raises ConnectionError when the host says that it does not come any more.
        """
        request = await self._exchange(invocation_id).request
        self._base.RequestTrackerMeta.get_synchronizer().sync_route_params(request, params)
        return request

    def answer(self, invocation_id: str, value: Any, mark: Callable[[], object]) -> None:
        """Answer a request with what the function returned or raised.

        ``mark`` is called in the context in which the response is made, for what is logged there.
        """
        self._exchange(invocation_id).response.set_result((value, mark))

    def abandon(self, invocation_id: str) -> None:
        """Give up to wait for a request that has not come."""
        exchange = self._exchanges.get(invocation_id)
        if exchange is not None and not exchange.request.done():
            exchange.request.set_exception(ConnectionError("the request ended before the function had it"))
            # It may still be on its way; then it is answered.
            asyncio.get_running_loop().call_later(_LATE_SECONDS, self._exchanges.pop, invocation_id, None)

    def _exchange(self, invocation_id: str) -> _Exchange:
        return self._exchanges.setdefault(invocation_id, _Exchange())

    def _endpoint(self) -> Callable[..., Any]:
        async def endpoint(request: Any) -> Any:
            invocation_id = request.headers.get(INVOCATION_HEADER)
            if invocation_id is None:
                raise ValueError(f"header {INVOCATION_HEADER} not found")
            exchange = self._exchange(invocation_id)
            if not exchange.request.done():
                exchange.request.set_result(request)
            try:
                value, mark = await exchange.response
            finally:
                self._exchanges.pop(invocation_id, None)
            mark()
            if isinstance(value, Exception):
                raise value
            if value is None or isinstance(value, BaseException):
                raise ValueError(f"no HTTP response found for invocation {invocation_id}")
            return value

        # The extension finds out by the annotation what to give.
        endpoint.__annotations__ = {"request": self._base.RequestTrackerMeta.get_request_type()}
        return endpoint


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind((_ADDRESS, 0))
        return int(sock.getsockname()[1])


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(_ADDRESS, port)
    except OSError:
        return False
    writer.close()
    return True
