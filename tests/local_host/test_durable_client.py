"""The SDK's client in functions: every call of ``DurableOrchestrationClient`` against a real host."""

from __future__ import annotations

import pytest

from tests.local_host.conftest import RunningHost, send, until

APP = '''
from datetime import datetime

@app.activity_trigger("value")
def echo(value):
    return value

@app.orchestration_trigger("context")
def quick(context):
    return (yield context.call_activity("echo", context.get_input()))

@app.orchestration_trigger("context")
def waits(context):
    return (yield context.wait_for_external_event("go"))

@app.orchestration_trigger("context")
def fails(context):
    raise ValueError("on purpose")
    yield

@app.orchestration_trigger("context")
def makes_point(context):
    return (yield context.call_activity("echo", {"x": 1}))

@app.entity_trigger("context")
def box(context):
    if context.operation_name == "put":
        context.set_state(context.get_input())

@app.route(route="client/{call}")
@app.durable_client_input(client_name="client")
async def client(req: func.HttpRequest, client) -> func.HttpResponse:
    """Runs one call and answers with what came of it."""
    try:
        result = await CALLS[req.route_params["call"]](client, req)
    except Exception as error:
        result = f"{type(error).__name__}: {error}"
    if isinstance(result, func.HttpResponse):
        return result
    return func.HttpResponse(json.dumps(result, default=str), mimetype="application/json")

async def start(client, req):
    return await client.start_new(req.params["name"], req.params.get("id"), req.get_json() if req.get_body() else None)

async def check(client, req):
    return client.create_check_status_response(req, await start(client, req))

async def wait(client, req):
    id = await start(client, req)
    return await client.wait_for_completion_or_create_check_status_response(req, id, 5000, 50)

async def status(client, req):
    found = await client.get_status(req.params["id"], show_input=True)
    return (found.to_json() if found else {}) | {"found": bool(found)}

async def listed(client, req):
    everything = {s.instance_id for s in await client.get_status_all()}
    since = datetime(2020, 1, 1)
    done = await client.get_status_by(since, None, [df.OrchestrationRuntimeStatus.Completed])
    named = await client.get_status_by(instance_id_prefix=req.params["id"])
    assert {s.instance_id for s in named} <= everything
    return {"done": sorted(s.instance_id for s in done), "named": [s.instance_id for s in named]}

async def event(client, req):
    await client.raise_event(req.params["id"], "go", req.get_json())

async def terminate(client, req):
    await client.terminate(req.params["id"], "no more, thanks")

async def suspend(client, req):
    await client.suspend(req.params["id"], "a pause")

async def resume(client, req):
    await client.resume(req.params["id"], "on we go")

async def restart(client, req):
    return await client.restart(req.params["id"], req.params.get("new") == "yes")

async def rewind(client, req):
    await client.rewind(req.params["id"], "again")

async def purge(client, req):
    return (await client.purge_instance_history(req.params["id"])).instances_deleted

async def purge_by(client, req):
    result = await client.purge_instance_history_by(datetime(2020, 1, 1), None, [df.OrchestrationRuntimeStatus.Failed])
    return result.instances_deleted

async def put(client, req):
    await client.signal_entity(df.EntityId("box", req.params["id"]), "put", req.get_json())

async def read(client, req):
    state = await client.read_entity_state(df.EntityId("box", req.params["id"]))
    return [state.entity_exists, state.entity_state]

async def payload(client, req):
    return client.create_http_management_payload("some-id")

CALLS = {f.__name__: f for f in (
    start, check, wait, status, listed, event, terminate, suspend, resume, restart, rewind, purge, purge_by, put, read,
    payload,
)}
'''


def ask(host: RunningHost, call: str, query: str = "", body: str = "") -> object:
    """Have the app's function make the call and return its result."""
    answer = host.post(f"/api/client/{call}?{query}", body)
    assert answer.status == 200, answer
    return answer.json()


def test_start_with_a_check_status_response(host: RunningHost) -> None:
    """The URLs of the response work, and carry the address the caller used."""
    url = host.url.replace("127.0.0.1", "localhost")
    answer = send(f"{url}/api/client/check?name=quick", "POST", b'{"n": [1, "\xc3\xbc"]}')
    assert answer.status == 202
    links = answer.json()
    assert links["statusQueryGetUri"].startswith(f"{url}/runtime/webhooks/durabletask/instances/{links['id']}?")
    host.finish(links["id"])
    assert send(links["statusQueryGetUri"]).json()["output"] == {"n": [1, "ü"]}


def test_wait_for_completion(host: RunningHost) -> None:
    """The response is the output, or 500 with the status of a failure."""
    answer = host.post("/api/client/wait?name=quick", "[1, 2]")
    assert (answer.status, answer.json()) == (200, [1, 2])
    answer = host.post("/api/client/wait?name=fails", "1")
    assert (answer.status, answer.json()["runtimeStatus"]) == (500, "Failed")


def test_start_of_what_cannot_start(host: RunningHost) -> None:
    """An unknown orchestrator and a live id raise in the function."""
    unknown = ask(host, "start", "name=nobody")
    assert str(unknown).startswith("Exception: The function 'nobody' doesn't exist")
    live = ask(host, "start", "name=waits&id=live-one")
    assert live == "live-one"
    again = ask(host, "start", "name=waits&id=live-one")
    assert "An Orchestration instance with the status " in str(again)


def test_status(host: RunningHost) -> None:
    """A status has input and output; the one of nobody is false."""
    instance_id = ask(host, "start", "name=quick", '{"a": 1}')
    host.finish(str(instance_id))
    status = ask(host, "status", f"id={instance_id}")
    assert isinstance(status, dict)
    assert (status["found"], status["runtimeStatus"], status["output"]) == (True, "Completed", {"a": 1})
    assert ask(host, "status", "id=nobody") == {"found": False}


def test_lists(host: RunningHost) -> None:
    """All, by status and time, by prefix."""
    ask(host, "start", "name=quick&id=seen-1", "1")
    host.finish("seen-1")
    ask(host, "start", "name=waits&id=seen-2", "1")
    found = ask(host, "listed", "id=seen-")
    assert isinstance(found, dict)
    assert found["named"] == ["seen-1", "seen-2"]
    assert "seen-1" in found["done"]
    assert "seen-2" not in found["done"]


def test_event_data_of_the_client(host: RunningHost) -> None:
    """As on the platform, data sent by the SDK's client arrives as JSON text: it encodes it twice."""
    ask(host, "start", "name=waits&id=event-1", "1")
    assert ask(host, "event", "id=event-1", '{"a": "ü"}') is None
    assert host.finish("event-1")["output"] == '{"a": "\\u00fc"}'


@pytest.mark.parametrize("call", ["event", "terminate", "suspend", "resume", "restart", "rewind"])
def test_calls_for_nobody(host: RunningHost, call: str) -> None:
    """They raise and say that there is no such instance, or that the call failed."""
    text = str(ask(host, call, "id=nobody", "1"))
    assert text.startswith("Exception: ")
    assert "nobody" in text or "400" in text


def test_terminate_suspend_resume_restart(host: RunningHost) -> None:
    """The operations do what they say."""
    ask(host, "start", "name=waits&id=ops", "1")
    assert ask(host, "suspend", "id=ops") is None
    until(lambda: host.status("ops")["runtimeStatus"] == "Suspended")
    assert ask(host, "resume", "id=ops") is None
    until(lambda: host.status("ops")["runtimeStatus"] == "Running")
    assert ask(host, "terminate", "id=ops") is None
    assert host.finish("ops")["output"] == "no more, thanks"
    assert ask(host, "restart", "id=ops") == "ops"
    until(lambda: host.status("ops")["runtimeStatus"] == "Running")
    restarted = ask(host, "restart", "id=ops&new=yes")
    assert restarted != "ops"
    assert host.status(str(restarted))["name"] == "waits"


def test_purge(host: RunningHost) -> None:
    """The counts are those of the instances that went."""
    ask(host, "start", "name=quick&id=gone", "1")
    host.finish("gone")
    assert ask(host, "purge", "id=gone") == 1
    assert ask(host, "purge", "id=gone") == 0
    ask(host, "start", "name=fails&id=failed", "1")
    host.finish("failed")
    assert int(str(ask(host, "purge_by"))) >= 1
    assert ask(host, "status", "id=failed") == {"found": False}


def test_entities(host: RunningHost) -> None:
    """A signal changes the state a read shows."""
    assert ask(host, "read", "id=a") == [False, None]
    assert ask(host, "put", "id=a", '{"n": 5}') is None
    assert until(lambda: ask(host, "read", "id=a") == [True, {"n": 5}])


def test_payload_without_a_request(host: RunningHost) -> None:
    """The management payload has every URL, with the id in place."""
    payload = ask(host, "payload")
    assert isinstance(payload, dict), payload
    assert payload["statusQueryGetUri"].startswith(f"{host.url}/runtime/webhooks/durabletask/instances/some-id?")
    assert "INSTANCEID" not in str(payload)
