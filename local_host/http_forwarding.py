"""Sends requests on to the web servers of workers, and their answers back, byte by byte as they come (see
``http_server``).

Nothing is held but what is between two sockets: who reads slowly makes the other write slowly.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, MultiMapping
from yarl import URL

from local_host.front_door import RefusedBodyError, body_of
from local_host.http_server import INVOCATION_HEADER
from local_host.wire import Header
from local_host.worker_pool import WorkerProcess

_HOP_HEADERS = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
"""What is said between two neighbours only (RFC 9110, 7.6.1)."""

_UNTYPED = "untyped"
_SILENT_SECONDS = 240.0
"""After so long without a byte of an answer a request fails, as on the platform (``ActivityTimeout``)."""


async def leave_type_out(_: web.Request, response: web.StreamResponse) -> None:
    """Take back the content type that aiohttp adds to a response without one (a handler of ``on_response_prepare``)."""
    if response.get(_UNTYPED, False):
        response.headers.pop("Content-Type", None)


class HttpForwarder:
    """Forwards requests. The connections are opened by the first of them."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._session: aiohttp.ClientSession | None = None

    async def forward(
        self, request: web.Request, response: web.StreamResponse, worker: WorkerProcess, call: Header
    ) -> None:
        """Send the request of a call to its worker's server and write the answer into the response.

        Raises RefusedBodyError, aiohttp.ClientError (among them TimeoutError) or OSError, also when
        ``response.prepared`` says that a part was sent before.
        """
        url = URL(f"http://127.0.0.1:{worker.http_port}{request.raw_path}", encoded=True)
        headers = _end_to_end(request.headers, "expect")
        headers[INVOCATION_HEADER] = call["id"]
        headers["X-Forwarded-For"] = call["request"]["headers"]["x-forwarded-for"]
        body = _Body(request, self._max_bytes) if request.body_exists else None
        try:
            async with self._client().request(
                request.method, url, headers=headers, data=body, allow_redirects=False
            ) as answer:
                response.set_status(answer.status, answer.reason)
                response.headers.extend(_end_to_end(answer.headers))
                response[_UNTYPED] = "Content-Type" not in answer.headers
                await response.prepare(request)
                async for data in answer.content.iter_any():
                    await response.write(data)
                await response.write_eof()
        except aiohttp.ClientError as error:
            if body is not None and body.failed is not None:
                raise body.failed from error
            raise

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            # No connection is used twice: the server may be about to close it, and no request can be sent again.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_read=_SILENT_SECONDS),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                auto_decompress=False,
            )
        return self._session


class _Body:
    """A request's body as it comes. ``failed`` tells why it ended early."""

    def __init__(self, request: web.Request, max_bytes: int) -> None:
        self._request = request
        self._max_bytes = max_bytes
        self.failed: RefusedBodyError | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for data in body_of(self._request, self._max_bytes):
                yield data
        except RefusedBodyError as error:
            self.failed = error
            raise


def _end_to_end(headers: MultiMapping[str], *more: str) -> CIMultiDict[str]:
    """Return the headers without those for a neighbour, which ``Connection`` may name too."""
    ours = _HOP_HEADERS | {name.strip().lower() for name in headers.get("Connection", "").split(",")} | set(more)
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in ours)
