"""The demo's databases: the same rows on every machine, in both dialects, made once."""

import os
import signal
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from demo import databases, rows
from demo.databases import ensure_sqlite, main, start_postgresql
from demo.postgresql_server import PostgresqlServer
from demo.schema import TABLES
from exports import EXPORT_TYPES
from shared.catalog.columns import Column
from shared.catalog.export_types import SqlExport
from shared.requests.query import Condition, Query
from shared.sources import open_source

SMALL = {"acme": 2_000, "initech": 120, "globex": 10, "umbrella": 0}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five hundred times fewer sessions; the rest is small anyway."""
    monkeypatch.setattr(rows, "SESSIONS", SMALL)
    monkeypatch.setattr(rows, "CHUNK_ROWS", 213 * 4)
    monkeypatch.setattr(rows, "EVENTS", {"acme": 900, "initech": 90, "globex": 9})


def generated() -> dict[str, pa.Table]:
    pieces: dict[str, list[pa.Table]] = {}
    for name, table in rows.tables():
        pieces.setdefault(name, []).append(table)
    return {name: pa.concat_tables(tables) for name, tables in pieces.items()}


def everything(url: str) -> Iterator[pa.Table]:
    """All rows of every SQL export type for the largest tenant, read as an export would."""
    source = open_source(url)
    for export_type in EXPORT_TYPES:
        if not isinstance(export_type, SqlExport):
            continue
        columns = {c.name: c for c in export_type.columns}
        key = tuple(k if isinstance(k, Column) else columns[k] for k in export_type.key)
        tenant = Condition(export_type.tenant_sql, export_type.tenant_type, "=", ("acme",))
        query = Query(export_type.relation, export_type.columns, key, (tenant,))
        for part in source.plan(query, repeat(700)):
            with source.read(query, part) as reader:
                table = reader.read_all()
                assert part.rows == table.num_rows
                yield table


def test_tenants_are_of_very_different_size() -> None:
    """What the README promises about the demo."""
    assert rows.SESSIONS == {"acme": 1_000_000, "initech": 60_000, "globex": 5_000, "umbrella": 0}
    assert set(rows.COMPANIES["acme"]) == {"123", "124", "125"}
    assert set(rows.COMPANIES["globex"]) == {"201", "202"}
    assert rows.SCOPES["acme"] == ("north", "south")
    assert rows.SCOPES["globex"] == ("emea",)


@pytest.mark.usefixtures("small")
def test_rows_fit_the_schema_and_are_the_same_every_time() -> None:
    """Columns, order and values are fixed; every table has rows."""
    first, second = generated(), generated()

    assert [table.name for table in TABLES] == list(first)
    for table in TABLES:
        assert list(table.columns) == first[table.name].column_names
        assert first[table.name].num_rows > 0
        assert first[table.name].equals(second[table.name])
        for name, type_ in table.columns.items():
            assert "not null" not in type_ or first[table.name][name].null_count == 0


@pytest.mark.usefixtures("small")
def test_sessions_are_interleaved_and_exactly_as_many_as_stated() -> None:
    """Every tenant's rows are spread over the whole table, with gaps between the keys."""
    sessions = generated()["sessions"]
    counts = {c["values"]: c["counts"] for c in pc.value_counts(sessions["organisation_id"]).to_pylist()}

    assert {tenant: count for tenant, count in SMALL.items() if count} == counts
    assert set(sessions["organisation_id"].slice(0, 213).to_pylist()) == set(counts)
    assert sessions["id"].to_pylist() == list(range(1_003, 1_003 + 3 * 2_130, 3))
    assert len(set(sessions["token"].to_pylist())) == 2_130


@pytest.mark.usefixtures("small")
def test_values_are_awkward() -> None:
    """The demo shows what an export copes with."""
    tables = generated()
    people = "".join(tables["users"]["name"].to_pylist())
    notes = tables["sessions"]["notes"].drop_null().to_pylist()

    assert all(piece in people for piece in ("é", "太郎", "Владимир", '"', "'", "\n", ", "))
    assert {"-", "+", "=", "@", ""} <= {note[:1] for note in notes}
    assert any("\n" in note for note in notes)
    assert any(name.startswith("=") for name in tables["users"]["name"].to_pylist())
    for name in ("country", "amount", "score", "billed_on", "notes"):
        assert tables["sessions"][name].null_count > 0
    assert pc.min(tables["sessions"]["amount"]).as_py() < 0


@pytest.mark.usefixtures("small")
def test_sqlite_is_made_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second time finds it there; each time says so in one line."""
    url = ensure_sqlite(tmp_path / "a home")
    made = (tmp_path / "a home" / "demo.db").stat().st_mtime_ns
    assert url == ensure_sqlite(tmp_path / "a home")

    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("Demo database: ")
    assert " rows into " in first
    assert second.endswith(" is there already.")
    assert made == (tmp_path / "a home" / "demo.db").stat().st_mtime_ns
    assert ["demo.db"] == [path.name for path in (tmp_path / "a home").iterdir()]
    assert sum(table.num_rows for table in everything(url)) > 2_000


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("left_over", ["not a database", "another version"])
def test_a_file_that_is_not_this_demo_is_made_again(
    tmp_path: Path, left_over: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older version, or a broken file, is replaced."""
    if left_over == "not a database":
        (tmp_path / "demo.db").write_text("no database at all, but long enough to look like one" * 20)
    else:
        ensure_sqlite(tmp_path)
        monkeypatch.setattr(databases, "VERSION", databases.VERSION + 1)

    assert sum(table.num_rows for table in everything(ensure_sqlite(tmp_path))) > 2_000


@pytest.mark.usefixtures("small")
def test_a_making_that_fails_leaves_nothing_that_looks_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real name is given at the very end; what was abandoned is cleared away later."""
    whole = rows.tables

    def broken() -> Iterator[tuple[str, pa.Table]]:
        for number, piece in enumerate(whole()):
            if number == 4:
                raise KeyboardInterrupt
            yield piece

    with monkeypatch.context() as patch:
        patch.setattr(databases, "tables", broken)
        with pytest.raises(KeyboardInterrupt):
            ensure_sqlite(tmp_path)
    assert not (tmp_path / "demo.db").exists()
    (left_over,) = tmp_path.glob("*.partial")
    old = left_over.rename(tmp_path / "demo.db.1.partial")
    os.utime(old, (1, 1))

    ensure_sqlite(tmp_path)

    assert ["demo.db"] == sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.usefixtures("small")
def test_postgresql_has_the_same_rows_and_survives_being_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both databases give equal exports; after kill -9 the next start recovers, and finds the rows there."""
    server = start_postgresql(tmp_path)
    try:
        assert list(everything(ensure_sqlite(tmp_path))) == list(everything(server.url))
        pid = int((tmp_path / "postgresql" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGKILL)
    finally:
        server.stop()

    with start_postgresql(tmp_path) as again:
        assert sum(table.num_rows for table in everything(again.url)) > 2_000
    assert "already" in capsys.readouterr().out.splitlines()[-1]


def test_a_running_server_is_taken_over_and_stopped(tmp_path: Path) -> None:
    """Starting twice gives the same server; stopping twice is no error."""
    first = PostgresqlServer.start(tmp_path / "postgresql")
    second = PostgresqlServer.start(tmp_path / "postgresql")

    assert first.url == second.url
    second.stop()
    first.stop()
    assert not (tmp_path / "postgresql" / "postmaster.pid").exists()


@pytest.mark.usefixtures("small")
def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``python -m demo.databases --home ... --source ...`` makes what it says, and leaves no server behind."""
    assert main(["--home", str(tmp_path), "--source", "sqlite"]) == 0
    assert main(["--home", str(tmp_path), "--source", "postgresql"]) == 0

    assert len(capsys.readouterr().out.splitlines()) == 2
    assert not (tmp_path / "postgresql" / "postmaster.pid").exists()
