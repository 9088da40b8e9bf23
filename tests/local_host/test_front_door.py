"""Clients that hold on to the host: half-sent headers, slow bodies, too many connections, inflated bodies."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from local_host import front_door, logs
from local_host.errors import SettingsError
from local_host.front_door import GuardedSite, RefusedBodyError, read_body
from local_host.settings import load_host_settings
from tests.local_host.conftest import HostFactory, RunningHost, send, until

LIMIT = 100_000
PLENTY = 60.0


async def _answer(request: web.Request) -> web.Response:
    try:
        return web.Response(text=str(len(await read_body(request, LIMIT))))
    except RefusedBodyError as error:
        response = web.Response(status=error.status)
        response.force_close()
        return response


@asynccontextmanager
async def served(headers_seconds: float = PLENTY) -> AsyncIterator[int]:
    """A server behind the front door; gives its port."""
    app = web.Application()
    app.router.add_route("*", "/", _answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        await GuardedSite(runner, sock, headers_seconds).start()
        try:
            yield sock.getsockname()[1]
        finally:
            await runner.cleanup()


async def heard(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Everything that comes back until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        return await asyncio.wait_for(reader.read(), PLENTY)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


HALVES = [
    b"G",
    b"GET / HTTP/1.1\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 4000,
    b"\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n",
]


@pytest.mark.parametrize("half", HALVES, ids=range(len(HALVES)))
def test_headers_that_do_not_come_whole_close_the_connection(half: bytes) -> None:
    """After the time for headers, however they are dribbled; nothing is answered, for nothing was asked."""

    async def run() -> None:
        async with served(headers_seconds=0.2) as port:
            assert await heard(port, half) == b""
            assert await heard(port, *(bytes([b]) for b in half[:30]), pause=0.02) == b""

    asyncio.run(run())


def test_a_second_request_has_its_own_time() -> None:
    """A connection that has been answered, and idles, is not closed for it; half of the next request is."""

    async def run() -> None:
        async with served(headers_seconds=0.2) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(3):
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert (await reader.readuntil(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200")
                await asyncio.sleep(0.3)
            writer.write(b"GET / HT")
            assert await asyncio.wait_for(reader.read(), PLENTY) == b""
            writer.close()

    asyncio.run(run())


@pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_a_body_that_comes_too_slowly_is_answered_with_408(monkeypatch: pytest.MonkeyPatch, framing: str) -> None:
    """The connection is closed then; also where a little comes every now and then."""
    monkeypatch.setattr(front_door, "BODY_GRACE_SECONDS", 0.2)
    head = f"POST / HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode()
    little = b"1\r\nx\r\n" if "chunked" in framing else b"x"

    async def run() -> None:
        async with served() as port:
            assert (await heard(port, head)).startswith(b"HTTP/1.1 408")
            assert (await heard(port, head, *[little] * 20, pause=0.05)).startswith(b"HTTP/1.1 408")

    asyncio.run(run())


def test_a_body_of_the_least_speed_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has come buys time for what is to come."""
    monkeypatch.setattr(front_door, "BODY_GRACE_SECONDS", 5.0)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 6000\r\n\r\n"

    async def run() -> None:
        async with served() as port:
            assert (await heard(port, head, *[b"x" * 1000] * 6, pause=0.05)).endswith(b"\r\n6000")

    asyncio.run(run())


def test_a_body_that_is_too_long_is_not_read_on() -> None:
    """413 as soon as it is known, whatever length was announced."""
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"

    async def run() -> None:
        async with served() as port:
            head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            assert (await heard(port, head, *[chunk] * 8)).startswith(b"HTTP/1.1 413")

    asyncio.run(run())


def test_more_connections_than_the_host_holds_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once; those that are there go on, and one that goes makes room."""
    monkeypatch.setattr(front_door, "MAX_CONNECTIONS", 5)
    ask = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    async def run() -> None:
        async with served() as port:
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
            assert await heard(port, ask) == b""
            reader, writer = held[0]
            writer.write(ask)
            assert (await asyncio.wait_for(reader.read(), PLENTY)).startswith(b"HTTP/1.1 200")
            for _, writer in held:
                writer.close()
            while not await heard(port, ask):  # until the server has seen that they are gone
                continue

    asyncio.run(run())


APP = """
@app.route(route="size", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def size(req: func.HttpRequest) -> func.HttpResponse:
    logging.warning("told \\x00 \\x7f \\x1b[31m \\u2028 end")
    return func.HttpResponse(f"{len(req.get_body())} {req.headers.get('content-encoding')}")
"""


def test_a_body_stays_as_it_was_sent(host: RunningHost) -> None:
    """A hundred kilobytes that would be a hundred megabytes stay what they are, as on the platform; logs are clean."""
    bomb = gzip.compress(b"\0" * 100_000_000, 9)
    answer = send(f"{host.url}/api/size", "POST", bomb, {"Content-Encoding": "gzip"})
    assert answer.body.decode() == f"{len(bomb)} gzip"
    send(f"{host.url}/api/%00%7F%1B[31m%0A")
    log = host.log()
    assert "told \\u0000 \\u007f \\u001b[31m \\u2028 end" in log
    assert not [c for c in log if not c.isprintable() and c not in "\n\t"]


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /admin/host/status?code=hunter2-key&x=" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nx-functions-key: hunter2-key" + b"a" * 9_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer hunter2-key\x00\r\n\r\n",
        b"hunter2-key is no request\r\n\r\n",
    ],
    ids=["long target", "long header", "NUL in a header", "no request"],
)
def test_what_is_not_http_is_neither_echoed_nor_logged(request_: bytes, host: RunningHost) -> None:
    """Its first bytes may be a key or a token."""
    with socket.create_connection(("127.0.0.1", int(host.url.rpartition(":")[2])), timeout=30) as connection:
        connection.sendall(request_)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert b"hunter2" not in answer
    assert "hunter2" not in host.log()
    assert "http.malformed" in host.log()


@pytest.mark.parametrize(
    "text", ["\0", "a\x7fb", "\x1b[2J", "\u2028", "\x85", "\ud800", "a\rb", "a\nb", "\u202e", "\U000e0001", "\xa0"]
)
def test_a_line_of_the_log_is_printable(text: str) -> None:
    """Whatever a client sends; JSON reads the value as it was."""
    line = logs.line("http.served", path=text)
    assert line.isprintable()
    assert json.loads(line.removeprefix("http.served path=")) == text


SLOW_APP = """
@app.route(route="slow", auth_level=func.AuthLevel.ANONYMOUS)
async def slow(req: func.HttpRequest) -> func.HttpResponse:
    mark("in")
    while not (MARKS / "go").exists():
        await asyncio.sleep(0.02)
    return func.HttpResponse("done")
"""


def test_more_requests_than_may_wait_get_429(new_host: HostFactory) -> None:
    """As ``maxOutstandingRequests`` of host.json says; without it there is no limit."""
    http = {"version": "2.0", "extensions": {"http": {"maxOutstandingRequests": 3}}}
    host = new_host(SLOW_APP, files={"host.json": json.dumps(http)})
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(send, f"{host.url}/api/slow") for _ in range(3)]
        until(lambda: host.marked("in") == 3)
        assert send(f"{host.url}/api/slow").status == 429
        (host.marks / "go").touch()
        assert [answer.result().status for answer in waiting] == [200] * 3
    assert send(f"{host.url}/api/slow").status == 200


@pytest.mark.parametrize("value", [-2, "many", 1.5, True, None])
def test_a_wrong_number_of_requests_is_refused(tmp_path: Path, value: object) -> None:
    """The setting is named."""
    http = {"version": "2.0", "extensions": {"http": {"maxOutstandingRequests": value}}}
    (tmp_path / "host.json").write_text(json.dumps(http))
    with pytest.raises(SettingsError, match="maxOutstandingRequests"):
        load_host_settings(tmp_path, {})
