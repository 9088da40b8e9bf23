"""How large an export would be: known before it is started, and refused at once when it would be too large."""

import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

import pytest

from demo import processes, stack
from demo.azurite_server import Azurite
from demo.client import Client
from tests.conftest import NewAccount
from tests.service.conftest import Fragile, on_its_own
from tests.service.mortal import Mortal
from tests.service.problems import assert_problem


@pytest.fixture(scope="module")
def large(azurite: Azurite, database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fragile]:
    """A service whose database has 60,000 sessions of acme: more than a PDF takes."""
    home = tmp_path_factory.mktemp("large")
    own = Path(shutil.copy(database, home / "own.db"))
    connection = sqlite3.connect(own)
    names = [row[1] for row in connection.execute("pragma table_info(sessions)")]
    for copy in (1, 2):
        chosen = ", ".join({"id": f"id + {copy}0000000", "token": "hex(randomblob(16))"}.get(n, n) for n in names)
        connection.execute(
            f"insert into sessions ({', '.join(names)}) select {chosen} from sessions "
            "where organisation_id = 'acme' and id < 10000000"
        )
    connection.commit()
    connection.close()
    port = processes.free_port()
    settings = stack.app_settings(home, port, azurite.connection_string, f"sqlite:///{own}")
    with stack.host(home, port, {**settings, "PART_ROWS": "7000", "FUNCTIONS_WORKER_PROCESS_COUNT": "1"}):
        yield Fragile(f"http://127.0.0.1:{port}", own, azurite.connection_string)


ENDLESS = "(with recursive n(i) as (select 1 union all select i + 1 from n) select i from n)"
"""Rows that nobody can count."""


@contextmanager
def endless(home: Path, database: Path, account: Azurite, **pace: str) -> Iterator[tuple[Mortal, Fragile]]:
    """A service whose users nobody can count."""
    host, service = on_its_own(home, database, account, {"FUNCTIONS_WORKER_PROCESS_COUNT": "1", **pace})
    with closing(sqlite3.connect(service.database)) as connection, connection:
        connection.execute("alter table users rename to real_users")
        connection.execute(f"create view users as select real_users.* from real_users, {ENDLESS}")
    with host.running():
        yield host, service


def ids(client: Client) -> list[str]:
    """Every export in the list."""
    return [item["id"] for item in client.call("GET", "/exports?limit=200").json()["items"]]


@pytest.mark.parametrize("file_format", ["csv", "ndjson", "xlsx", "parquet"])
def test_an_estimate_is_near_the_truth(large: Fragile, file_format: str) -> None:
    """Rows and parts exactly, bytes within a third; and nothing is started."""
    client = large.client("ada")
    body = {"exportType": "sessions", "format": file_format}
    before = ids(client)
    answer = client.call("POST", "/exports/estimate", json=body)
    assert answer.status_code == 200
    assert ids(client) == before
    status = client.wait(client.start(**body))
    estimate = answer.json()
    assert (estimate["rows"], estimate["parts"]) == (60_000, 9) == (status["file"]["rows"], status["progress"]["parts"])
    assert 0.67 < estimate["bytes"] / status["file"]["bytes"] < 1.5


def test_an_estimate_of_nothing_and_of_a_function(large: Fragile) -> None:
    """No row is no byte; what only the export itself can tell is null."""
    client = large.client("ada")
    none = client.call("POST", "/exports/estimate", json={"exportType": "sessions", "filters": {"userId": "nobody"}})
    assert none.json() == {"rows": 0, "parts": 0, "bytes": 0}
    function = client.call("POST", "/exports/estimate", json={"exportType": "exemptions"})
    assert function.json() == {"rows": None, "parts": 1, "bytes": None}


@pytest.mark.parametrize("path", ["/exports", "/exports/estimate"])
def test_more_rows_than_the_format_takes_are_refused_at_once(large: Fragile, path: str) -> None:
    """With the figure and what to do; nothing is made, and a narrower request is taken."""
    client = large.client("ada")
    before = ids(client)
    answer = client.call("POST", path, json={"exportType": "sessions", "format": "pdf"})
    detail = "60,000 rows match; the limit for pdf is 50,000; narrow the date range or choose csv or xlsx or ndjson"
    assert_problem(answer, "limit-reached", detail=detail)
    assert ids(client) == before
    narrow = {"exportType": "sessions", "format": "pdf", "filters": {"userId": "u-1"}}
    assert client.call("POST", path, json=narrow).status_code in (200, 202)


def test_an_estimate_is_checked_like_an_export(large: Fragile) -> None:
    """Wrong fields are named, and a Viewer is refused."""
    answer = large.client("ada").call("POST", "/exports/estimate", json={"exportType": "sesions"})
    assert_problem(answer, "validation-failed", exportType="did you mean 'sessions'?")
    answer = large.client("vic").call("POST", "/exports/estimate", json={"exportType": "sessions"})
    assert_problem(answer, "not-allowed")


def test_without_the_database_there_is_no_estimate_but_an_export(large: Fragile) -> None:
    """503 for the estimate; an export waits for the database, whose rows are counted by its plan."""
    client = large.client("bea")
    large.take_database_away()
    try:
        answer = client.call("POST", "/exports/estimate", json={"exportType": "sessions", "format": "pdf"})
        assert_problem(answer, "source-unavailable")
        export_id = client.start(exportType="sessions", format="pdf")
    finally:
        large.bring_database_back()
    assert client.wait(export_id)["status"] == "Completed"


def test_a_count_is_given_up_in_time(new_account: NewAccount, database: Path, tmp_path: Path) -> None:
    """With the time that it had, and what to do."""
    with endless(tmp_path, database, new_account(), ESTIMATE_SECONDS="1") as (_, service):
        answer = service.client("ada").call("POST", "/exports/estimate", json={"exportType": "users"})
        assert_problem(answer, "counting-took-too-long", detail="has not counted the rows within 1 seconds")


def test_estimates_that_take_long_hold_up_nobody_else(new_account: NewAccount, database: Path, tmp_path: Path) -> None:
    """A user has three at a time, which go on here until the host is killed; others have their answers meanwhile."""
    pace = {"ESTIMATE_SECONDS": "200", "MAX_ESTIMATES_PER_USER": "3"}
    with endless(tmp_path, database, new_account(), **pace) as (host, service), ThreadPoolExecutor(12) as callers:
        ada, bea = service.client("ada"), service.client("bea")
        asked = [callers.submit(ada.call, "POST", "/exports/estimate", json={"exportType": "users"}) for _ in range(12)]
        refused = [future.result() for future in islice(as_completed(asked), 9)]
        assert bea.call("GET", "/exports").status_code == 200
        assert [future for future in asked if future.done() and future.result() not in refused] == []
        host.kill()
    for answer in refused:
        assert_problem(answer, "too-many-requests", detail="you have 3 estimates running or waiting here")
        assert answer.headers["Retry-After"] == "5"
