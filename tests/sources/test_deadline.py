"""What somebody waits for is over in time, and the database is left in peace then."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from shared.catalog.columns import Column
from shared.errors import QueryFailed, SourceUnavailable, TookTooLong
from shared.requests.query import Condition, Query
from shared.sources.deadline import Deadline
from tests.databases import Database

_ID = Column("id", "Id", "integer")
_PLENTY = 60.0
_ENDLESS = {
    "sqlite": "(with recursive s(id) as (select 1 union all select id + 1 from s) select id from s) as endless",
    "postgresql": "(select a as id from generate_series(1, 1000000) as a, generate_series(1, 1000000)) as endless",
}


def _filled(database: Database) -> Query:
    database.execute("create table numbers (id bigint primary key)")
    database.insert("numbers", ["bigint"], [[str(n)] for n in range(1, 31)])
    return Query("numbers", (_ID,), (_ID,))


def _endless(database: Database) -> Query:
    """More rows than anybody counts."""
    return Query(_ENDLESS[database.dialect], (_ID,), (_ID,))


def _works(database: Database) -> list[str]:
    """What the database still does for this process."""
    if database.dialect == "postgresql":
        with database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("select query from pg_stat_activity where state = 'active' and query like '%endless%'")
            return [query for (query,) in cursor.fetchall() if "pg_stat_activity" not in query]
    return [child for child, state in _states().items() if state == "R" and _is_ours(child)]


def _states() -> dict[str, str]:
    """The processes that this one started, and what they are at (Linux: proc(5))."""
    children = [child for path in Path("/proc/self/task").glob("*/children") for child in path.read_text().split()]
    return {child: Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] for child in children}


def _is_ours(child: str) -> bool:
    return "shared.sources.child" in Path(f"/proc/{child}/cmdline").read_text()


def test_a_count_in_time_is_the_count(database: Database) -> None:
    """The deadline changes nothing about what is answered, nor which errors there are."""
    query = _filled(database)
    assert database.source.count(query, deadline=Deadline.after(_PLENTY)) == 30
    some = Query("numbers", (_ID,), (_ID,), (Condition("id", "integer", ">", (20,)),))
    assert database.source.count(some, deadline=Deadline.after(_PLENTY)) == 10
    with pytest.raises(QueryFailed, match="does not have what the export type names"):
        database.source.count(Query("missing", (_ID,), (_ID,)), deadline=Deadline.after(_PLENTY))


def test_a_sample_is_the_first_rows(database: Database) -> None:
    """As many as are wanted; None when there is none."""
    query = _filled(database)
    found = database.source.sample(query, 30, 3, deadline=Deadline.after(_PLENTY))
    assert found is not None
    assert found.column(0).to_pylist() == [1, 2, 3]
    none = Query("numbers", (_ID,), (_ID,), (Condition("id", "integer", ">", (30,)),))
    assert database.source.sample(none, 0, 3, deadline=Deadline.after(_PLENTY)) is None


def test_what_takes_too_long_is_ended(database: Database) -> None:
    """At the deadline there is an error that says so, and soon nothing runs in the database."""
    with pytest.raises(TookTooLong, match=r"not counted the rows within 0\.5 seconds"):
        database.source.count(_endless(database), deadline=Deadline.after(0.5))
    while _works(database):  # until the server has seen the cancellation; a hang is the test's time-out
        time.sleep(0.05)
    with pytest.raises(TookTooLong):
        database.source.sample(_endless(database), 10**9, 3, deadline=Deadline.after(0.5))
    while _works(database):
        time.sleep(0.05)
    query = _filled(database)
    assert database.source.count(query, deadline=Deadline.after(_PLENTY)) == 30


def test_a_deadline_that_has_passed_asks_nothing(database: Database) -> None:
    """The time may have gone in a queue, or in the question before."""
    with pytest.raises(TookTooLong):
        database.source.count(_endless(database), deadline=Deadline.after(0))


def test_a_child_that_is_killed_is_replaced(tmp_path: Path) -> None:
    """By the system for its memory, for example."""
    database = Database("sqlite", f"sqlite:///{tmp_path}/one.db")
    query = _filled(database)
    assert database.source.count(query, deadline=Deadline.after(_PLENTY)) == 30
    killed = [child for child in _states() if _is_ours(child)]
    assert killed
    for child in killed:
        os.kill(int(child), signal.SIGKILL)
        os.waitid(os.P_PID, int(child), os.WEXITED | os.WNOWAIT)
    assert database.source.count(query, deadline=Deadline.after(_PLENTY)) == 30


def test_a_child_that_is_killed_at_work_is_told(tmp_path: Path) -> None:
    """The question fails as one that may be asked again."""
    database = Database("sqlite", f"sqlite:///{tmp_path}/one.db")
    _filled(database)

    def kill() -> None:
        while not (working := _works(database)):
            time.sleep(0.01)
        os.kill(int(working[0]), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(SourceUnavailable, match="has ended"):
        database.source.count(_endless(database), deadline=Deadline.after(_PLENTY))
    killer.join()


def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    """Also where the parent is killed while the child is in the middle of a statement."""
    database = Database("sqlite", f"sqlite:///{tmp_path}/one.db")
    _filled(database)
    script = (
        "from shared.catalog.columns import Column; from shared.requests.query import Query; "
        "from shared.sources import open_source; "
        "from shared.sources.deadline import Deadline; column = Column('id', 'Id', 'integer'); "
        f"query = Query({_ENDLESS['sqlite']!r}, (column,), (column,)); "
        f"open_source({database.url!r}).count(query, deadline=Deadline.after({_PLENTY}))"
    )
    with subprocess.Popen([sys.executable, "-c", script]) as parent:
        children: list[str] = []
        while not [child for child in children if _is_ours(child)]:
            paths = Path(f"/proc/{parent.pid}/task").glob("*/children")
            children = [child for path in paths for child in path.read_text().split()]
        parent.kill()
    (child,) = children
    with suppress(FileNotFoundError, ProcessLookupError):
        while " Z " not in Path(f"/proc/{child}/stat").read_text():
            time.sleep(0.02)
    assert child not in _states()
