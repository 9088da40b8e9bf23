"""Schedules through the API: what they take, when they run, what incremental runs hold, and when they stop.

SCHEDULER_KILLS sets at how many points a tick is killed; ``make test-operations`` takes all.
"""

import csv
import os
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from demo.azurite_server import Azurite
from demo.client import Client
from shared.schedules.store import Schedule, Schedules
from shared.timestamps import iso
from tests.service import fault_proxy
from tests.service.conftest import Fragile, on_its_own
from tests.service.fault_proxy import Fault, FaultProxy
from tests.service.mortal import Mortal
from tests.service.polling import until
from tests.service.problems import assert_problem

DAILY = {"name": "Daily", "cron": "0 6 * * *", "timeZone": "Europe/Paris", "request": {"exportType": "sessions"}}


@pytest.fixture(scope="module")
def proxy(azurite: Azurite) -> Iterator[FaultProxy]:
    """A proxy that sees every request to the storage."""
    with fault_proxy.running(azurite) as running:
        yield running


Hosted = tuple[Mortal, Fragile]


@pytest.fixture(scope="module")
def hosted(
    azurite: Azurite, proxy: FaultProxy, database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hosted]:
    """The service that all of this runs on, and its host; it reaches its storage through the proxy."""
    pace = {
        "RETRY_FIRST_SECONDS": "0.2",
        "MAX_SCHEDULES_PER_USER": "8",
        "SCHEDULE_STOP_AFTER_FAILURES": "2",
    }
    through = replace(azurite, blob_port=proxy.blob_port, table_port=proxy.table_port)
    host, service = on_its_own(tmp_path_factory.mktemp("scheduled"), database, azurite, pace, through=through)
    with host.running():
        yield host, service


@pytest.fixture(scope="module")
def mortal(hosted: Hosted) -> Mortal:
    """The host."""
    return hosted[0]


@pytest.fixture(scope="module")
def scheduled(hosted: Hosted) -> Fragile:
    """The service; its scheduler runs when it is called."""
    return hosted[1]


@pytest.fixture(scope="module")
def table(scheduled: Fragile) -> Schedules:
    """The table of schedules, to turn the clock of one."""
    return Schedules(scheduled.tables)


def create(client: Client, **changes: Any) -> str:
    """A new schedule; gives its id."""
    answer = client.call("POST", "/schedules", json={**DAILY, **changes})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == answer.json()["links"]["self"]
    return str(answer.json()["id"])


def make_due(table: Schedules, schedule_id: str, at: datetime, tenant: str = "globex") -> None:
    """Let the schedule wait for this time, which has come."""
    schedule = table.get(tenant, schedule_id)
    assert schedule is not None
    table.change(schedule, f"test-{at}", due_at=iso(at), run_at=iso(at))


def runs(client: Client, schedule_id: str) -> list[dict[str, Any]]:
    """The history."""
    items: list[dict[str, Any]] = client.call("GET", f"/schedules/{schedule_id}/runs").json()["items"]
    return items


def run_at(scheduled: Fragile, table: Schedules, client: Client, schedule_id: str, at: datetime) -> dict[str, Any]:
    """Let the schedule be due at this time, and tick until that run has begun and is settled; give it."""
    before = len(runs(client, schedule_id))
    make_due(table, schedule_id, at)

    def settled() -> dict[str, Any] | None:
        scheduled.run("scheduler")
        found = runs(client, schedule_id)
        return found[0] if len(found) > before and found[0]["outcome"] else None

    return until(settled)


def rows(client: Client, export_id: str, to: Path) -> list[str]:
    """The ids in the file of an export of sessions."""
    client.download(export_id, to)
    with to.open(newline="", encoding="utf-8-sig") as file:
        return [row[0] for row in csv.reader(file)][1:]


def insert(scheduled: Fragile, *moments: datetime) -> list[str]:
    """Sessions of globex that began then; gives their ids."""
    with closing(sqlite3.connect(scheduled.database)) as connection, connection:
        connection.row_factory = sqlite3.Row
        (template,) = connection.execute("select * from sessions where organisation_id = 'globex' limit 1").fetchall()
        (last,) = connection.execute("select max(id) from sessions").fetchone()
        ids = []
        for number, moment in enumerate(moments, 1):
            row = {**template, "id": last + number, "started_at": moment.strftime("%Y-%m-%d %H:%M:%S.%f")}
            marks = ", ".join("?" * len(row))
            connection.execute(f"insert into sessions ({', '.join(row)}) values ({marks})", list(row.values()))
            ids.append(str(row["id"]))
    return ids


def test_a_schedule_shows_when_it_runs(scheduled: Fragile) -> None:
    """In words, and the next five times, in UTC whatever the clock does."""
    bea = scheduled.client("bea")
    schedule_id = create(bea, jitterSeconds=60.0)
    shown = bea.call("GET", f"/schedules/{schedule_id}").json()
    assert (shown["state"], shown["summary"], shown["lastRun"]) == ("active", "At 06:00 every day", None)
    assert shown["jitterSeconds"] == 60
    moments = [datetime.fromisoformat(text) for text in shown["nextRuns"]]
    assert len(moments) == 5
    assert {moment.hour for moment in moments} <= {4, 5}
    assert shown["request"] == {"exportType": "sessions"}
    assert schedule_id in [item["id"] for item in bea.call("GET", "/schedules").json()["items"]]

    paused = bea.call("PATCH", f"/schedules/{schedule_id}", json={"paused": True, "name": "Later"}).json()
    assert (paused["state"], paused["name"], paused["nextRuns"]) == ("paused", "Later", [])
    again = bea.call("PATCH", f"/schedules/{schedule_id}", json={"paused": False, "cron": "30 7 * * 1"}).json()
    assert (again["state"], again["summary"]) == ("active", "At 07:30 on Monday")
    assert bea.call("DELETE", f"/schedules/{schedule_id}").status_code == 204
    assert_problem(bea.call("GET", f"/schedules/{schedule_id}"), "not-found")


def test_a_wrong_schedule_is_refused_with_every_reason(scheduled: Fragile) -> None:
    """As the export itself would be, and with what cron takes."""
    bea = scheduled.client("bea")
    wrong = {"exportType": "sessions", "filters": {"statu": "x"}}
    answer = bea.call("POST", "/schedules", json={**DAILY, "request": wrong})
    assert_problem(answer, "validation-failed", request__filters__statu="did you mean 'status'?")
    answer = bea.call("POST", "/schedules", json={**DAILY, "cron": "0 25 * * *", "timeZone": "Paris"})
    assert_problem(answer, "validation-failed", cron="bad hour", timeZone="unknown time zone 'Paris'")
    answer = bea.call("POST", "/schedules", json={**DAILY, "incremental": True, "request": {"exportType": "users"}})
    assert_problem(answer, "validation-failed", incremental="no watermark; those that have one: sessions")
    for period, body, sentence in (
        ("yesterday", {"incremental": True}, "an incremental one covers what is new"),
        ("yesterday", {"request": {"exportType": "exemptions"}}, "export type 'exemptions' has no date to apply it to"),
        ("last-week", {"request": {"exportType": "sessions", "dateRange": {"to": "2026-01-01"}}}, "takes the place of"),
        ("last-wek", {}, "'last-week'"),
    ):
        answer = bea.call("POST", "/schedules", json={**DAILY, "period": period, **body})
        assert_problem(answer, "validation-failed", period=sentence)
    answer = bea.call("POST", "/schedules", json={**DAILY, "request": {"exportType": "sessions", "fromat": "csv"}})
    assert_problem(answer, "validation-failed", request__fromat="did you mean 'format'?")
    assert_problem(
        scheduled.client("gus").call("POST", "/schedules", json={**DAILY, "request": {"exportType": "users"}}),
        "not-allowed",
        detail="export type 'users' is open to",
    )
    for number in range(9):
        answer = scheduled.client("sam").call("POST", "/schedules", json={**DAILY, "paused": True})
        assert answer.status_code == (201 if number < 8 else 409), answer.text
    assert_problem(answer, "conflict", detail="you have 8 schedules, which is the limit")


def test_what_is_due_runs_once_however_many_timers_look(scheduled: Fragile, table: Schedules) -> None:
    """After two hours of downtime: one export, by its owner, that tells how many times it makes up for."""
    bea = scheduled.client("bea")
    schedule_id = create(bea, cron="*/30 * * * *", request={"exportType": "users", "columns": ["email"]})
    now = datetime.now(UTC)
    due = (now - timedelta(hours=2)).replace(minute=0, second=0, microsecond=0)
    make_due(table, schedule_id, due)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: scheduled.run("scheduler"), range(6)))
    until(lambda: scheduled.run("scheduler") or runs(bea, schedule_id)[0]["outcome"])
    (run,) = runs(bea, schedule_id)
    assert (run["outcome"], run["missed"] in (3, 4, 5), run["note"]) == ("Completed", True, None)
    assert now - datetime.fromisoformat(run["due"]) <= timedelta(minutes=31)
    status = bea.call("GET", f"/exports/{run['exportId']}").json()
    assert (status["createdBy"], status["status"], status["exportType"]) == ("bea", "Completed", "users")
    assert [line["action"] for line in bea.logs(status["id"])].count("planned") == 1
    shown = bea.call("GET", f"/schedules/{schedule_id}").json()
    assert (shown["lastRun"]["exportId"], shown["failuresInARow"]) == (status["id"], 0)
    assert datetime.fromisoformat(shown["nextRuns"][0]) > now
    bea.call("DELETE", f"/schedules/{schedule_id}")


def test_a_period_is_that_of_the_time_at_which_a_run_was_due(
    scheduled: Fragile, table: Schedules, tmp_path: Path
) -> None:
    """Days of the schedule's time zone: of four sessions around its midnights the two in between."""
    bea = scheduled.client("bea")
    schedule_id = create(bea, cron="0 0 1 1 *", timeZone="Asia/Tokyo", period="yesterday")
    due = datetime.now(UTC)
    midnight = due.astimezone(ZoneInfo("Asia/Tokyo")).replace(hour=0, minute=0, second=0, microsecond=0)
    moments = [(midnight + timedelta(days=n, seconds=s)).astimezone(UTC) for n in (-1, 0) for s in (-1, 0)]
    new = insert(scheduled, *moments)
    run = run_at(scheduled, table, bea, schedule_id, due)
    assert run["outcome"] == "Completed"
    assert [row for row in rows(bea, run["exportId"], tmp_path / "period") if row in new] == new[1:3]
    changed = bea.call("PATCH", f"/schedules/{schedule_id}", json={"period": None}).json()
    assert (changed["period"], changed["timeZone"]) == (None, "Asia/Tokyo")
    bea.call("DELETE", f"/schedules/{schedule_id}")


POINTS: dict[str, tuple[str, str, int]] = {
    "the export's record is written": ("POST", "SluiceExports", 1),
    "the run is in the history": ("PUT", "SluiceScheduleRuns(", 1),
    "the schedule says that it runs": ("PUT", "SluiceSchedules(", 2),
}
"""Requests of a tick, and which of them; the first write of the row decides on the run."""
KILLS = int(os.environ.get("SCHEDULER_KILLS") or 1)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("point", list(POINTS)[:KILLS])
def test_a_tick_killed_before(
    scheduled: Fragile, table: Schedules, mortal: Mortal, proxy: FaultProxy, point: str
) -> None:
    """kill -9 of the host in the middle of a tick: the run is made by a later one, once."""
    bea = scheduled.client("bea")
    schedule_id = create(bea, cron="0 0 1 1 *", request={"exportType": "users", "columns": ["email"]})
    make_due(table, schedule_id, datetime.now(UTC))
    before = exports(bea)
    wanted, name, times = POINTS[point]
    dead, seen = threading.Event(), []

    def kill(method: str, path: str) -> Fault:
        if method == wanted and name in path:
            seen.append(path)
        if len(seen) == times and not dead.is_set():
            mortal.shoot()
            dead.set()
        return "drop request" if dead.is_set() else "none"

    with proxy.following(kill):
        with suppress(requests.ConnectionError):  # the host may be dead before it answers
            scheduled.run("scheduler")
        assert dead.wait(60)
        mortal.bury()
    mortal.start()
    until(lambda: scheduled.run("scheduler") or ((found := runs(bea, schedule_id)) and found[0]["outcome"]))
    (run,) = runs(bea, schedule_id)
    assert run["outcome"] == "Completed"
    assert exports(bea) - before == {run["exportId"]}
    assert [line["action"] for line in bea.logs(run["exportId"])].count("planned") == 1
    bea.call("DELETE", f"/schedules/{schedule_id}")


def exports(client: Client) -> set[str]:
    """The ids of all exports of users."""
    return {item["id"] for item in client.call("GET", "/exports?exportType=users&limit=200").json()["items"]}


@pytest.mark.timeout(180)
def test_incremental_runs_hold_each_row_once(scheduled: Fragile, table: Schedules, tmp_path: Path) -> None:
    """Everything first, then what is new; what a failed run did not deliver is in the next, and in no other file."""
    bea = scheduled.client("bea")
    schedule_id = create(bea, cron="0 0 1 1 *", incremental=True)
    base = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=3)
    first_new = insert(scheduled, base - timedelta(hours=1))

    first = run_at(scheduled, table, bea, schedule_id, base)
    found = rows(bea, first["exportId"], tmp_path / "first")
    assert set(first_new) <= set(found)
    assert first["window"] == {"from": None, "to": first["window"]["to"]}
    end = datetime.fromisoformat(first["window"]["to"])
    assert timedelta(minutes=5) == datetime.fromisoformat(first["due"]) - end

    second_new = insert(scheduled, end, end + timedelta(seconds=1))
    with scheduled.without("sessions"):
        failed = run_at(scheduled, table, bea, schedule_id, base + timedelta(hours=1))
    assert (failed["outcome"], failed["window"]["from"]) == ("Failed", first["window"]["to"])

    third = run_at(scheduled, table, bea, schedule_id, base + timedelta(hours=2))
    assert (third["outcome"], third["window"]["from"]) == ("Completed", first["window"]["to"])
    assert rows(bea, third["exportId"], tmp_path / "third") == second_new
    assert_problem(
        bea.call("POST", f"/exports/{failed['exportId']}/retry"),
        "conflict",
        detail=f"its rows are in a later export of its schedule: {third['exportId']}",
    )

    bea.call("DELETE", f"/exports/{third['exportId']}")
    fourth = run_at(scheduled, table, bea, schedule_id, base + timedelta(hours=3))
    assert fourth["window"]["from"] == third["window"]["to"]
    bea.call("DELETE", f"/schedules/{schedule_id}")


@pytest.mark.timeout(180)
def test_a_schedule_that_fails_again_and_again_is_stopped(scheduled: Fragile, table: Schedules) -> None:
    """After two failures in a row: with the reason, and one mail to its owner; it is resumed by hand."""
    bea = scheduled.client("bea")
    bea.call("DELETE", "/dev/outbox")
    schedule_id = create(bea, name="Doomed", cron="0 0 1 1 *", request={"exportType": "analytics"})
    with scheduled.without("events"):
        for hours in (2, 1):
            run = run_at(scheduled, table, bea, schedule_id, datetime.now(UTC) - timedelta(hours=hours))
            assert run["outcome"] == "Failed"
    shown = bea.call("GET", f"/schedules/{schedule_id}").json()
    assert (shown["state"], shown["stopReason"]) == ("stopped", "2 runs failed in a row")
    assert (shown["nextRuns"], shown["failuresInARow"]) == ([], 2)
    for _ in range(3):
        scheduled.run("scheduler")

    def told() -> list[dict[str, Any]]:
        mails: list[dict[str, Any]] = bea.call("GET", "/dev/outbox").json()["items"]
        return [mail for mail in mails if "Doomed" in mail["subject"]]

    until(told)
    assert [mail["to"] for mail in told()] == ["bea@globex.example"]
    resumed = bea.call("PATCH", f"/schedules/{schedule_id}", json={"paused": False}).json()
    assert (resumed["state"], resumed["stopReason"], resumed["failuresInARow"]) == ("active", None, 0)
    bea.call("DELETE", f"/schedules/{schedule_id}")


def test_a_schedule_whose_files_nobody_fetches_is_stopped(scheduled: Fragile, table: Schedules) -> None:
    """After one file here; a file that was fetched keeps it going."""
    bea = scheduled.client("bea")
    body = {"exportType": "users", "columns": ["name"]}
    schedule_id = create(bea, cron="0 0 1 1 *", request=body, stopAfterUnread=1)
    first = run_at(scheduled, table, bea, schedule_id, datetime.now(UTC) - timedelta(hours=2))
    bea.call("GET", f"/exports/{first['exportId']}/download")
    run_at(scheduled, table, bea, schedule_id, datetime.now(UTC) - timedelta(hours=1))
    make_due(table, schedule_id, datetime.now(UTC))
    scheduled.run("scheduler")
    until(lambda: bea.call("GET", f"/schedules/{schedule_id}").json()["state"] == "stopped")
    shown = bea.call("GET", f"/schedules/{schedule_id}").json()
    assert (shown["stopReason"], len(runs(bea, schedule_id))) == ("nobody has fetched its last 1 file", 2)
    bea.call("PATCH", f"/schedules/{schedule_id}", json={"paused": False})
    assert run_at(scheduled, table, bea, schedule_id, datetime.now(UTC))["outcome"] == "Completed"
    bea.call("DELETE", f"/schedules/{schedule_id}")


def test_what_the_owner_may_is_asked_at_every_run(scheduled: Fragile, table: Schedules) -> None:
    """A schedule whose owner may not export its type any more is stopped, and makes nothing."""
    bea = scheduled.client("bea")
    schedule_id = create(bea, cron="0 0 1 1 *", request={"exportType": "users"})
    schedule = table.get("globex", schedule_id)
    assert isinstance(schedule, Schedule)
    table.change(schedule, "test-owner", created_by="gus")  # a Manager, to whom users are closed
    run = run_at(scheduled, table, bea, schedule_id, datetime.now(UTC))
    assert (run["outcome"], "export type 'users' is open to" in run["note"]) == ("Refused", True)
    shown = bea.call("GET", f"/schedules/{schedule_id}").json()
    assert (shown["state"], shown["stopReason"]) == ("stopped", run["note"])
    assert bea.call("GET", f"/exports/{run['exportId']}").status_code == 404
    bea.call("DELETE", f"/schedules/{schedule_id}")


def test_others_schedules_are_not_there(scheduled: Fragile) -> None:
    """A foreign id and a missing one answer alike; an Admin of the tenant and a SuperAdmin see it."""
    schedule_id = create(scheduled.client("gus"))
    missing = scheduled.client("max").call("GET", "/schedules/0123456789abcdef")
    for user, method, path in (
        ("max", "GET", ""),
        ("ada", "PATCH", ""),
        ("ada", "DELETE", ""),
        ("max", "GET", "/runs"),
    ):
        answer = scheduled.client(user).call(method, f"/schedules/{schedule_id}{path}", json={})
        assert_problem(answer, "not-found")
        assert answer.content == missing.content
    for user in ("gus", "bea", "sam"):
        assert scheduled.client(user).call("GET", f"/schedules/{schedule_id}").json()["createdBy"] == "gus"
    assert scheduled.client("vic").call("GET", "/schedules").status_code == 403
    assert scheduled.client("sam").call("DELETE", f"/schedules/{schedule_id}").status_code == 204
