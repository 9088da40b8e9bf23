"""What functions are told of where they run, and that local development stays on this machine."""

from __future__ import annotations

import pytest

from tests.local_host.conftest import HostFactory
from tests.local_host.test_startup import refused

APP = """
@app.route(route="stage", auth_level="anonymous")
def stage(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(os.environ.get("AZURE_FUNCTIONS_ENVIRONMENT"))

@app.route(route="keyless", auth_level="anonymous")
def keyless(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(os.environ.get("LOCAL_HOST_ASKS_FOR_NO_KEYS", ""))

@app.route(route="keyed", auth_level="function")
def keyed(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("in")
"""


def test_on_this_machine_alone_it_is_development(new_host: HostFactory) -> None:
    """As Core Tools say. No key is asked for, and functions are told so."""
    host = new_host(APP)
    assert (host.get("/api/stage").body, host.get("/api/keyed").status) == (b"Development", 200)
    assert host.get("/api/keyless").body == b"true"


@pytest.mark.parametrize("stage", ["Production", "Staging"])
def test_a_stage_that_is_set_stays(new_host: HostFactory, stage: str) -> None:
    """Whoever set it wins."""
    host = new_host(APP, env={"AZURE_FUNCTIONS_ENVIRONMENT": stage})
    assert host.get("/api/stage").body == stage.encode()
    assert host.get("/api/keyless").body == b"true"


def test_where_other_machines_can_call_it_is_production(new_host: HostFactory) -> None:
    """And keys are asked for."""
    host = new_host(APP, arguments=("--host", "0.0.0.0"))
    assert (host.get("/api/stage").body, host.get("/api/keyed").status) == (b"Production", 401)
    assert host.get("/admin/host/status").status == 401
    assert host.get("/api/keyless").body == b""


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"AZURE_FUNCTIONS_ENVIRONMENT": "development"}, "AZURE_FUNCTIONS_ENVIRONMENT=development"),
        ({"AUTH_MODE": "dev"}, "AUTH_MODE=dev"),
    ],
    ids=str,
)
def test_development_does_not_listen_to_other_machines(new_host: HostFactory, env: dict[str, str], named: str) -> None:
    """It does not start, and says what to change."""
    host = new_host.make(APP, env=env, arguments=("--host", "0.0.0.0"))
    assert refused(host) == (
        f"other machines can call what listens on 0.0.0.0, and {named} is for local development: listen on "
        f"127.0.0.1, or leave {named} out and say who vouches for callers"
    )
