"""Webhooks: what happens to an export is told, once for each event, whatever dies in between."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from standardwebhooks import Webhook

from demo import processes, stack
from demo.azurite_server import Azurite
from demo.client import Client
from tests.service import fault_proxy
from tests.service import receiver as receivers
from tests.service.fault_proxy import FaultProxy
from tests.service.mortal import Mortal
from tests.service.receiver import Receiver

PAUSES = ",".join(["0", *["0.05"] * 9])
"""Ten attempts, as by default, but within a second."""

ON_NEW_YEARS_DAY = "0 0 0 1 1 *"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """The receiver of everything."""
    with receivers.running() as running:
        yield running


@pytest.fixture(scope="module")
def proxy(azurite: Azurite) -> Iterator[FaultProxy]:
    """A proxy that sees every request to the storage."""
    with fault_proxy.running(azurite) as running:
        yield running


@pytest.fixture(scope="module")
def mortal(
    azurite: Azurite, proxy: FaultProxy, receiver: Receiver, database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mortal]:
    """The service that all of this runs on; it reaches its storage through the proxy."""
    home = tmp_path_factory.mktemp("webhooks")
    port = processes.free_port()
    storage = replace(azurite, blob_port=proxy.blob_port, table_port=proxy.table_port).connection_string
    settings = stack.app_settings(home, port, storage, f"sqlite:///{database}")
    own = {
        "WEBHOOK_LOCAL_ORIGINS": receiver.origin,
        "WEBHOOK_RETRY_SECONDS": PAUSES,
        "WEBHOOK_TIMEOUT_SECONDS": "1",
        "RETRY_FIRST_SECONDS": "0.2",
        "WATCHDOG_SCHEDULE": ON_NEW_YEARS_DAY,
        "RETENTION_SCHEDULE": ON_NEW_YEARS_DAY,
        "FUNCTIONS_WORKER_PROCESS_COUNT": "1",
    }
    host = Mortal(home, port, {**settings, **own})
    host.start()
    yield host
    host.stop()


@pytest.fixture(scope="module")
def gus(mortal: Mortal) -> Client:
    """Manager in globex, which has few rows."""
    return Client(f"{mortal.base_url}/api", "gus")


@pytest.fixture(scope="module")
def bea(mortal: Mortal) -> Client:
    """Admin of globex."""
    return Client(f"{mortal.base_url}/api", "bea")


@dataclass
class Hook:
    """A webhook of globex at a path of the receiver that it has for itself."""

    client: Client
    receiver: Receiver
    path: str
    made: dict[str, Any]

    @property
    def place(self) -> str:
        return f"/webhooks/{self.made['id']}"

    def now(self) -> dict[str, Any]:
        """As the API shows it."""
        found: dict[str, Any] = self.client.call("GET", self.place).json()
        return found

    def deliveries(self) -> list[dict[str, Any]]:
        """Newest first."""
        items: list[dict[str, Any]] = self.client.call("GET", f"{self.place}/deliveries").json()["items"]
        return items

    def ended(self, event: str = "", seconds: float = 60) -> dict[str, Any]:
        """The delivery of the event (or the only one), once it has ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = [d for d in self.deliveries() if event in d["eventId"] and d["status"] != "Pending"]
            if found:
                (delivery,) = found
                return delivery
            time.sleep(0.05)
        raise TimeoutError(f"{self.path}: {self.deliveries()}")

    def ping(self) -> dict[str, Any]:
        """Try it; gives the delivery."""
        answer = self.client.call("POST", f"{self.place}/ping")
        assert answer.status_code == 202, answer.text
        found: dict[str, Any] = answer.json()
        return found


NewHook = Callable[..., Hook]


@pytest.fixture
def hook(bea: Client, receiver: Receiver) -> Iterator[NewHook]:
    """Add a webhook at a path that begins so; it is gone after the test."""
    made: list[Hook] = []

    def add(path: str = "/ok", query: str = "", **body: Any) -> Hook:
        own = f"{path}/{uuid4().hex[:8]}"
        answer = bea.call("POST", "/webhooks", json={"url": receiver.origin + own + query, **body})
        assert answer.status_code == 201, answer.text
        made.append(Hook(bea, receiver, own, answer.json()))
        return made[-1]

    yield add
    for one in made:
        bea.call("DELETE", one.place)


def test_a_completed_export_is_told(hook: NewHook, bea: Client, receiver: Receiver) -> None:
    """One POST, signed so that the library of Standard Webhooks verifies it, that says what the API says."""
    one = hook()
    export = bea.wait(bea.start(exportType="users"))
    (got,) = receiver.wait(one.path)
    event = Webhook(one.made["secret"]).verify(got.body, got.headers)
    assert (got.id, event["type"]) == (f"evt_{export['id']}_1_completed", "export.completed")
    assert {k: v for k, v in event["data"].items() if k not in export} == {"url": export["links"]["self"]}
    assert {k: export[k] for k in event["data"] if k in export} == {
        k: v for k, v in event["data"].items() if k in export
    }
    assert event["timestamp"] >= export["completedAt"]
    delivery = one.ended()
    assert (delivery["status"], delivery["eventId"], delivery["type"]) == ("Delivered", got.id, "export.completed")
    assert [(a["status"], a["error"]) for a in delivery["attempts"]] == [(200, None)]
    assert one.receiver.at(one.path) == [got]
