"""Records the histories of a release: ``python -m tests.rolling.record``, run on the release before anything changes.

The service runs for real, in every way that an orchestrator can go; what the engine wrote down becomes the fixture
``histories/<version>.jsonl.gz``, one instance a line. Signatures of URLs are taken out.
"""

import gzip
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from demo import azurite_server, processes, stack
from demo.client import Client
from local_host.replay import Recorded, read_histories
from shared.version import VERSION
from tests.service.database import make_small_database

HISTORIES = Path(__file__).parent / "histories"
_TOO_LONG = 700
"""Events: replaying n of them costs n squared, and a group of parts that all fail has twice as many as others."""
_SIGNATURE = re.compile(r"sig=[^&\"\\]+")

_PACE = {
    "PART_ROWS": "125",
    "PART_ATTEMPTS": "2",
    "RETRY_FIRST_SECONDS": "0.2",
    "NOTIFY_GRACE_SECONDS": "2",
    "RETENTION_SCHEDULE": "0 0 0 1 1 *",
    "WATCHDOG_SCHEDULE": "0 0 0 1 1 *",
    "WEBHOOK_RETRY_SECONDS": "0, 0.2",
}


def record(home: Path) -> list[Recorded]:
    """Run a service through every way, and give the histories of all instances."""
    make_small_database(home)
    database = Path(shutil.copy(home / "demo.db", home / "own.db"))
    port = processes.free_port()
    with azurite_server.running(home, accounts=["recorded"]) as azurite:
        settings = stack.app_settings(home, port, azurite.connection_string, f"sqlite:///{database}")
        nobody = f"http://127.0.0.1:{processes.free_port()}"
        with stack.host(home, port, {**settings, **_PACE, "WEBHOOK_LOCAL_ORIGINS": nobody}):
            api = f"http://127.0.0.1:{port}/api"
            _every_way(Client(api, "ada"), Client(api, "sam"), nobody, database)
        found = [recorded for hub in sorted((home / "host").glob("*.db")) for recorded in read_histories(hub)]
        return [recorded for recorded in found if len(recorded.events) < _TOO_LONG]


def _every_way(ada: Client, sam: Client, nobody: str, database: Path) -> None:
    # It is sam who waits: what ada has seen, she gets no mail about.
    ada.call("POST", "/webhooks", json={"url": f"{nobody}/hook"}).raise_for_status()
    mailed = ada.start(exportType="analytics", notify={"email": True})
    fetched = ada.start(exportType="users", notify={"email": True})
    sam.wait(fetched)
    sam.wait_for_log(fetched, "mail-waits")
    ada.call("GET", f"/exports/{fetched}/download")
    sam.wait(ada.start(exportType="exemptions"))
    sam.wait(ada.start(exportType="sessions", columns=["id"]))  # 160 parts: two groups
    sam.wait(ada.start(exportType="sessions", filters={"status": ["expired"]}, format="xlsx"))

    cancelled = ada.start(exportType="sessions", fileName="cancelled")
    sam.wait_for_log(cancelled, "planned")
    ada.call("POST", f"/exports/{cancelled}/cancel")
    sam.wait_for_log(cancelled, "cleared")

    for filters in ({}, {"status": ["expired"]}):  # in a group, and without one
        failed = ada.start(exportType="sessions", filters=filters, fileName="failed")
        sam.wait_for_log(failed, "planned")
        database.rename(database.with_suffix(".away"))
        sam.wait(failed)
        database.with_suffix(".away").rename(database)
    ada.call("POST", f"/exports/{failed}/retry").raise_for_status()
    sam.wait(failed)

    sam.wait_for_log(mailed, "mail-sent")
    sam.wait_for_log(fetched, "mail-skipped")
    ada.start(exportType="sessions", fileName="still running")


def lines(histories: list[Recorded]) -> Iterator[str]:
    """One instance a line, in the order of their ids."""
    for recorded in sorted(histories, key=lambda r: r.instance_id):
        yield _SIGNATURE.sub("sig=removed", json.dumps(asdict(recorded), separators=(",", ":"))) + "\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        found = record(Path(folder))
    HISTORIES.mkdir(exist_ok=True)
    target = HISTORIES / f"{VERSION}.jsonl.gz"
    target.write_bytes(gzip.compress("".join(lines(found)).encode(), 9, mtime=0))
    sys.stdout.write(f"{target}: {len(found)} instances, {target.stat().st_size:,} bytes\n")
