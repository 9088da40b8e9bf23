"""Time-outs, concurrency limits, and calls to the outside."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.local_host.conftest import HostFactory, RunningHost, until

APP = """
@app.activity_trigger("seconds")
def blocks(seconds):
    mark("blocks")
    time.sleep(seconds)
    mark("unblocked")
    return seconds

class Unprintable(Exception):
    def __str__(self):
        raise ValueError("no words")

@app.activity_trigger("value")
def unprintable(value):
    raise Unprintable

@app.activity_trigger("seconds")
async def awaits(seconds):
    await asyncio.sleep(seconds)
    return seconds

@app.orchestration_trigger("context")
def runs(context):
    name, seconds = context.get_input()
    try:
        return (yield context.call_activity(name, seconds))
    except Exception as error:
        return str(error).split(" \\n")[0]

@app.orchestration_trigger("context")
def hangs(context):
    mark("hangs")
    while True:
        time.sleep(0.05)
    yield

@app.orchestration_trigger("context")
def wide(context):
    return (yield context.task_all([context.call_activity("gauge", n) for n in range(12)]))

@app.activity_trigger("n")
async def gauge(n):
    mark("in")
    peak = (MARKS / "in").stat().st_size - ((MARKS / "out").stat().st_size if (MARKS / "out").exists() else 0)
    await asyncio.sleep(0.05)
    mark("out")
    return peak

@app.orchestration_trigger("context")
def http(context):
    method, url, content = context.get_input()
    try:
        answer = yield context.call_http(method, url, content)
    except Exception as error:
        return str(error)[:60]
    return answer

@app.entity_trigger("context", entity_name="Sleeper")
def sleeper(context):
    if context.operation_name == "sleep":
        time.sleep(60)
    context.set_result("awake")

@app.orchestration_trigger("context")
def calls_sleeper(context):
    try:
        return (yield context.call_entity(df.EntityId("Sleeper", "x"), context.get_input()))
    except Exception as error:
        return str(error)

@app.route(route="slow")
def slow(req: func.HttpRequest) -> func.HttpResponse:
    time.sleep(30)
"""
FILES = {
    "host.json": json.dumps(
        {
            "version": "2.0",
            "functionTimeout": "00:00:02",
            "extensions": {"durableTask": {"maxConcurrentActivityFunctions": 3}},
            "logging": {"logLevel": {"default": "Warning"}},
        }
    )
}


@pytest.mark.parametrize("name", ["blocks", "awaits"])
def test_activity_over_its_time(host: RunningHost, name: str) -> None:
    """It fails with the platform's words, and its worker is replaced."""
    until(lambda: len(host.workers()) == 2)
    before = set(host.workers())
    reason = host.run("runs", [name, 60])
    assert reason.startswith(
        f"Activity function '{name}' failed: Timeout value of 00:00:02 exceeded by function '{name}'"
    )
    until(lambda: len(host.workers()) == 2 and set(host.workers()) != before)
    assert host.run("runs", [name, 0]) == 0


def test_exception_without_words(host: RunningHost) -> None:
    """An exception whose text cannot be made fails its activity with the platform's words, at once."""
    words = "Unhandled exception in function. Could not serialize original exception message."
    assert f"Activity function 'unprintable' failed:  Unprintable: {words}" == host.run("runs", ["unprintable", 1])


def test_time_out_spares_the_work_of_others(host: RunningHost) -> None:
    """An activity that shares its worker with one that is timed out ends as it should."""
    slow = [host.begin("runs", ["blocks", 60]) for _ in range(2)]
    time.sleep(1)
    good = host.begin("runs", ["blocks", 1.5])
    assert host.finish(good)["output"] == 1.5
    assert all("Timeout value" in host.finish(instance_id)["output"] for instance_id in slow)


def test_orchestrator_over_its_time(host: RunningHost) -> None:
    """An orchestrator that never yields fails, and the host goes on."""
    assert "Timeout value of 00:00:02 exceeded by function 'hangs'" in host.fail("hangs")
    assert host.run("runs", ["awaits", 0]) == 0


def test_entity_over_its_time(host: RunningHost) -> None:
    """The call fails, and the entity goes on with the next one."""
    assert "Timeout value of 00:00:02 exceeded by function 'sleeper'" in host.run("calls_sleeper", "sleep")
    assert host.run("calls_sleeper", "look") == "awake"


def test_http_function_over_its_time(host: RunningHost) -> None:
    """The caller gets 500."""
    assert host.get("/api/slow").status == 500


def test_concurrent_activities_are_limited(host: RunningHost) -> None:
    """No more run at once than host.json says."""
    assert max(host.run("wide")) <= 3


def test_log_level(host: RunningHost) -> None:
    """At level Warning there are no information records."""
    host.run("runs", ["awaits", 0])
    assert " INFO " not in host.log()


class _Handler(BaseHTTPRequestHandler):
    polls = 0

    def do_GET(self) -> None:
        if self.path == "/job" and _Handler.polls < 2:
            _Handler.polls += 1
            self._answer(202, "", {"Location": f"http://{self.headers['Host']}/job", "Retry-After": "0"})
        else:
            self._answer(200, "done", {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._answer(418, f"{self.headers['Content-Type']}:{body}", {"X-Kind": "teapot"})

    def _answer(self, status: int, text: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_args: object) -> None:
        """Keep quiet."""


@contextmanager
def outside() -> Iterator[str]:
    """A server to call."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_call_http(host: RunningHost) -> None:
    """Status, headers and content come back, whatever the status."""
    with outside() as url:
        answer = host.run("http", ["POST", f"{url}/x", {"a": 1}])
    assert (answer["statusCode"], answer["content"]) == (418, 'application/json:{"a": 1}')
    assert answer["headers"]["X-Kind"] == "teapot"


def test_call_http_polls_until_done(host: RunningHost) -> None:
    """202 with a Location is followed to the end."""
    with outside() as url:
        answer = host.run("http", ["GET", f"{url}/job", None])
    assert (answer["statusCode"], answer["content"]) == (200, "done")
    assert _Handler.polls == 2


def test_call_http_to_nowhere(host: RunningHost) -> None:
    """A refused connection is the call's failure."""
    with outside() as url:
        pass
    assert host.run("http", ["GET", url, None]).startswith("Activity function 'BuiltIn::HttpActivity' failed:  ")


def test_orchestrations_go_on_while_activities_block(new_host: HostFactory) -> None:
    """Activities that fill every thread do not stop replays and async activities."""
    host = new_host(APP, env={"PYTHON_THREADPOOL_THREAD_COUNT": "1"})
    until(lambda: len(host.workers()) == 2)
    for _ in range(2):
        host.begin("runs", ["blocks", 5])
    until(lambda: host.marked("blocks") == 2)
    began = time.monotonic()
    assert host.run("runs", ["awaits", 0]) == 0
    assert time.monotonic() - began < 2
    assert host.marked("unblocked") == 0
