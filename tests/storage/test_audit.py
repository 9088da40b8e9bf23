"""The audit log's table: entries come back newest first, by filter, and go by age alone."""

import ast
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.data.tables import UpdateMode

from shared.audit.log import AuditEntry, AuditLog, AuditQuery
from shared.settings import Settings
from shared.storage.accounts import table_service
from shared.storage.names import AUDIT_TABLE
from shared.timestamps import iso
from triggers.http.audit import line
from triggers.http.endpoint import json_response

ROOT = Path(__file__).resolve().parents[2]
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def log(storage_settings: Settings) -> AuditLog:
    """The table, with ten entries of acme a minute apart, and one of globex."""
    made = AuditLog(table_service(storage_settings, "activity"))
    made.prepare()
    for minute in range(10):
        action = "downloaded" if minute % 2 else "seen"
        made.add(entry("acme", minute, action, user=f"u-{minute % 3}", export_id=f"e{minute // 5}"))
    made.add(entry("globex", 3, "deleted"))
    return made


def entry(tenant: str, minute: int, action: str, user: str = "o'hara", export_id: str = "") -> AuditEntry:
    """An entry of so many minutes after the start."""
    time = iso(START + timedelta(minutes=minute))
    return AuditEntry(tenant, time, action, 200, user, "Name", "192.0.2.1", "agent", "r", export_id)


def minutes(entries: list[AuditEntry]) -> list[int]:
    """When they were, in minutes after the start."""
    return [int((datetime.fromisoformat(e.time) - START).total_seconds() / 60) for e in entries]


def test_pages_follow_each_other(log: AuditLog) -> None:
    """Newest first, none twice and none left out, and nothing of another tenant."""
    first, cursor = log.page("acme", AuditQuery(), 4, "")
    second, cursor = log.page("acme", AuditQuery(), 4, cursor)
    third, end = log.page("acme", AuditQuery(), 4, cursor)
    assert [minutes(page) for page in (first, second, third)] == [[9, 8, 7, 6], [5, 4, 3, 2], [1, 0]]
    assert end == ""
    assert log.page("globex", AuditQuery(), 4, "")[0] == [entry("globex", 3, "deleted")]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (AuditQuery(action="downloaded"), [9, 7, 5, 3, 1]),
        (AuditQuery(user="u-1"), [7, 4, 1]),
        (AuditQuery(user="o'hara"), []),
        (AuditQuery(export_id="e1", action="seen"), [8, 6]),
        (AuditQuery(since="2026-03-01T12:07:00Z"), [9, 8, 7]),
        (AuditQuery(before="2026-03-01T12:02:00Z"), [1, 0]),
        (AuditQuery(since="2026-03-01T14:03:00+02:00", before="2026-03-01T12:05:00.001Z"), [5, 4, 3]),
    ],
    ids=str,
)
def test_a_filter_finds_its_entries(log: AuditLog, query: AuditQuery, expected: list[int]) -> None:
    """From is included, to is not."""
    assert minutes(log.page("acme", query, 50, "")[0]) == expected
    assert minutes(list(log.entries("acme", query))) == expected


def test_retention_removes_what_is_older(storage_settings: Settings) -> None:
    """Of every tenant, to the millisecond; and nothing else."""
    log = AuditLog(table_service(storage_settings, "activity"))
    for minute in (-120, -110, -100):
        log.add(entry("old", minute, "seen"))
    log.add(entry("older", -120, "seen"))
    assert log.forget_before(START - timedelta(minutes=110)) == 2
    assert minutes(log.page("old", AuditQuery(), 50, "")[0]) == [-100, -110]
    assert log.page("older", AuditQuery(), 50, "")[0] == []


def test_a_long_text_is_cut_and_a_strange_one_is_kept(log: AuditLog) -> None:
    """Anybody can send any agent."""
    log.add(AuditEntry("strange", iso(START), "seen", 404, "u", "N", "", "x" * 70_000, "r", "é'\n", "=1+1"))
    (found,) = log.page("strange", AuditQuery(), 50, "")[0]
    assert (found.agent, found.export_id, found.subject) == ("x" * 200, "é'\n", "=1+1")
    assert found.outcome == "refused"


def test_bytes_that_are_no_text_do_not_make_the_log_unreadable(log: AuditLog, storage_settings: Settings) -> None:
    """Anybody can send them in a header. Rows of earlier releases hold them, as lone surrogates."""
    log.add(AuditEntry("bytes", iso(START), "seen", 404, "u", "N", "", "bad\udcffagent", "r\ud800", subject="\udfff"))
    (found,) = log.page("bytes", AuditQuery(), 50, "")[0]
    assert (found.agent, found.request_id, found.subject) == ("bad?agent", "r?", "?")
    table = table_service(storage_settings, "activity").get_table_client(AUDIT_TABLE)
    (row,) = table.query_entities("PartitionKey eq 'bytes'")
    table.update_entity({**row, "agent": "old\udcff"}, mode=UpdateMode.REPLACE)
    (found,) = log.entries("bytes", AuditQuery())
    assert json.loads(json_response(line(found)).get_body())["agent"] == "old?"
    assert json.loads(json_response({"agent": "any\udcff"}).get_body()) == {"agent": "any?"}


def test_nothing_but_retention_removes_an_entry_and_nothing_changes_one() -> None:
    """One module knows the table, and it writes with create_entity and deletes in forget_before alone."""
    knows = [
        path.relative_to(ROOT).as_posix()
        for folder in ("activities", "exports", "orchestrators", "shared", "triggers")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "AUDIT_TABLE" in path.read_text() or "SluiceAudit" in path.read_text()
    ]
    assert knows == ["shared/audit/log.py", "shared/storage/names.py"]
    (table,) = [
        node
        for node in ast.parse((ROOT / "shared/audit/log.py").read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == "AuditLog"
    ]
    calls = {
        (method.name, call.func.attr)
        for method in table.body
        if isinstance(method, ast.FunctionDef)
        for call in ast.walk(method)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and "entit" in call.func.attr
    }
    assert calls == {
        ("_write", "create_entity"),
        ("rows", "query_entities"),
        ("rows", "list_entities"),
        ("page", "from_entity"),
        ("entries", "query_entities"),
        ("entries", "from_entity"),
        ("forget_before", "query_entities"),
        ("forget_before", "delete_entity"),
    }
