"""A service that is not set up: it starts, and says on every call which setting to mend."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from demo import processes, stack
from tests.service.problems import assert_problem

RIGHT = {
    **stack.bare_settings("UseDevelopmentStorage=true"),
    "FUNCTIONS_WORKER_RUNTIME": "python",
    "RETENTION_SCHEDULE": "0 0 0 1 1 *",
    "WATCHDOG_SCHEDULE": "0 0 0 1 1 *",
    "SCHEDULER_SCHEDULE": "0 0 0 1 1 *",
    "FUNCTIONS_WORKER_PROCESS_COUNT": "1",
}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Start a host with these settings changed; gives the API's base."""
    with ExitStack() as hosts:

        def start(**changes: str) -> str:
            port = processes.free_port()
            hosts.enter_context(stack.host(tmp_path, port, {**RIGHT, **changes}))
            return f"http://127.0.0.1:{port}/api"

        yield start


def test_a_wrong_setting_is_named_in_every_answer(host: Callable[..., str]) -> None:
    """503 with the variable, what it holds and what is valid; the functions are all there."""
    api = host(LINK_SIGNING_KEY="short", SOURCE_URL="")
    for method, path in (("GET", "/health"), ("GET", "/export-types"), ("POST", "/exports"), ("GET", "/dev/users")):
        answer = requests.request(method, api + path, timeout=30)
        assert_problem(answer, "settings-error", detail="is not set")
    assert "SOURCE_URL is not set; give sqlite:///path" in answer.json()["detail"]
    alive = requests.get(f"{api}/health/live", timeout=30)
    assert (alive.status_code, alive.json()["status"]) == (200, "ok")
