"""HTTP functions: routes, what a function sees of a request, and what a caller gets."""

from __future__ import annotations

import threading
import time
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from local_host.http_triggers import Route
from local_host.settings import HostSettings
from tests.local_host.conftest import HostFactory, RunningHost, send, until

LIMIT = 8_000_000
ENV = {"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": str(LIMIT)}
APP = """
@app.route(route="echo/{name}/{rest?}")
def echo(req: func.HttpRequest) -> func.HttpResponse:
    seen = {
        "method": req.method, "url": req.url, "params": dict(req.params), "route": dict(req.route_params),
        "header": req.headers.get("X-Custom"), "body": req.get_body().decode("latin-1"),
    }
    return func.HttpResponse(json.dumps(seen), mimetype="application/json")

@app.route(route="raw", methods=["POST"])
async def raw(req: func.HttpRequest) -> func.HttpResponse:
    body = req.get_body()
    return func.HttpResponse(body, status_code=201, mimetype="application/octet-stream",
                             headers={"X-Length": len(body)})

@app.route(route="cookies")
def cookies(req: func.HttpRequest) -> func.HttpResponse:
    response = func.HttpResponse("ok")
    response.headers.add("Set-Cookie", "a=1; Path=/; HttpOnly")
    response.headers.add("Set-Cookie", "b=2")
    response.headers.add("Set-Cookie", "c=\\"3 x\\"; Domain=example.com; Expires=Thu, 12-Jan-2017 13:55:08 GMT; "
                         "Max-Age=10000000; Path=/p; Secure; SameSite=Strict; HttpOnly")
    return response

@app.route(route="bad_cookie")
def bad_cookie(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("ok", headers={"Set-Cookie": "a=1; Expires=Dummy"})

@app.route(route="trace")
def trace(req: func.HttpRequest, context: func.Context) -> str:
    trace = context.trace_context
    return json.dumps([trace.Traceparent, trace.Tracestate, trace.Attributes, trace.trace_parent])

@app.route(route="text")
def text(req: func.HttpRequest) -> str:
    return "just téxt"

@app.route(route="nothing")
def nothing(req: func.HttpRequest) -> func.HttpResponse:
    return None

@app.route(route="redirect")
def redirect(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(status_code=302, headers={"Location": "https://example.org/x?y=1"})

@app.route(route="fails")
def fails(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("secret details")

@app.route(route="logs")
async def logs(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    logging.getLogger("shop.orders").warning("order %s is late", 17)
    return func.HttpResponse(f"{context.invocation_id} {context.function_name}")

@app.route(route="sleep/{seconds:int}")
def sleep(req: func.HttpRequest) -> func.HttpResponse:
    time.sleep(int(req.route_params["seconds"]))
    return func.HttpResponse("slept")

@app.route(route="blocks_the_loop")
async def blocks_the_loop(req: func.HttpRequest) -> func.HttpResponse:
    mark("blocking")
    time.sleep(1)
    return func.HttpResponse("blocked")

@app.route(route="item/{id:int}")
def item_by_number(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("number")

@app.route(route="item/{id}")
def item_by_name(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("name")

@app.route(route="item/special")
def item_special(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("special")

@app.route(route="files/{*path}")
def files(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(req.route_params.get("path", "none"))

@app.route(route="single", methods=["GET"])
def single_get(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("get")

@app.route(route="single", methods=["DELETE"])
def single_delete(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("delete")
"""


def test_request_as_a_function_sees_it(host: RunningHost) -> None:
    """Method, URL, query, route values, headers and body arrive decoded; repeated query names are joined."""
    url = f"{host.url}/api/echo/J%C3%BCrg%20A?q=a%20b&n=1&n=2"
    seen = send(url, "POST", b"body", {"X-Custom": "yes"}).json()
    assert seen == {
        "method": "POST",
        "url": url,
        "params": {"q": "a b", "n": "1,2"},
        "route": {"name": "Jürg A"},
        "header": "yes",
        "body": "body",
    }


def test_bytes_go_through_unchanged(host: RunningHost) -> None:
    """Every byte value, and five megabytes of them."""
    body = bytes(range(256)) * 20_000
    answer = host.post("/api/raw", body)
    assert (answer.status, answer.headers["content-type"]) == (201, "application/octet-stream")
    assert answer.headers["x-length"] == str(len(body))
    assert answer.body == body


def test_body_over_the_limit(host: RunningHost) -> None:
    """It is refused with 413, with its length or in chunks, and the log names the limit; one byte less is taken."""
    assert host.post("/api/raw", bytes(LIMIT)).status == 201
    assert host.post("/api/raw", bytes(LIMIT + 1)).status == 413
    chunks = Request(f"{host.url}/api/raw", (bytes(1000) for _ in range(LIMIT // 1000 + 1)), method="POST")
    with pytest.raises(HTTPError) as refused:
        urlopen(chunks)
    refused.value.close()
    assert refused.value.code == 413
    assert f"limit={LIMIT}" in next(line for line in host.log().splitlines() if "http.too_large" in line)


def test_the_log_has_the_route_and_not_the_path(host: RunningHost) -> None:
    """A path may carry a token; a query may, too."""
    assert host.get("/api/echo/a-token-of-somebody?code=another").status == 200
    line = until(lambda: [line for line in host.log().splitlines() if "http.served function=echo" in line])[-1]
    assert "method=GET route=echo/{name}/{rest?} status=200" in line
    assert "a-token-of-somebody" not in host.log()
    assert "another" not in line


def test_longest_body_by_default() -> None:
    """That of the platform: 104,857,600 bytes."""
    assert HostSettings().max_request_bytes == 104_857_600


def test_cookies(host: RunningHost) -> None:
    """Every Set-Cookie of a response reaches the caller, as the platform writes it; one that cannot be read is 500."""
    import urllib.request

    with urllib.request.urlopen(f"{host.url}/api/cookies") as response:
        first, second, third = response.headers.get_all("Set-Cookie")
    assert "a=1; domain=; path=/; httponly" == first
    assert "b=2; domain=; path=" == second
    assert (
        "c=3%20x; expires=Thu, 12 Jan 2017 13:55:08 GMT; max-age=10000000; domain=example.com; path=/p; secure; "
        "samesite=strict; httponly"
    ) == third
    assert host.get("/api/bad_cookie").status == 500


def test_ping(host: RunningHost) -> None:
    """The platform's address that says that the host answers, with GET and POST."""
    assert [(200, b""), (200, b"")] == [
        (answer.status, answer.body) for answer in (host.get("/admin/host/ping"), host.post("/admin/host/ping"))
    ]


def test_trace_context(host: RunningHost) -> None:
    """The host does not trace; the context has all names it has on the platform, old ones too."""
    assert ["", "", {}, ""] == host.get("/api/trace").json()


def test_text_result(host: RunningHost) -> None:
    """A str is a plain-text response."""
    answer = host.get("/api/text")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert answer.body.decode() == "just téxt"


def test_redirect(host: RunningHost) -> None:
    """Status and Location are the function's."""
    answer = host.get("/api/redirect")
    assert (answer.status, answer.headers["location"]) == (302, "https://example.org/x?y=1")


@pytest.mark.parametrize("name", ["fails", "nothing"])
def test_failing_function(host: RunningHost, name: str) -> None:
    """An exception, and a None that has no HTTP form, are a 500 without details; the log has them."""
    answer = host.get(f"/api/{name}")
    assert (answer.status, answer.body) == (500, b"")
    reason = {"fails": "RuntimeError: secret details", "nothing": 'for Python type \\"NoneType\\"'}[name]
    until(lambda: reason in host.log())


def test_log_records_carry_the_invocation(host: RunningHost) -> None:
    """Records of a function reach the host's log with level, logger and the invocation id the function sees."""
    invocation_id, name = host.get("/api/logs").body.decode().split()
    assert name == "logs"
    line = until(lambda: [line for line in host.log().splitlines() if "order 17 is late" in line])[0]
    assert " WARNING " in line
    assert f"function.log function=logs invocation={invocation_id} logger=shop.orders" in line


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("item/12", "number"),
        ("item/twelve", "name"),
        ("item/special", "special"),
        ("ITEM/SPECIAL", "special"),
        ("files/a/b%20c/d.txt", "a/b c/d.txt"),
        ("files", "none"),
    ],
)
def test_most_literal_route_wins(host: RunningHost, path: str, expected: str) -> None:
    """Literals before constraints before free parameters; a catch-all takes the rest, or nothing."""
    assert host.get(f"/api/{path}").body.decode() == expected


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "api/single", 200),
        ("DELETE", "api/single", 200),
        ("PUT", "api/single", 404),
        ("GET", "api/item/1/2", 404),
        ("GET", "api/absent", 404),
        ("GET", "absent", 404),
        ("GET", "", 200),
    ],
)
def test_methods_and_unknown_paths(host: RunningHost, method: str, path: str, status: int) -> None:
    """One path may have a function per method; what nobody serves is 404."""
    assert send(f"{host.url}/{path}", method).status == status


def test_blocking_functions_do_not_stall_others(host: RunningHost) -> None:
    """Sleeping threads in every worker leave room for other sync functions, and async ones."""
    until(lambda: len(host.workers()) == 2)
    sleepers = [threading.Thread(target=host.get, args=("/api/sleep/1",)) for _ in range(4)]
    for thread in sleepers:
        thread.start()
    began = time.monotonic()
    assert host.get("/api/text").status == 200
    assert host.post("/api/raw", b"x").status == 201
    assert time.monotonic() - began < 0.8
    for thread in sleepers:
        thread.join()


def test_async_function_that_blocks_its_loop(host: RunningHost) -> None:
    """It holds up async functions of its own worker only: sync ones go on."""
    before = host.marked("blocking")
    blocker = threading.Thread(target=host.get, args=("/api/blocks_the_loop",))
    blocker.start()
    until(lambda: host.marked("blocking") > before)
    began = time.monotonic()
    assert [host.get("/api/text").status for _ in range(4)] == [200] * 4
    assert time.monotonic() - began < 0.8
    blocker.join()


def test_keys_with_auth(new_host: HostFactory) -> None:
    """With --auth a function wants a key of its level; anonymous ones do not."""
    source = """
    @app.route(route="open", auth_level=func.AuthLevel.ANONYMOUS)
    def opened(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("ok")
    @app.route(route="closed", auth_level=func.AuthLevel.FUNCTION)
    def closed(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("ok")
    @app.route(route="mine", auth_level=func.AuthLevel.ADMIN)
    def mine(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("ok")
    """
    host = new_host(source, arguments=("--auth",))
    keys = __import__("json").loads((host.data_dir / "host-keys.json").read_text())
    statuses = {
        path: [host.get(f"/api/{path}").status]
        + [host.get(f"/api/{path}?code={keys[name]}").status for name in ("function", "master", "system")]
        for path in ("open", "closed", "mine")
    }
    assert statuses == {
        "open": [200, 200, 200, 200],
        "closed": [401, 200, 200, 401],
        "mine": [401, 401, 200, 401],
    }
    assert host.get("/api/closed", **{"x-functions-key": keys["function"]}).status == 200
    assert host.get("/admin/host/status").status == 401
    assert (host.data_dir / "host-keys.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("a/{id:int}", "a/-5", {"id": "-5"}),
        ("a/{id:int}", "a/2147483648", None),
        ("a/{id:long}", "a/2147483648", {"id": "2147483648"}),
        ("a/{id:int?}", "a", {}),
        ("a/{id:int?}", "a/x", None),
        ("a/{id=7}", "a", {"id": "7"}),
        ("a/{g:guid}", "a/123e4567-e89b-12d3-a456-426614174000", {"g": "123e4567-e89b-12d3-a456-426614174000"}),
        ("a/{g:guid}", "a/123", None),
        ("a/{b:bool}", "a/True", {"b": "True"}),
        ("a/{w:alpha:minlength(3)}", "a/abc", {"w": "abc"}),
        ("a/{w:alpha:minlength(3)}", "a/ab", None),
        ("a/{w:length(2,4)}", "a/abcde", None),
        ("a/{n:range(1,9)}", "a/9", {"n": "9"}),
        ("a/{n:range(1,9)}", "a/10", None),
        ("a/{d:datetime}", "a/2026-01-31", {"d": "2026-01-31"}),
        ("a/{x:regex(^\\d{{3}}$)}", "a/123", {"x": "123"}),
        ("a/{x:regex(^\\d{{3}}$)}", "a/1234", None),
        ("a/{name}.{ext}", "a/file.tar.gz", {"name": "file", "ext": "tar.gz"}),
        ("v{major:int}/x", "v2/x", {"major": "2"}),
        ("{*all}", "", {}),
        ("", "", {}),
        ("a/b", "a/b/c", None),
    ],
)
def test_route_templates(template: str, path: str, expected: dict[str, str] | None) -> None:
    """Templates match as ASP.NET Core's do."""
    assert Route(template).match(path) == expected
