"""What is in the file is what is in the database."""

import csv
import gzip
import hashlib
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb
import pytest
import requests

from demo.client import Client
from shared.formats import FORMATS
from tests.formats.naughty import NAUGHTY
from tests.formats.readers import READERS, pdf_text, unescaped, unzip
from tests.service.conftest import People
from tests.service.database import as_cells, select

Export = Callable[..., dict[str, Any]]

SESSION_TYPES = ["id", "uuid", "text", "text", "text", "money", "float", "boolean", "date", "moment", "text", "text"]
SESSION_COLUMNS = "id, token, email, user_name, country, amount, score, mobile, billed_on, started_at, notes, status"
HEADCOUNT = (
    "select company_id, operational_scope_id, count(*) from employees"
    " where organisation_id = 'acme' and company_id in ('123', '124', '125') {} group by 1, 2 order by 1, 2"
)
EXEMPTIONS = (
    "select id, company_id, operational_scope_id, employee_id, kind, reason, starts_on, ends_on,"
    " case approved when 1 then 'yes' else 'no' end from exemptions"
)


def read(client: Client, status: dict[str, Any], folder: Path) -> bytes:
    """The bytes of the finished export, downloaded and checked against what its status says of them."""
    assert (status["status"], status.get("error")) == ("Completed", None)
    path = folder / "file"
    sha256 = client.download(status["id"], path)
    data = path.read_bytes()
    assert (status["file"]["sha256"], status["file"]["bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))
    assert sha256 == status["file"]["sha256"]
    return data


def cells(data: bytes) -> tuple[list[str], list[list[str]]]:
    """The header and the rows, read with Python's csv."""
    header, *rows = csv.reader(io.StringIO(data.decode(), newline=""), strict=True)
    return header, rows


@pytest.mark.parametrize(
    ("export_type", "statement", "types", "header"),
    [
        (
            "sessions",
            f"select {SESSION_COLUMNS} from sessions where organisation_id = 'acme' order by id",
            SESSION_TYPES,
            "Session,Token,E-mail,Name,Country,Amount,Score,Mobile,Billed on,Started at,Notes,Status",
        ),
        (
            "users",
            (
                "select id, email, name, role, language, country, active, created_at, last_seen_at from users"
                " where organisation_id = 'acme' order by id"
            ),
            ["text", "text", "text", "text", "text", "text", "boolean", "moment", "moment"],
            "User,E-mail,Name,Role,Language,Country,Active,Created at,Last seen at",
        ),
        (
            "analytics",
            (
                "select date(occurred_at), kind, count(*), count(distinct user_id), avg(duration_ms), sum(duration_ms)"
                " from events where organisation_id = 'acme' group by 1, 2 order by 1, 2"
            ),
            ["date", "text", "id", "id", "float", "id"],
            "Day,Kind,Events,Users,Average duration (ms),Total duration (ms)",
        ),
        (
            "employees",
            (
                "select id, number, name, email, company_id, operational_scope_id, job_title, salary, hired_on, left_on"
                " from employees where organisation_id = 'acme' order by id"
            ),
            ["id", "text", "text", "text", "text", "text", "text", "money", "date", "date"],
            "Id,Number,Name,E-mail,Company,Scope,Job title,Salary,Hired on,Left on",
        ),
        (
            "exemptions",
            f"{EXEMPTIONS} where organisation_id = 'acme' and company_id in ('123', '124', '125') order by id",
            ["id", "text", "text", "id", "text", "text", "date", "date", "text"],
            "Id,Company,Scope,Employee,Kind,Reason,Starts on,Ends on,Approved",
        ),
        ("payroll-headcount", HEADCOUNT.format(""), ["text", "text", "id"], "Company,Scope,People"),
        ("roster-headcount", HEADCOUNT.format("and left_on is null"), ["text", "text", "id"], "Company,Scope,People"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.replace("-", "").isalpha() else "",
)
def test_every_export_type_holds_the_database_row_for_row(
    export: Export,
    people: People,
    database: Path,
    tmp_path: Path,
    export_type: str,
    statement: str,
    types: list[str],
    header: str,
) -> None:
    """Each row of the tenant once, in key order, each cell as the documentation says."""
    status = export(exportType=export_type)
    found_header, found = cells(read(people.ada, status, tmp_path))
    wanted = list(as_cells(select(database, statement), types))
    assert found_header == header.split(",")
    assert found == wanted
    assert (status["file"]["rows"], status["progress"]["totalRows"]) == (len(wanted), len(wanted))
    assert len(wanted) > 5


def test_duckdb_reads_the_same_rows_as_the_database_holds(
    export: Export, people: People, database: Path, tmp_path: Path
) -> None:
    """Types and all: decimals, dates, time stamps with their zone, and the difference between null and empty text."""
    status = export(exportType="sessions", formatOptions={"formulaGuard": False, "header": "names"})
    read(people.ada, status, tmp_path)
    columns = (
        "{'id': 'bigint', 'token': 'uuid', 'email': 'varchar', 'userName': 'varchar', 'country': 'varchar',"
        " 'amount': 'decimal(12,2)', 'score': 'double', 'mobile': 'boolean', 'billedOn': 'date',"
        " 'startedAt': 'timestamptz', 'notes': 'varchar', 'status': 'varchar'}"
    )
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        found = connection.execute(
            "select id, token::varchar, email, userName, country, amount::double, score, mobile::int,"
            " billedOn::varchar, epoch_us(startedAt), notes, status"
            f" from read_csv('{tmp_path / 'file'}', header = true, columns = {columns},"
            " quote = '\"', escape = '\"', allow_quoted_nulls = false, nullstr = '')"
        ).fetchall()
    wanted = select(
        database,
        "select id, token, email, user_name, country, round(amount, 2), score, mobile, billed_on,"
        " unixepoch(substr(started_at, 1, 19)) * 1000000 + substr(substr(started_at, 21) || '000000', 1, 6),"
        " notes, status from sessions where organisation_id = 'acme' order by id",
    )
    assert len(found) == 20_000
    assert found == wanted


def test_an_export_without_rows_is_a_file_with_a_header(export: Export, people: People, tmp_path: Path) -> None:
    """It completes; nobody has to tell an empty result from a failure."""
    status = export(exportType="sessions", filters={"userId": "nobody"})
    header, rows = cells(read(people.ada, status, tmp_path))
    assert (len(header), rows) == (12, [])
    assert (status["file"]["rows"], status["progress"]["percent"]) == (0, 100.0)


def test_chosen_columns_come_in_the_chosen_order(
    export: Export, people: People, database: Path, tmp_path: Path
) -> None:
    """Only those, also when the key is not among them."""
    status = export(exportType="sessions", columns=["status", "amount", "email"])
    header, rows = cells(read(people.ada, status, tmp_path))
    assert header == ["Status", "Amount", "E-mail"]
    statement = "select status, amount, email from sessions where organisation_id = 'acme' order by id"
    assert rows == list(as_cells(select(database, statement), ["text", "money", "text"]))


@pytest.mark.parametrize(
    ("export_type", "filters", "where"),
    [
        ("sessions", {"status": ["active", "expired"]}, "status in ('active', 'expired')"),
        ("sessions", {"status": "revoked", "mobile": False}, "status = 'revoked' and mobile = 0"),
        ("sessions", {"minAmount": "1999000.50"}, "amount >= 1999000.50"),
        ("sessions", {"minAmount": 1990000}, "amount >= 1990000"),
        ("sessions", {"notes": "CUSTOMER asked"}, "notes like '%customer asked%'"),
        ("sessions", {"notes": "ç"}, "instr(notes, 'ç')"),
        ("sessions", {"notes": "%"}, "instr(notes, '%')"),
        ("sessions", {"userId": "u-1' or '1'='1"}, "false"),
        ("sessions", {"country": ["FR", "') or true --"]}, "country = 'FR'"),
        ("users", {"email": "user1", "role": ["Admin"]}, "email like '%user1%' and role = 'Admin'"),
        ("users", {"active": False}, "active = 0"),
        ("employees", {"hiredBefore": "2019-01-01"}, "hired_on < '2019-01-01'"),
        ("exemptions", {"kind": "overtime"}, "kind = 'overtime'"),
        (
            "exemptions",
            {"kind": ["medical", "training"], "approved": True},
            "kind in ('medical', 'training') and approved",
        ),
    ],
)
def test_filters_select_rows(
    export: Export,
    people: People,
    database: Path,
    tmp_path: Path,
    export_type: str,
    filters: dict[str, Any],
    where: str,
) -> None:
    """Those that match and no others; whatever a value holds, it is a value and never a piece of the statement."""
    _, rows = cells(read(people.ada, export(exportType=export_type, filters=filters), tmp_path))
    tenant = "company_id in ('123', '124', '125')" if export_type == "exemptions" else "organisation_id = 'acme'"
    found = select(database, f"select id from {export_type} where {tenant} and ({where}) order by id")
    assert [row[0] for row in rows] == [str(id_) for (id_,) in found]
    assert bool(found) == (where not in ("false", "instr(notes, '%')"))


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (
            {"dateRange": {"from": "2024-03-31", "to": "2024-03-31"}, "timeZone": "Europe/Paris"},
            "started_at >= '2024-03-30 23:00:00' and started_at < '2024-03-31 22:00:00'",
        ),
        (
            {"dateRange": {"from": "2025-01-01", "to": "2025-01-31"}},
            "started_at >= '2025-01-01 00:00:00' and started_at < '2025-02-01 00:00:00'",
        ),
        ({"dateRange": {"to": "2024-01-10"}, "timeZone": "Asia/Tokyo"}, "started_at < '2024-01-10 15:00:00'"),
        ({"dateRange": {"from": "2026-12-01"}}, "started_at >= '2026-12-01 00:00:00'"),
    ],
)
def test_a_date_range_is_whole_days_of_the_time_zone(
    export: Export, people: People, database: Path, tmp_path: Path, body: dict[str, Any], where: str
) -> None:
    """Both ends included; a day in Paris on which the clocks change has 23 hours."""
    _, rows = cells(read(people.ada, export(exportType="sessions", columns=["id"], **body), tmp_path))
    statement = f"select id from sessions where organisation_id = 'acme' and {where} order by id"
    found = select(database, statement)
    assert [row[0] for row in rows] == [str(id_) for (id_,) in found]
    assert found


def test_time_stamps_are_written_in_the_time_zone_asked_for(export: Export, people: People, tmp_path: Path) -> None:
    """With their offset, so that nothing is lost."""
    body = {"columns": ["startedAt"], "dateRange": {"to": "2024-01-03"}}
    plain = cells(read(people.ada, export(exportType="sessions", **body), tmp_path))[1]
    tokyo = cells(read(people.ada, export(exportType="sessions", timeZone="Asia/Tokyo", **body), tmp_path))[1]
    assert plain[0] == ["2024-01-01 03:22:24.733055Z"]
    assert tokyo[0] == ["2024-01-01 12:22:24.733055+09:00"]


def test_a_compressed_file_holds_the_same_bytes(export: Export, people: People, tmp_path: Path) -> None:
    """gzip, made of many parts, that any tool unpacks as one file."""
    packed = export(exportType="sessions", compression="gzip")
    plain = export(exportType="sessions")
    data = read(people.ada, packed, tmp_path)
    assert gzip.decompress(data) == read(people.ada, plain, tmp_path)
    assert packed["file"]["name"].endswith(".csv.gz")
    assert packed["file"]["contentType"] == "application/gzip"
    assert len(data) < plain["file"]["bytes"] / 2


def test_a_zip_holds_one_file_with_the_same_bytes(export: Export, people: People, tmp_path: Path) -> None:
    """Named like the container, with the ending of its format."""
    packed = export(exportType="sessions", format="ndjson", compression="zip", fileName="Séances")
    plain = export(exportType="sessions", format="ndjson")
    data = read(people.ada, packed, tmp_path)
    assert unzip(data) == ("Séances.ndjson", read(people.ada, plain, tmp_path))
    assert packed["file"]["name"] == "Séances.zip"
    assert packed["file"]["contentType"] == "application/zip"


@pytest.mark.parametrize("compression", ["gzip", "zip"])
def test_the_file_of_a_function_is_compressed_too(
    export: Export, people: People, tmp_path: Path, compression: str
) -> None:
    """What is named .gz is gzip, also when the export type makes the file by itself."""
    packed = export(exportType="exemptions", compression=compression, fileName="X")
    plain = read(people.ada, export(exportType="exemptions"), tmp_path)
    data = read(people.ada, packed, tmp_path)
    assert plain == (gzip.decompress(data) if compression == "gzip" else unzip(data)[1])
    assert packed["file"]["contentType"] == f"application/{compression}"


@pytest.mark.parametrize("name", FORMATS)
def test_naughty_strings_go_from_the_database_to_every_format(
    export: Export, people: People, database: Path, tmp_path: Path, name: str
) -> None:
    """As the database holds them, but for the apostrophe of CSV; a PDF has a line for each."""
    options = {"formulaGuard": False} if name == "csv" else {}
    data = read(people.ada, export(exportType="users", format=name, formatOptions=options), tmp_path)
    statement = "select id, coalesce(name, '') from users where organisation_id = 'acme' order by id"
    held = [list(row) for row in select(database, statement)]
    assert {text for _, text in held} > set(NAUGHTY)
    if name == "pdf":
        text = "".join(pdf_text(data))
        assert all(text.count(id_) >= 1 for id_, _ in held)
        return
    _, rows = READERS[name](data)
    found = [[row[0], row[2] or ""] for row in rows]
    if name == "xlsx":
        found = [[id_, unescaped(text)] for id_, text in found]
    assert found == held


def test_naughty_strings_as_file_names(export: Export, people: People) -> None:
    """Whatever the name, the export completes, and the browser is told a name that says what it can of it."""

    def save(name: str) -> tuple[str, str, int]:
        status = export("bea", exportType="users", columns=["id"], fileName=name)
        file = requests.get(people.bea.call("GET", f"/exports/{status['id']}/download").headers["Location"], timeout=30)
        told = unquote(file.headers["Content-Disposition"].partition("filename*=UTF-8''")[2], errors="strict")
        return status["file"]["name"], told, len(file.text.splitlines())

    names = [name for name in NAUGHTY if len(name) <= 200][::8]  # the rest: tests/app/test_rules.py
    with ThreadPoolExecutor(4) as pool:
        for name, (in_status, told, lines) in zip(names, pool.map(save, names), strict=True):
            assert (in_status, lines) == (told, 21)
            assert told.endswith(".csv")
            if name.strip(" .").isalnum() and name not in ("CON", "NUL"):
                assert told == f"{name.strip(' .')}.csv"


def test_the_same_request_gives_the_same_bytes(export: Export) -> None:
    """Two exports of data that did not change have one sha256."""
    assert len({export(exportType="sessions")["file"]["sha256"] for _ in range(2)}) == 1


def test_titles_are_in_the_callers_language(people: People, export: Export, tmp_path: Path) -> None:
    """Max reads French, and a request may say otherwise; only the request decides what separates the cells, too."""
    own = cells(read(people.max, export("max", exportType="employees"), tmp_path))[0]
    german = read(people.max, export("max", exportType="employees", locale="de-AT"), tmp_path)
    assert own[:3] == ["Id", "Matricule", "Nom"]
    assert german.decode().startswith("\ufeffId;Personalnummer;Name;")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "company_id = '123' and operational_scope_id = 'north'"),
        ({"companyIds": ["123"]}, "company_id = '123' and operational_scope_id = 'north'"),
        ({"companyIds": []}, "false"),
        ({"operationalScopeIds": []}, "false"),
    ],
)
@pytest.mark.parametrize("export_type", ["employees", "exemptions"])
def test_a_manager_gets_no_more_than_their_companies_and_scopes(
    export: Export, people: People, database: Path, tmp_path: Path, export_type: str, body: dict[str, Any], where: str
) -> None:
    """Left out, it is all of theirs; an empty list is nothing, not everything."""
    _, rows = cells(read(people.max, export("max", exportType=export_type, **body), tmp_path))
    found = select(database, f"select id from {export_type} where {where} order by id")
    assert [row[0] for row in rows] == [str(id_) for (id_,) in found]


def test_an_admin_may_narrow_the_companies(export: Export, people: People, database: Path, tmp_path: Path) -> None:
    """To some of the organisation's."""
    status = export(exportType="employees", companyIds=["124"], operationalScopeIds=["south"])
    _, rows = cells(read(people.ada, status, tmp_path))
    where = "organisation_id = 'acme' and company_id = '124' and operational_scope_id = 'south'"
    found = select(database, f"select id from employees where {where} order by id")
    assert [row[0] for row in rows] == [str(id_) for (id_,) in found]


def test_tenants_never_meet(export: Export, people: People, database: Path, tmp_path: Path) -> None:
    """The tables are shared; what bea gets is globex's alone."""
    _, rows = cells(read(people.bea, export("bea", exportType="sessions", columns=["id"]), tmp_path))
    found = select(database, "select id from sessions where organisation_id = 'globex' order by id")
    assert [row[0] for row in rows] == [str(id_) for (id_,) in found]
    assert len(rows) == 100


def _saved_as(answer: requests.Response) -> Iterator[str]:
    yield answer.headers["Content-Disposition"]
    yield answer.headers["Content-Type"]


@pytest.mark.parametrize(
    ("wanted", "saved", "header"),
    [
        (
            "Sessions de janvier – été",
            "Sessions de janvier – été.csv",
            (
                "attachment; filename=\"Sessions de janvier _ _t_.csv\"; filename*=UTF-8''"
                "Sessions%20de%20janvier%20%E2%80%93%20%C3%A9t%C3%A9.csv"
            ),
        ),
        ("山田", "山田.csv", "attachment; filename=\"__.csv\"; filename*=UTF-8''%E5%B1%B1%E7%94%B0.csv"),
        (
            'a"b\r\nSet-Cookie: x=1/../..\\c',
            "a_b_Set-Cookie_ x=1_.._.._c.csv",
            (
                "attachment; filename=\"a_b_Set-Cookie_ x=1_.._.._c.csv\"; filename*=UTF-8''"
                "a_b_Set-Cookie_%20x%3D1_.._.._c.csv"
            ),
        ),
    ],
)
def test_the_file_is_saved_under_the_name_that_was_asked_for(
    export: Export, people: People, wanted: str, saved: str, header: str
) -> None:
    """In any script, and without a way to smuggle a header or a path in."""
    status = export(exportType="analytics", filters={"kind": "upload"}, fileName=wanted)
    assert status["file"]["name"] == saved
    answer = people.ada.call("GET", f"/exports/{status['id']}/download")
    file = requests.get(answer.headers["Location"], timeout=30)
    assert list(_saved_as(file)) == [header, "text/csv; charset=utf-8"]
    assert "Set-Cookie" not in file.headers
