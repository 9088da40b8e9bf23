"""kill -9 of the host and all its children in the middle of an export: it goes on as if nothing had happened.

CRASH_KILLS sets how many kills there are; ``make test-crash`` runs twenty.
"""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo import processes, stack
from demo.azurite_server import Azurite
from demo.client import Client
from tests.service.mortal import Mortal

KILLS = int(os.environ.get("CRASH_KILLS") or 3)
GRACE_SECONDS = 2


@pytest.fixture(scope="module")
def mortal(azurite: Azurite, database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    """The host, running. acme's sessions are 20 parts."""
    home = tmp_path_factory.mktemp("mortal")
    port = processes.free_port()
    settings = stack.app_settings(home, port, azurite.connection_string, f"sqlite:///{database}")
    pace = {
        "PART_ROWS": "1000",
        "PARTS_IN_FLIGHT": "2",
        "RETRY_FIRST_SECONDS": "0.2",
        "NOTIFY_GRACE_SECONDS": str(GRACE_SECONDS),
    }
    host = Mortal(home, port, {**settings, **pace})
    host.start()
    yield host
    host.stop()


@pytest.fixture(scope="module")
def undisturbed(mortal: Mortal) -> tuple[dict[str, Any], float]:
    """An export that nobody disturbs, the second one of the host, and how long it takes."""
    client = Client(f"{mortal.base_url}/api", "ada")
    client.wait(client.start(exportType="sessions"))
    started = time.monotonic()
    status = client.wait(client.start(exportType="sessions"), every=0.05)
    return status, time.monotonic() - started


def watched(client: Client, export_id: str, seconds: float) -> dict[str, Any]:
    """Look at the export for so long; gives its last status."""
    end = time.monotonic() + seconds
    status: dict[str, Any] = {}
    while time.monotonic() < end:
        status = client.call("GET", f"/exports/{export_id}").json()
        time.sleep(max(0.0, min(0.05, end - time.monotonic())))
    return status


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_host_goes_on_where_it_was(
    mortal: Mortal, undisturbed: tuple[dict[str, Any], float], number: int, tmp_path: Path
) -> None:
    """All 20 parts, the same sha256, one mail; the kills are spread over the life of an export and of its mail."""
    wanted, seconds = undisturbed
    client, other = Client(f"{mortal.base_url}/api", "ada"), Client(f"{mortal.base_url}/api", "sam")
    name = f"killed-{number}"
    export_id = client.start(exportType="sessions", fileName=name, notify={"email": True})
    whole = seconds + GRACE_SECONDS
    moment = (number + random.random()) / KILLS * whole
    before = watched(other, export_id, moment)
    mortal.kill()
    mortal.start()

    told = f"killed {moment:.2f} s into {whole:.2f} s, at {before.get('status')}, {before.get('progress')}"
    status = other.wait(export_id, seconds=90)
    assert (status["status"], status.get("error")) == ("Completed", None), told
    assert (status["progress"]["parts"], status["file"]["rows"]) == (20, 20_000), told
    assert status["file"]["sha256"] == wanted["file"]["sha256"], told
    line = client.wait_for_log(export_id, "mail-sent", "mail-skipped", seconds=60)
    assert line["action"] == "mail-sent", told
    mails = client.call("GET", "/dev/outbox").json()["items"]
    assert len([mail for mail in mails if f"{name}.csv" in mail["text"]]) == 1, told
    assert client.download(export_id, tmp_path / "file") == wanted["file"]["sha256"], told
