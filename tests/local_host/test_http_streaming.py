"""Apps that stream through azurefunctions-extensions-http-fastapi: requests and responses of any size, as they come."""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.local_host.conftest import HostFactory, RunningHost, send, until

MIB = 2**20
SIZE = 300
"""MiB of a large body."""

PRELUDE = """\
import asyncio, hashlib, json, logging, os, time
from pathlib import Path
import azure.functions as func
import azure.durable_functions as df
from azurefunctions.extensions.http.fastapi import JSONResponse, Request, Response, StreamingResponse

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
MARKS = Path(os.environ["MARKS"])
"""
APP = f"""{PRELUDE}
released = asyncio.Event()
made = 0

@app.route(route="upload", methods=["PUT"])
async def upload(req: Request) -> JSONResponse:
    size, digest = 0, hashlib.sha256()
    async for chunk in req.stream():
        if not size:
            (MARKS / "first").write_bytes(chunk[:5])
        size += len(chunk)
        digest.update(chunk)
    return JSONResponse({{"size": size, "sha256": digest.hexdigest(), "length": req.headers.get("content-length")}})

@app.route(route="download/{{mib:int}}")
async def download(req: Request) -> StreamingResponse:
    async def content():
        global made
        for made in range(1, int(req.path_params["mib"]) + 1):
            yield bytes(2**20)
    return StreamingResponse(content(), media_type="application/octet-stream")

@app.route(route="made")
def how_many(req: Request) -> int:
    return made

@app.route(route="waits")
async def waits(req: Request) -> StreamingResponse:
    async def content():
        yield b"first"
        await released.wait()
        logging.warning("released")
        yield b"last"
    return StreamingResponse(content(), media_type="text/plain")

@app.route(route="release", methods=["POST"])
async def release(req: Request) -> Response:
    released.set()
    return Response(status_code=204)

@app.route(route="echo/{{name}}/{{rest?}}")
async def echo(req: Request) -> JSONResponse:
    seen = {{
        "method": req.method, "url": str(req.url), "query": dict(req.query_params), "route": req.path_params,
        "header": req.headers.get("x-custom"), "client": req.client.host, "body": (await req.body()).decode(),
    }}
    response = JSONResponse(seen, status_code=201, headers={{"X-Answer": "yes"}})
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response

@app.route(route="blocking")
def blocking(req: Request) -> dict:
    time.sleep(0.1)
    return {{"done": True}}

@app.route(route="untyped")
def untyped(req: Request) -> Response:
    return Response("text")

@app.route(route="nothing")
async def nothing(req: Request):
    return None

@app.route(route="fails")
async def fails(req: Request) -> Response:
    raise RuntimeError("secret details")

@app.route(route="fails_midway")
async def fails_midway(req: Request) -> StreamingResponse:
    async def content():
        yield b"first"
        raise RuntimeError("secret details")
    return StreamingResponse(content())

@app.route(route="dies")
async def dies(req: Request) -> Response:
    os._exit(3)

@app.route(route="dies_midway")
async def dies_midway(req: Request) -> StreamingResponse:
    async def content():
        yield b"first"
        os._exit(3)
    return StreamingResponse(content())

@app.route(route="until_gone")
async def until_gone(req: Request) -> Response:
    (MARKS / "waiting").touch()
    while not await req.is_disconnected():
        await asyncio.sleep(0.01)
    (MARKS / "gone").touch()
    return Response("too late")

@app.route(route="begin", methods=["POST"])
@app.durable_client_input(client_name="client")
async def begin(req: Request, client: df.DurableOrchestrationClient) -> JSONResponse:
    return JSONResponse({{"id": await client.start_new("hello", client_input=await req.json())}})

@app.orchestration_trigger("context")
def hello(context):
    return "hello " + context.get_input()
"""
ENV = {"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": str(SIZE * MIB), "FUNCTIONS_WORKER_PROCESS_COUNT": "1"}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    factory = HostFactory(tmp_path_factory.mktemp("streaming"))
    yield factory(APP, env=ENV, prelude=False)
    factory.close()


@contextmanager
def connection(host: RunningHost) -> Iterator[http.client.HTTPConnection]:
    client = http.client.HTTPConnection(host.url.removeprefix("http://"), timeout=60)
    try:
        yield client
    finally:
        client.close()


def peak_mib(host: RunningHost) -> float:
    """The most memory that the host, and its worker, have had, together."""
    assert host.process is not None
    total = 0
    for pid in (host.process.pid, *host.workers()):
        status = Path(f"/proc/{pid}/status").read_text()
        total += int(status.split("VmHWM:")[1].split()[0])
    return total / 1024


def test_response_arrives_while_it_is_made(host: RunningHost) -> None:
    """The first chunk is there before the last is made, and what is logged between belongs to the call."""
    with connection(host) as client:
        client.request("GET", "/api/waits")
        response = client.getresponse()
        assert (200, "text/plain; charset=utf-8") == (response.status, response.getheader("Content-Type"))
        assert b"first" == response.read1()
        assert 204 == host.post("/api/release").status
        assert b"last" == response.read()
    until(lambda: "http.served function=waits" in host.log())
    line = next(line for line in host.log().splitlines() if "message=released" in line)
    assert "function=waits invocation=" in line


def test_request_arrives_while_it_is_sent(host: RunningHost) -> None:
    """The function has the first chunk before the client has sent the last."""
    with connection(host) as client:
        client.putrequest("PUT", "/api/upload")
        client.putheader("Transfer-Encoding", "chunked")
        client.endheaders()
        client.send(b"5\r\nfirst\r\n")
        until(lambda: (host.marks / "first").exists())
        client.send(b"4\r\nlast\r\n0\r\n\r\n")
        assert {"size": 9, "sha256": hashlib.sha256(b"firstlast").hexdigest(), "length": None} == json.loads(
            client.getresponse().read()
        )


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
def test_memory_does_not_grow_with_bodies(host: RunningHost) -> None:
    """300 MiB up and 300 MiB down, with host and worker growing by a twentieth of one of them at most."""
    block = bytes(range(256)) * 4096
    digest = hashlib.sha256()
    for _ in range(SIZE):
        digest.update(block)
    before = peak_mib(host)
    with connection(host) as client:
        client.request("PUT", "/api/upload", (block for _ in range(SIZE)), {"Content-Length": str(SIZE * MIB)})
        seen = json.loads(client.getresponse().read())
    assert {"size": SIZE * MIB, "sha256": digest.hexdigest(), "length": str(SIZE * MIB)} == seen
    with connection(host) as client:
        client.request("GET", f"/api/download/{SIZE}")
        response, size = client.getresponse(), 0
        while data := response.read(MIB):
            size += len(data)
    assert SIZE * MIB == size
    assert peak_mib(host) - before < SIZE / 20


def test_slow_reader_slows_the_function(host: RunningHost) -> None:
    """A response is made no faster than its client reads it, but for what sockets hold."""
    with connection(host) as client:
        client.request("GET", f"/api/download/{SIZE}")
        client.getresponse().read(MIB)
        seen = [0]

        def stands_still() -> int:
            seen.append(host.get("/api/made").json())
            return seen[-1] if len(seen) > 10 and len(set(seen[-10:])) == 1 else 0

        assert until(stands_still) < SIZE / 3


def test_function_sees_the_request_as_it_was_sent(host: RunningHost) -> None:
    """Method, address, query, route parameters, headers, origin and body are the client's; so are status and headers
    of the answer the function's."""
    answer = send(host.url + "/api/echo/ada?x=1&y=%2F", "POST", b"body", {"X-Custom": "mine"})
    assert 201 == answer.status
    assert "yes" == answer.headers["x-answer"]
    assert {
        "method": "POST",
        "url": f"{host.url}/api/echo/ada?x=1&y=%2F",
        "query": {"x": "1", "y": "/"},
        "route": {"name": "ada"},
        "header": "mine",
        "client": "127.0.0.1",
        "body": "body",
    } == answer.json()
    with connection(host) as client:
        client.request("GET", "/api/echo/x/y")
        response = client.getresponse()
        response.read()
        assert ["a=1; Path=/; SameSite=lax", "b=2; Path=/; SameSite=lax"] == response.headers.get_all("Set-Cookie")


def test_what_functions_may_return(host: RunningHost) -> None:
    """Plain values become JSON, as the extension makes them; no header is added; without a response there is status
    500."""
    assert {"done": True} == host.get("/api/blocking").json()
    answer = host.get("/api/untyped")
    assert (b"text", None) == (answer.body, answer.headers.get("content-type"))
    assert 500 == host.get("/api/nothing").status


def test_routes_and_methods_are_the_hosts(host: RunningHost) -> None:
    """What no function takes does not reach the worker."""
    assert 404 == host.get("/api/upload").status
    assert 404 == host.get("/api/download/many").status
    assert 404 == host.get("/upload").status


def test_function_that_raises(host: RunningHost) -> None:
    """The client gets 500 and no details; the log has them."""
    answer = host.get("/api/fails")
    assert (500, b"Internal Server Error") == (answer.status, answer.body)
    until(lambda: "http.failed function=fails " in host.log())
    line = next(line for line in host.log().splitlines() if "http.failed function=fails " in line)
    assert 'error="RuntimeError: secret details"' in line
    assert "in fails" in line


@pytest.mark.parametrize("name", ["fails_midway", "dies_midway"])
def test_response_that_breaks_off_looks_broken(host: RunningHost, name: str) -> None:
    """A client never takes the beginning of a response for the whole."""
    with connection(host) as client:
        client.request("GET", f"/api/{name}")
        response = client.getresponse()
        assert 200 == response.status
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            response.read()
    until(lambda: f"http.failed function={name} " in host.log())
    assert {"done": True} == host.get("/api/blocking").json()


def test_worker_that_dies(host: RunningHost) -> None:
    """The client gets 500, and the next request another worker."""
    assert 500 == host.get("/api/dies").status
    assert {"done": True} == host.get("/api/blocking").json()


def test_client_that_goes(host: RunningHost) -> None:
    """The function learns that nobody waits any more."""
    with connection(host) as client:
        client.request("GET", "/api/until_gone")
        until(lambda: (host.marks / "waiting").exists())
    until(lambda: (host.marks / "gone").exists())
    assert {"done": True} == host.get("/api/blocking").json()


def test_method_the_extension_does_not_know(host: RunningHost) -> None:
    """The extension's server refuses it; the call that waits for the request ends."""
    assert 405 == send(host.url + "/api/echo/x", "PROPFIND").status
    until(lambda: "http.failed function=echo " in host.log())


def test_durable_client_in_a_function_that_streams(host: RunningHost) -> None:
    """The durable client binding works as in other functions."""
    started = host.post("/api/begin", json.dumps("ada"))
    assert "hello ada" == host.finish(started.json()["id"])["output"]


def test_limits_and_keys(new_host: HostFactory) -> None:
    """A body over the limit is 413 whether its length is said or not; a function over its time fails; --auth asks for
    keys."""
    source = f"""{PRELUDE}
@app.route(route="size", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def size(req: Request) -> Response:
    return Response(str(len(await req.body())))

@app.route(route="endless")
async def endless(req: Request) -> Response:
    await asyncio.sleep(60)

@app.route(route="endless_response")
async def endless_response(req: Request) -> StreamingResponse:
    async def content():
        yield b"first"
        await asyncio.sleep(60)
    return StreamingResponse(content())
"""
    settings = {
        "version": "2.0",
        "functionTimeout": "00:00:01",
        "extensions": {"http": {"routePrefix": "v1"}},
    }
    host = new_host(
        source,
        prelude=False,
        env={"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "1000"},
        files={"host.json": json.dumps(settings)},
        arguments=("--auth",),
    )
    key = json.loads((host.data_dir / "host-keys.json").read_text())["function"]
    assert 401 == host.post("/v1/size", b"x").status
    assert b"1000" == host.post("/v1/size", bytes(1000), **{"x-functions-key": key}).body
    assert 413 == host.post("/v1/size", bytes(1001), **{"x-functions-key": key}).status
    with connection(host) as client:
        blocks = (bytes(600) for _ in range(2))
        client.request("POST", "/v1/size", blocks, {"x-functions-key": key}, encode_chunked=True)
        assert 413 == client.getresponse().status
    assert 500 == host.get("/v1/endless").status
    assert "Timeout value of 00:00:01 exceeded by function 'endless'" in host.log()
    with connection(host) as client:
        client.request("GET", "/v1/endless_response")
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            client.getresponse().read()


def test_function_with_the_plain_request_in_an_app_that_streams(new_host: HostFactory) -> None:
    """The platform refuses an app that has both kinds of requests, and so does this host."""
    host = new_host.make(
        f"""{PRELUDE}
@app.route(route="plain")
def plain(req: func.HttpRequest) -> Response:
    return Response("")
""",
        prelude=False,
    )
    process = host.spawn()
    assert 1 == process.wait(60)
    assert process.stdout is not None
    process.stdout.close()
    assert (
        'cannot load the plain function: type of req binding in the function definition "httpTrigger" does not match '
        'its Python annotation "HttpRequest"'
    ) in host.log()
