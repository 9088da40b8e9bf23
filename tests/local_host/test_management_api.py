"""The public management API: status codes, headers and bodies as clients of the platform know them."""

from __future__ import annotations

import json
import re
import time

import pytest

from tests.local_host.conftest import WEBHOOK, Answer, RunningHost, send, until

APP = """
@app.activity_trigger("value")
def echo(value):
    return value

@app.orchestration_trigger("context")
def quick(context):
    return (yield context.call_activity("echo", context.get_input()))

@app.orchestration_trigger("context")
def waits(context):
    context.set_custom_status("waiting")
    return (yield context.wait_for_external_event("go"))

@app.orchestration_trigger("context")
def fails(context):
    yield context.call_activity("echo", 1)
    raise ValueError("on purpose")

@app.orchestration_trigger("context")
def versioned(context):
    yield context.call_activity("echo", 1)
    return context.version

@app.orchestration_trigger("context")
def parent(context):
    return (yield context.call_sub_orchestrator("quick", 5, f"{context.instance_id}-child"))

@app.orchestration_trigger("context")
def counts(context):
    names = []
    for _ in range(2):
        names.append((yield context.wait_for_external_event("go")))
    return names

@app.activity_trigger("value")
def flaky(value):
    mark(f"flaky-{value}")
    if not (MARKS / f"repaired-{value}").exists():
        raise RuntimeError("not yet")
    return "fine"

@app.orchestration_trigger("context")
def fragile(context):
    first = yield context.call_activity("echo", 1)
    second = yield context.call_activity("flaky", context.get_input())
    return [first, second]

@app.orchestration_trigger("context")
def fragile_parent(context):
    return (yield context.call_sub_orchestrator("fragile", context.get_input()))
"""


@pytest.fixture
def waiting(host: RunningHost) -> str:
    """An instance that waits for the event ``go``."""
    instance_id = host.begin("waits")
    until(lambda: host.status(instance_id)["customStatus"] == "waiting")
    return instance_id


@pytest.fixture
def completed(host: RunningHost) -> str:
    """An instance that has completed."""
    instance_id = host.begin("quick", "x")
    host.finish(instance_id)
    return instance_id


def test_start(host: RunningHost) -> None:
    """202 with the id, the URLs to manage it, Location and Retry-After."""
    answer = host.manage("POST", "orchestrators/quick/my-id", "1")
    assert answer.status == 202
    body = answer.json()
    assert list(body) == [
        "id",
        "statusQueryGetUri",
        "sendEventPostUri",
        "terminatePostUri",
        "rewindPostUri",
        "purgeHistoryDeleteUri",
        "restartPostUri",
        "suspendPostUri",
        "resumePostUri",
    ]
    assert body["id"] == "my-id"
    assert answer.headers["location"] == body["statusQueryGetUri"]
    assert answer.headers["retry-after"] == "10"
    host.finish("my-id")
    assert send(body["statusQueryGetUri"]).json()["runtimeStatus"] == "Completed"
    assert send(body["purgeHistoryDeleteUri"], "DELETE").json() == {"instancesDeleted": 1}


def test_start_and_wait(host: RunningHost) -> None:
    """With timeout and pollingInterval: the output, the status of a failure, or 202 when it takes longer."""
    answer = host.manage("POST", "orchestrators/quick", '{"a": 1}', timeout="10", pollingInterval="1")
    assert (answer.status, answer.json()) == (200, {"a": 1})
    answer = host.manage("POST", "orchestrators/waits", "1", timeout="0.2", pollingInterval="0.1")
    assert answer.status == 202
    assert "statusQueryGetUri" in answer.json()
    answer = host.manage("POST", "orchestrators/fails", "1", timeout="10", pollingInterval="1")
    assert (answer.status, answer.json()["runtimeStatus"]) == (200, "Failed")
    answer = host.manage("POST", "orchestrators/quick", "1", timeout="1", pollingInterval="2")
    assert answer.status == 400
    assert answer.json()["ExceptionMessage"] == "Total timeout 1 should be bigger than retry timeout 2"


def test_input_as_json_object(host: RunningHost) -> None:
    """A body that is a JSON object is the input as it is; no body is no input."""
    url = f"{host.url}{WEBHOOK}orchestrators/quick?code={host.system_key}&timeout=10&pollingInterval=1"
    assert send(url, "POST", b'{"a": [1]}', {"content-type": "application/json"}).json() == {"a": [1]}
    assert send(url, "POST").json() is None


@pytest.mark.parametrize("body", [b"[1, 2]", b"5", b'"no JSON inside"'])
def test_input_the_sdk_cannot_read(host: RunningHost, body: bytes) -> None:
    """As on the platform, a raw list, number or text fails the instance in the SDK, and nothing else."""
    url = f"{host.url}{WEBHOOK}orchestrators/quick?code={host.system_key}"
    instance_id = send(url, "POST", body, {"content-type": "application/json"}).json()["id"]
    status = host.finish(instance_id)
    assert status["runtimeStatus"] == "Failed"
    assert status["output"].startswith("Orchestrator function 'quick' failed: ")


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("orchestrators/nobody", b"1", "The function 'nobody' doesn't exist, is disabled, or is not an orchestrator"),
        ("orchestrators/echo", b"1", "The function 'echo' doesn't exist, is disabled, or is not an orchestrator"),
        ("orchestrators/quick/@x", b"1", "Orchestration instance IDs must not start with @."),
        ("orchestrators/quick/" + "x" * 101, b"1", "Instance ID lengths must not exceed 100 characters"),
        (
            "orchestrators/quick/a%23b",
            b"1",
            "Instance IDs must not contain '/', '\\', '#', '?', or control characters.",
        ),
        ("orchestrators/quick/a%5Cb", b"1", "Instance IDs must not contain"),
        ("orchestrators/quick/a%0Ab", b"1", "Instance IDs must not contain"),
        ("orchestrators/quick", b"{not json", "Invalid JSON content"),
    ],
)
def test_start_that_is_refused(host: RunningHost, path: str, body: bytes, message: str) -> None:
    """400 with the reason where the SDK looks for it."""
    answer = send(f"{host.url}{WEBHOOK}{path}?code={host.system_key}", "POST", body)
    assert answer.status == 400
    assert answer.json()["ExceptionMessage"].startswith(message)
    incorrect = "One or more of the arguments submitted is incorrect"
    assert answer.json()["Message"] == ("Invalid JSON content" if body == b"{not json" else incorrect)


def test_start_of_a_live_id(host: RunningHost, waiting: str) -> None:
    """A live instance is not replaced; a finished one is."""
    answer = host.manage("POST", f"orchestrators/waits/{waiting}", "1")
    assert answer.status == 500
    message = "An Orchestration instance with the status Running already exists."
    assert answer.json()["ExceptionMessage"] == message
    host.raise_event(waiting, "go", 1)
    host.finish(waiting)
    assert host.manage("POST", f"orchestrators/quick/{waiting}", "2").status == 202
    assert (host.finish(waiting)["name"], host.status(waiting)["output"]) == ("quick", 2)


def test_status_of_a_live_instance(host: RunningHost, waiting: str) -> None:
    """202 with Location and Retry-After; times are whole seconds in UTC."""
    answer = host.manage("GET", f"instances/{waiting}")
    assert (answer.status, answer.headers["retry-after"]) == (202, "5")
    assert answer.headers["location"].startswith(f"{host.url}{WEBHOOK}instances/{waiting}?code=")
    body = answer.json()
    assert list(body) == [
        "name",
        "instanceId",
        "runtimeStatus",
        "input",
        "customStatus",
        "output",
        "createdTime",
        "lastUpdatedTime",
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["createdTime"])


def test_status_without_input(host: RunningHost, completed: str) -> None:
    """showInput=false hides the input; names of the query have no case."""
    assert host.status(completed)["input"] == '"x"'
    assert host.status(completed, showInput="false")["input"] is None
    assert host.status(completed, SHOWINPUT="False")["input"] is None


def test_status_of_a_failed_instance(host: RunningHost) -> None:
    """200, or 500 when the caller asks for it."""
    instance_id = host.begin("fails")
    host.finish(instance_id)
    assert host.manage("GET", f"instances/{instance_id}").status == 200
    assert host.manage("GET", f"instances/{instance_id}", returnInternalServerErrorOnFailure="true").status == 500


def test_history(host: RunningHost, completed: str) -> None:
    """A completion carries name and times of what it completes; results are there on request."""
    events = host.status(completed, showHistory="true", showHistoryOutput="true")["historyEvents"]
    assert [e["EventType"] for e in events] == ["ExecutionStarted", "TaskCompleted", "ExecutionCompleted"]
    assert events[0]["FunctionName"] == "quick"
    assert (events[1]["FunctionName"], events[1]["Result"]) == ("echo", "x")
    assert events[1]["ScheduledTime"] <= events[1]["Timestamp"]
    assert (events[2]["OrchestrationStatus"], events[2]["Result"]) == ("Completed", "x")
    hidden = host.status(completed, showHistory="true")["historyEvents"]
    assert all("Result" not in event for event in hidden)
    assert "historyEvents" not in host.status(completed)


@pytest.mark.parametrize("operation", ["terminate", "suspend", "resume", "rewind", "raiseEvent/go"])
def test_operation_without_target(host: RunningHost, completed: str, operation: str) -> None:
    """404 for an id nobody has, 410 for a finished instance."""
    assert host.manage("POST", f"instances/nobody/{operation}", 1).status == 404
    assert host.manage("POST", f"instances/{completed}/{operation}", 1).status == 410


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "instances/nobody"),
        ("DELETE", "instances/nobody"),
        ("PUT", "instances/nobody"),
        ("POST", "instances/nobody/dance"),
        ("GET", "orchestrators/quick"),
        ("GET", "elsewhere"),
    ],
)
def test_not_found(host: RunningHost, method: str, path: str) -> None:
    """Unknown ids, operations, methods and paths are 404."""
    assert host.manage(method, path, 1 if method == "POST" else None).status == 404


def test_key_is_needed(host: RunningHost, waiting: str) -> None:
    """Without the system key, or with a wrong one, every address of the API is 401."""
    for query in ("", "?code=wrong"):
        assert send(f"{host.url}{WEBHOOK}instances/{waiting}{query}").status == 401
        assert send(f"{host.url}{WEBHOOK}orchestrators/quick{query}", "POST").status == 401


def test_event_that_is_no_json(host: RunningHost, waiting: str) -> None:
    """Only application/json is taken, and it must parse."""
    url = f"{host.url}{WEBHOOK}instances/{waiting}/raiseEvent/go?code={host.system_key}"
    plain = send(url, "POST", b"text", {"content-type": "text/plain"})
    assert (plain.status, plain.json()["Message"]) == (400, "Only application/json request content is supported")
    broken = send(url, "POST", b"{", {"content-type": "application/json"})
    assert (broken.status, broken.json()["Message"]) == (400, "Invalid JSON content")


def test_terminate(host: RunningHost, waiting: str) -> None:
    """The reason is the output."""
    assert host.manage("POST", f"instances/{waiting}/terminate", None, reason="enough").status == 202
    status = host.finish(waiting)
    assert (status["runtimeStatus"], status["output"]) == ("Terminated", "enough")


def test_suspend_and_resume(host: RunningHost, waiting: str) -> None:
    """A suspended instance takes events, and acts on them when it is resumed."""
    assert host.manage("POST", f"instances/{waiting}/suspend", None, reason="pause").status == 202
    until(lambda: host.status(waiting)["runtimeStatus"] == "Suspended")
    host.raise_event(waiting, "go", "kept")
    time.sleep(0.2)
    assert host.status(waiting)["runtimeStatus"] == "Suspended"
    assert host.manage("POST", f"instances/{waiting}/resume", None, reason="go+on").status == 202
    assert host.finish(waiting)["output"] == "kept"


def test_suspend_and_resume_in_the_wrong_state(host: RunningHost, waiting: str) -> None:
    """A suspended instance cannot be suspended, nor a running one resumed or rewound: 500 with the platform's words."""
    until(lambda: host.status(waiting)["runtimeStatus"] == "Running")
    rewound = host.manage("POST", f"instances/{waiting}/rewind")
    resumed = host.manage("POST", f"instances/{waiting}/resume")
    host.manage("POST", f"instances/{waiting}/suspend")
    until(lambda: host.status(waiting)["runtimeStatus"] == "Suspended")
    suspended = host.manage("POST", f"instances/{waiting}/suspend")
    assert [500, 500, 500] == [rewound.status, resumed.status, suspended.status]
    assert (
        "The rewind operation is only supported on failed orchestration instances."
        == rewound.json()["ExceptionMessage"]
    )
    begin = f"orchestration instance {waiting} because instance is in the"
    assert f"Cannot resume the {begin} Running state." == resumed.json()["ExceptionMessage"]
    assert f"Cannot suspend the {begin} Suspended state." == suspended.json()["ExceptionMessage"]
    assert "System.InvalidOperationException" == suspended.json()["ExceptionType"]


def test_suspend_keeps_the_order_of_events(host: RunningHost) -> None:
    """Events are taken in the order they came, before and while suspended."""
    instance_id = host.begin("counts")
    until(lambda: host.status(instance_id)["runtimeStatus"] == "Running")
    host.manage("POST", f"instances/{instance_id}/suspend")
    host.raise_event(instance_id, "go", 1)
    until(lambda: host.status(instance_id)["runtimeStatus"] == "Suspended")
    host.manage("POST", f"instances/{instance_id}/resume")
    until(lambda: "EventRaised" in json.dumps(host.status(instance_id, showHistory="true")))
    host.raise_event(instance_id, "go", 2)
    assert host.finish(instance_id)["output"] == [1, 2]


def test_terminate_while_suspended(host: RunningHost, waiting: str) -> None:
    """A suspended instance can be ended."""
    host.manage("POST", f"instances/{waiting}/suspend")
    until(lambda: host.status(waiting)["runtimeStatus"] == "Suspended")
    host.manage("POST", f"instances/{waiting}/terminate", None, reason="x")
    assert host.finish(waiting)["runtimeStatus"] == "Terminated"


def test_restart(host: RunningHost, completed: str) -> None:
    """The same input under a new id, or under the same; 400 for an id nobody has."""
    answer = host.manage("POST", f"instances/{completed}/restart")
    assert answer.status == 202
    assert answer.json()["id"] != completed
    assert host.finish(answer.json()["id"])["output"] == "x"
    answer = host.manage("POST", f"instances/{completed}/restart", restartWithNewInstanceId="false")
    assert answer.json()["id"] == completed
    assert host.finish(completed)["output"] == "x"
    assert host.manage("POST", "instances/nobody/restart").status == 400


@pytest.mark.parametrize("name", ["fragile", "fragile_parent"])
def test_rewind(host: RunningHost, name: str) -> None:
    """A failed instance does again what failed, and only that; so do its failed sub-orchestrations."""
    before = host.marked(f"flaky-{name}")
    instance_id = host.begin(name, name)
    assert host.finish(instance_id)["runtimeStatus"] == "Failed"
    (host.marks / f"repaired-{name}").touch()
    assert host.manage("POST", f"instances/{instance_id}/rewind", None, reason="repaired").status == 202
    status = host.finish(instance_id)
    assert (status["runtimeStatus"], status["output"]) == ("Completed", [1, "fine"])
    assert host.marked(f"flaky-{name}") == before + 2


def test_version(host: RunningHost) -> None:
    """The version of the query is the instance's."""
    instance_id = host.manage("POST", "orchestrators/versioned", "1", version="2.1").json()["id"]
    assert host.finish(instance_id)["output"] == "2.1"


def test_list_with_filters(host: RunningHost, waiting: str) -> None:
    """Prefix, status and times of creation narrow the list."""
    for number in range(3):
        host.finish(host.begin("quick", number, f"list-{number}"))
    ids = [row["instanceId"] for row in _list(host, instanceIdPrefix="list-").json()]
    assert ids == ["list-0", "list-1", "list-2"]
    running = [row["instanceId"] for row in _list(host, runtimeStatus="Running,Pending").json()]
    assert waiting in running
    assert "list-0" not in running
    assert _list(host, createdTimeFrom="2999-01-01T00:00:00Z").json() == []
    assert _list(host, createdTimeTo="2000-01-01T00:00:00Z").json() == []


def test_list_in_pages(host: RunningHost) -> None:
    """Pages follow each other by continuation token until there is none."""
    for number in range(5):
        host.finish(host.begin("quick", number, f"page-{number}"))
    seen: list[str] = []
    token = ""
    while True:
        url = f"{host.url}{WEBHOOK}instances/?code={host.system_key}&top=2&instanceIdPrefix=page-"
        answer = send(url, headers={"x-ms-continuation-token": token} if token else {})
        page = [row["instanceId"] for row in answer.json()]
        assert len(page) <= 2
        seen += page
        token = answer.headers.get("x-ms-continuation-token", "")
        if not token:
            break
    assert seen == [f"page-{number}" for number in range(5)]


def test_list_without_a_size(host: RunningHost) -> None:
    """A page has a hundred instances unless ``top`` says otherwise."""
    for number in range(101):
        host.begin("quick", number, f"many-{number}")
    page = host.manage("GET", "instances/", instanceIdPrefix="many-")
    assert (100, True) == (len(page.json()), bool(page.headers["x-ms-continuation-token"]))
    assert 101 == len(host.manage("GET", "instances/", instanceIdPrefix="many-", top="500").json())


def test_broken_continuation_token(host: RunningHost) -> None:
    """A token we did not give out is 400."""
    url = f"{host.url}{WEBHOOK}instances/?code={host.system_key}&top=2"
    assert send(url, headers={"x-ms-continuation-token": "%%%"}).status == 400


def test_purge(host: RunningHost, waiting: str, completed: str) -> None:
    """A finished instance goes with its history; a live one stays."""
    assert host.manage("DELETE", f"instances/{waiting}").status == 412
    assert host.manage("DELETE", f"instances/{completed}").json() == {"instancesDeleted": 1}
    assert host.manage("GET", f"instances/{completed}").status == 404


def test_purge_takes_sub_orchestrations_along(host: RunningHost) -> None:
    """The children of a purged instance go too."""
    host.finish(host.begin("parent", None, "purged"))
    assert host.manage("DELETE", "instances/purged").status == 200
    assert host.manage("GET", "instances/purged-child").status == 404


def test_purge_by_filter(host: RunningHost, waiting: str) -> None:
    """createdTimeFrom is needed; 404 when nothing matches; live instances stay."""
    host.finish(host.begin("quick", 1, "by-filter"))
    assert host.manage("DELETE", "instances/").status == 400
    assert host.manage("DELETE", "instances/", createdTimeFrom="2999-01-01T00:00:00Z").status == 404
    answer = host.manage("DELETE", "instances/", createdTimeFrom="2000-01-01T00:00:00Z", runtimeStatus="Completed")
    assert answer.status == 200
    assert answer.json()["instancesDeleted"] >= 1
    assert host.manage("GET", "instances/by-filter").status == 404
    assert host.manage("GET", f"instances/{waiting}").status == 202


def _list(host: RunningHost, **query: str) -> Answer:
    return host.manage("GET", "instances/", **query)
