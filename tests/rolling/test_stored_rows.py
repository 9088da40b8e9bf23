"""What this release stores, as workers of the last one read it: beside them, and after going back.

``last_release.json`` has what that release reads: of each table the columns without which it raises, and of objects in
a column all the names that it takes, for another name raises too. It reads every row of these tables.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from azure.data.tables import TableServiceClient

from demo.azurite_server import Azurite
from shared.audit.log import AuditEntry
from shared.catalog.registry import export_types
from shared.events.outbox import Entry, EventType
from shared.identity.caller import demo_caller
from shared.jobs.planning import file_spec
from shared.jobs.records import ExportRecord, new_export_id
from shared.jobs.status import Status
from shared.requests.export_request import parse_request
from shared.schedules.store import Run, Schedule
from shared.services import Services
from shared.storage import names
from shared.timestamps import iso
from shared.webhooks.deliveries import Attempt, Delivery
from shared.webhooks.endpoints import Endpoint, Secret, new_endpoint_id
from tests.in_process import services_on

LAST: Mapping[str, Any] = json.loads((Path(__file__).parent / "last_release.json").read_text())
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
CALLER = demo_caller("ada").to_json()
TENANT = uuid4().hex


def write_all(context: Services) -> None:
    """At least one row of every kind that this release writes into these tables."""
    export_id, hook = new_export_id(NOW), new_endpoint_id()
    secret = Secret(context.sealer.seal("whsec_c2VjcmV0", f"{TENANT}/{hook}"))
    endpoint = Endpoint(TENANT, hook, "https://a.example/", ("ping",), "ada", iso(NOW), (secret,), CALLER)
    assert context.endpoints.create(endpoint, 5)
    row = Schedule(TENANT, export_id, "n", "ada", iso(NOW), "0 6 * * *", "UTC", "{}", CALLER, iso(NOW))
    assert context.schedules.create(row, 5)
    context.schedules.note(Run(export_id, iso(NOW), export_id))
    context.log.add(TENANT, export_id, "requested", "Asked for.")
    context.log.keep_sentence(export_id, "the query failed", "the query failed: no column 'x'")
    record = ExportRecord(TENANT, export_id, "sessions", "csv", Status.PENDING, "ada", iso(NOW), {}, CALLER)
    assert context.records.create(record)
    context.outbox.add(Entry(TENANT, f"evt_{export_id}_1_completed", EventType.EXPORT_COMPLETED, iso(NOW)))
    context.deliveries.begin(
        Delivery(hook, "d", TENANT, "e", "ping", iso(NOW), "{}", attempts=(Attempt(1, 1, iso(NOW), 5, 200),))
    )
    context.audit.add(AuditEntry(TENANT, iso(NOW), "requested", 202, "ada", "Ada", "127.0.0.1", "a", "r"))
    context.audit.add(AuditEntry("-", iso(NOW), "sign-in", 401, "", "", "127.0.0.1", "a", "r", subject="expired"))


@pytest.fixture(scope="module")
def rows(azurite: Azurite) -> Mapping[str, list[Mapping[str, Any]]]:
    """What is in the tables then."""
    with services_on(azurite) as context:
        write_all(context)
    tables = TableServiceClient.from_connection_string(azurite.connection_string)
    return {name: list(tables.get_table_client(name).list_entities()) for name in LAST["tables"]}


def wanted(table: str, row: Mapping[str, Any]) -> list[str]:
    """The columns that the last release needs of this row."""
    kinds = LAST["tables"][table]
    found: list[str] = kinds.get("rows") or kinds["outbox" if row["RowKey"].startswith("~") else "records"]
    return found


@pytest.mark.parametrize("table", LAST["tables"])
def test_the_last_release_reads_every_row(rows: Mapping[str, list[Mapping[str, Any]]], table: str) -> None:
    """One that it cannot read breaks its listings, its timers and its retention."""
    assert rows[table]
    lacking = {row["RowKey"]: [c for c in wanted(table, row) if c not in row] for row in rows[table]}
    assert {key: columns for key, columns in lacking.items() if columns} == {}


def objects(rows: Mapping[str, list[Mapping[str, Any]]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What stands as JSON in columns, by its kind; a record of a test without a caller is none."""
    for table, column, kind in (
        ("SluiceWebhooks", "owner", "caller"),
        ("SluiceSchedules", "caller", "caller"),
        ("SluiceExports", "caller", "caller"),
        ("SluiceWebhooks", "secrets", "secret"),
        ("SluiceDeliveries", "attempts", "attempt"),
    ):
        for row in rows[table]:
            found = json.loads(row.get(column, "{}"))
            yield from ((kind, each) for each in (found if isinstance(found, list) else [found]) if each)


def test_the_last_release_knows_every_name_in_an_object(rows: Mapping[str, list[Mapping[str, Any]]]) -> None:
    """It makes its classes of them, which take no other names; callers with all of theirs."""
    found = list(objects(rows))
    assert {kind for kind, _ in found} == set(LAST["objects"])
    assert [(kind, each) for kind, each in found if not set(each) <= set(LAST["objects"][kind])] == []
    assert set(CALLER) == set(LAST["objects"]["caller"])


def test_what_is_new_has_tables_of_its_own() -> None:
    """Locks, links, people: the last release reads none of these; and no table of its has gone."""
    tables = {v for n, v in vars(names).items() if n.endswith("_TABLE")}
    assert set(LAST["all_tables"]) <= tables
    new = {names.LOCKS_TABLE, names.LINKS_TABLE, names.LINK_TOKENS_TABLE, names.PEOPLE_TABLE}
    assert new <= tables - set(LAST["all_tables"])


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, (",", "point", False)),
        ({"locale": "fr"}, (";", "comma", True)),
        ({"locale": "en"}, (",", "point", False)),
        ({"locale": "de", "formatOptions": {"bom": False}}, (";", "comma", False)),
        ({"locale": "de", "formatOptions": {"delimiter": ","}}, (",", "point", True)),
        ({"locale": "de", "formatOptions": {"decimalSeparator": "point", "delimiter": "\t"}}, ("\t", "point", True)),
        ({"formatOptions": {"decimalSeparator": "comma"}}, (";", "comma", False)),
    ],
    ids=str,
)
def test_a_plan_of_csv_has_options_that_the_last_release_reads_alike(request_: Any, expected: Any) -> None:
    """It knows no decimal separator "auto" and took it for a point, beside rows of this release with a comma."""
    (sessions,) = (t for t in export_types() if t.name == "sessions")
    request = parse_request(json.dumps({"exportType": "sessions", "format": "csv", **request_}).encode())
    options = file_spec(sessions, request, "fr", iso(NOW)).options
    assert (options["delimiter"], options["decimalSeparator"], options["bom"]) == expected
    assert {name: options[name] in known for name, known in LAST["csv"].items()} == dict.fromkeys(LAST["csv"], True)
