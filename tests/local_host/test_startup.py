"""What the command prints, takes and refuses."""

from __future__ import annotations

import json
import socket
import time
from contextlib import closing

import pytest

from tests.local_host.conftest import HostFactory, RunningHost, until

HELLO = """
@app.route(route="hello")
def hello(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(os.environ.get("GREETING", "hello"))

@app.route(route="items/{id:int?}", methods=["GET", "PUT"])
def items(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("items")

@app.activity_trigger("value")
def work(value):
    return value

@app.activity_trigger("value")
def endless(value):
    mark("endless")
    time.sleep(60)

@app.orchestration_trigger("context")
def plan(context):
    yield context.call_activity("endless", 1)
"""


def refused(host: RunningHost) -> str:
    """Start a host that must not start: status 1, and a log whose last line is one error."""
    process = host.spawn()
    assert process.wait(60) == 1
    assert process.stdout is not None
    assert "Host ready" not in process.stdout.read()
    process.stdout.close()
    last = host.log().strip().splitlines()[-1]
    assert last.startswith("error: ")
    return last.removeprefix("error: ")


def test_summary_lists_functions_and_urls(new_host: HostFactory) -> None:
    """HTTP functions come with methods and address, others with their trigger; the last line says ready."""
    host = new_host(HELLO)
    lines = [line.strip() for line in host.summary.splitlines() if line.strip()]
    assert lines == [
        "Functions:",
        f"hello: {host.url}/api/hello",
        f"items: [GET,PUT] {host.url}/api/items/{{id:int?}}",
        "endless: activityTrigger",
        "plan: orchestrationTrigger",
        "work: activityTrigger",
        f"Host ready on {host.url}",
    ]


def test_status_and_functions(new_host: HostFactory) -> None:
    """/admin/host/status says Running and names the workers; /admin/functions shows every binding."""
    host = new_host(HELLO)
    status = host.get("/admin/host/status").json()
    assert (status["state"], status["taskHub"]) == ("Running", "TestHubName")
    until(lambda: len(host.workers()) == 2)
    functions = {f["name"]: f for f in host.get("/admin/functions").json()}
    assert sorted(functions) == ["endless", "hello", "items", "plan", "work"]
    assert functions["items"]["config"]["bindings"][0]["route"] == "items/{id:int?}"
    assert functions["hello"]["invoke_url_template"] == f"{host.url}/api/hello"


def test_stops_promptly_with_work_in_progress(new_host: HostFactory) -> None:
    """SIGTERM ends host and workers in under three seconds, though an activity sleeps for a minute."""
    host = new_host(HELLO)
    host.begin("plan")
    until(lambda: host.marked("endless") == 1)
    began = time.monotonic()
    assert host.stop() == 0
    assert time.monotonic() - began < 3


def test_busy_port(new_host: HostFactory) -> None:
    """A port that is taken is one clear line and exit status 1."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        host = new_host.make(HELLO, arguments=("--port", str(port)))
        assert refused(host) == (
            f"port {port} on 127.0.0.1 is already in use; stop the process that holds it or choose another with --port"
        )


def test_local_settings_are_environment_and_the_environment_wins(new_host: HostFactory) -> None:
    """Values of local.settings.json reach functions, unless the variable is set already; comments are left out."""
    text = """{
        "IsEncrypted": false, // "Values" follow
        "Values": {"GREETING": "from file", /* "GREETING": "no" */ "URL": "http://x/",},
    }"""
    files = {"local.settings.json": text}
    assert new_host(HELLO, files=files).get("/api/hello").body == b"from file"
    assert new_host(HELLO, files=files, env={"GREETING": "from shell"}).get("/api/hello").body == b"from shell"


def test_host_json(new_host: HostFactory) -> None:
    """routePrefix and hubName are used."""
    text = '{"version": "2.0", "extensions": {"http": {"routePrefix": ""}, "durableTask": {"hubName": "MyHub"}}}'
    host = new_host(HELLO, files={"host.json": text})
    assert host.get("/hello").body == b"hello"
    assert host.get("/api/hello").status == 404
    assert host.get("/admin/host/status").json()["taskHub"] == "MyHub"
    assert (host.data_dir / "myhub.db").exists()


def test_disabled_functions(new_host: HostFactory) -> None:
    """A function whose setting AzureWebJobs.<name>.Disabled is true is loaded, but nothing triggers it."""
    values = {
        "AzureWebJobs.hello.Disabled": "true",
        "AzureWebJobs.Endless.Disabled": "1",
        "AzureWebJobs.items.Disabled": "0",
    }
    host = new_host(HELLO, files={"local.settings.json": json.dumps({"Values": values})})
    assert "hello: disabled" in host.summary
    assert [404, 200] == [host.get("/api/hello").status, host.get("/api/items").status]
    assert "The function 'endless' doesn't exist, is disabled, or is not an activity function." in host.fail("plan")
    shown = {function["name"]: function["isDisabled"] for function in host.get("/admin/functions").json()}
    assert {"hello": True, "endless": True, "items": False, "plan": False, "work": False} == shown


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"host.json": "{"}, "host.json is not valid JSON"),
        ({"host.json": '{"functionTimeout": "00:01:00"}'}, "host.json: 'version' must be '2.0', got None"),
        ({"host.json": '{"version": "2.0"} {"version": "2.0"}'}, "host.json is not valid JSON"),
        (
            {"host.json": '{"version": "2.0", "functionTimeout": "soon"}'},
            "host.json: 'functionTimeout': 'soon' is no TimeSpan",
        ),
        (
            {"host.json": '{"version": "2.0", "extensions": {"durableTask": {"maxConcurrentActivityFunctions": 0}}}'},
            "'extensions.durableTask.maxConcurrentActivityFunctions' must be a whole number of 1 or more, got 0",
        ),
        (
            {"host.json": '{"version": "2.0", "extensions": {"durableTask": {"hubName": "a b"}}}'},
            "hubName' is 'a b'; valid:",
        ),
        (
            {"host.json": '{"version": "2.0", "extensions": {"durableTask": {"versionMatchStrategy": "Newest"}}}'},
            "'extensions.durableTask.versionMatchStrategy' is 'Newest'; valid: None, Strict, CurrentOrOlder",
        ),
        ({"local.settings.json": '{"Values": []}'}, "local.settings.json: 'Values' must be an object"),
    ],
)
def test_wrong_settings(new_host: HostFactory, files: dict[str, str], message: str) -> None:
    """The error names the file, the key and what is valid."""
    assert message in refused(new_host.make(HELLO, files=files))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def broken(:", "SyntaxError"),
        ("import no_such_module_here", "ModuleNotFoundError: No module named 'no_such_module_here'"),
        ("del app", "Could not find top level function app instances in function_app.py."),
        ("other = df.DFApp()", "More than one DFApp or other top level function app instances are defined."),
        (
            "@app.queue_trigger('msg', 'q', 'Storage')\ndef work(msg: func.QueueMessage): pass",
            "cannot load the work function: binding type 'queueTrigger' is not supported by this host",
        ),
        (
            "@app.route(route='x/{id:odd}')\ndef work(req: func.HttpRequest): pass",
            "cannot load the work function: route 'x/{id:odd}': unknown route constraint 'odd'",
        ),
        (
            "@app.timer_trigger('timer', 'every day')\ndef work(timer: func.TimerRequest): pass",
            "cannot load the work function: schedule: 'every day' is neither NCRONTAB",
        ),
        ("os._exit(3)", "ended while it loaded the app"),
    ],
)
def test_app_that_cannot_be_loaded(new_host: HostFactory, source: str, message: str) -> None:
    """What the platform refuses is refused here, with the reason in the last line."""
    assert message in refused(new_host.make(source))


def test_folder_without_an_app(new_host: HostFactory) -> None:
    """A folder without function_app.py is named."""
    host = new_host.make("")
    (host.app_dir / "function_app.py").unlink()
    assert refused(host) == f"no function_app.py in {host.app_dir}; only the v2 programming model is supported"


def test_modules_of_the_app_and_installed_packages(new_host: HostFactory) -> None:
    """The app's folder is the working folder and can be imported from; the host's own folder cannot."""
    source = """
    import shared_by_the_app
    @app.route(route="paths")
    def paths(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(json.dumps([os.getcwd(), shared_by_the_app.VALUE, sys.path[-1], sys.path[0]]))
    """
    host = new_host(source, files={"shared_by_the_app.py": "VALUE = 7"})
    cwd, value, last, first = host.get("/api/paths").json()
    assert (cwd, value, last) == (str(host.app_dir), 7, str(host.app_dir))
    assert first != str(host.app_dir)


def test_reload(new_host: HostFactory) -> None:
    """With --reload a change of the app is served, also after one that cannot be loaded; live work goes on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    host = new_host(HELLO, arguments=("--port", str(port), "--reload"))
    script = host.app_dir / "function_app.py"
    source = script.read_text()
    assert host.get("/api/hello").body == b"hello"
    script.write_text(source + "\nthis is no Python")
    until(lambda: "waiting for a change of the app" in host.log())
    script.write_text(source.replace('"GREETING", "hello"', '"GREETING", "changed"'))
    until(lambda: _body(host) == b"changed")


def test_reload_of_a_change_while_starting(new_host: HostFactory) -> None:
    """A change that comes after the app was read, and before the host is ready, is not missed."""
    source = """
    script = Path("function_app.py")
    if "BROKEN" in script.read_text():
        script.write_text("import azure.durable_functions as df\\napp = df.DFApp()")
        raise RuntimeError  # BROKEN
    """
    host = new_host(source, arguments=("--reload",))
    assert "waiting for a change of the app" in host.log()
    assert host.get("/admin/functions").json() == []


def _body(host: RunningHost) -> bytes:
    try:
        return host.get("/api/hello").body
    except OSError:
        return b""
