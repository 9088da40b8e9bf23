"""A database that goes away while an export runs, and exports of so many parts that they run in groups."""

from collections.abc import Callable
from typing import Any

import requests

from tests.service.conftest import Fragile


def at_part(number: int, act: Callable[[], None]) -> Callable[[dict[str, Any]], None]:
    """Do something once, as soon as so many parts are done."""
    done: list[bool] = []

    def look(status: dict[str, Any]) -> None:
        if not done and status["progress"]["parts"] >= number:
            done.append(True)
            act()

    return look


def test_a_database_that_stays_away_fails_the_export_with_a_clear_reason(fragile: Fragile) -> None:
    """The parts are tried again, then it is Failed; never Processing for ever, and the progress stays where it was."""
    client = fragile.client("ada")
    seen: list[dict[str, Any]] = []
    take_away = at_part(135, fragile.take_database_away)

    def look(status: dict[str, Any]) -> None:
        seen.append(status)
        take_away(status)

    status = client.wait(client.start(exportType="sessions"), seconds=90, every=0.05, show=look)
    assert status["status"] == "Failed"
    assert status["error"]["code"] == "source-unavailable"
    assert " of 160 failed 3 times: " in status["error"]["message"]
    assert str(fragile.database.parent) not in status["error"]["message"]
    assert "file" not in status
    percents = [s["progress"]["percent"] for s in seen]
    assert percents == sorted(percents)
    assert 0 < percents[-1] < 100
    line = client.wait_for_log(status["id"], "failed")
    assert (line["level"], line["message"]) == ("error", f"Failed: {status['error']['message']}")
    assert client.call("GET", f"/exports/{status['id']}/download").status_code == 409


def test_a_database_that_is_away_from_the_start_fails_the_plan(fragile: Fragile) -> None:
    """Tried again, and then told."""
    client = fragile.client("bea")
    fragile.take_database_away()
    status = client.wait(client.start(exportType="sessions"), seconds=60)
    assert (status["status"], status["error"]["code"]) == ("Failed", "source-unavailable")
    assert status["progress"]["percent"] == 0


def test_a_database_that_comes_back_in_time_completes_the_export(fragile: Fragile) -> None:
    """Planning waits for it, and the file is the same as without the incident."""
    client = fragile.client("bea")
    calm = client.wait(client.start(exportType="sessions"))
    fragile.take_database_away()
    export_id = client.start(exportType="sessions")
    status = client.call("GET", f"/exports/{export_id}").json()
    while not status["startedAt"]:
        status = client.call("GET", f"/exports/{export_id}").json()
    fragile.bring_database_back()
    status = client.wait(export_id, seconds=60)
    assert (status["status"], status["file"]["sha256"]) == ("Completed", calm["file"]["sha256"])


def test_parts_that_failed_are_tried_again_alone(fragile: Fragile) -> None:
    """160 parts in groups, the database away for a moment: every row once, in order, and true progress."""
    sam = fragile.client("sam")
    body = sam.call("POST", "/exports", json={"exportType": "sessions", "fresh": True}).json()
    seen: list[dict[str, Any]] = []
    take_away = at_part(125, fragile.take_database_away)
    polls: list[int] = []

    def look(status: dict[str, Any]) -> None:
        seen.append(status["progress"])
        take_away(status)
        polls.append(1) if fragile.database.exists() else polls.append(0)
        if polls.count(0) == 3:
            fragile.bring_database_back()

    status = sam.wait(body["id"], seconds=120, every=0.05, show=look)
    assert (status["status"], status.get("error")) == ("Completed", None)
    assert (status["file"]["rows"], status["progress"]["totalParts"]) == (20_000, 160)
    assert polls.count(0) >= 3
    for figure in ("percent", "parts", "rows"):
        values = [s[figure] for s in seen]
        assert values == sorted(values), figure
    assert any(150 < s["parts"] < 160 for s in seen)
    assert all(s["rows"] == s["parts"] * 125 for s in seen)

    url = body["durable"]["statusQueryGetUri"]
    for group in ("000000", "000150"):
        inside = requests.get(url.replace(body["id"], f"{body['id']}-parts-{group}", 1), timeout=30).json()
        assert (inside["name"], inside["runtimeStatus"]) == ("export_parts", "Completed")
