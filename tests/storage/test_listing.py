"""A page of a listing: the same number of requests wherever it is, and never more than a few."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.data.tables import TableServiceClient

from demo.azurite_server import Azurite
from demo.stack import bare_settings
from shared.audit.log import AuditLog, AuditQuery
from shared.errors import WrongCursor
from shared.identity.caller import demo_caller
from shared.jobs.export_log import ExportLog
from shared.jobs.records import ExportRecord, ExportRecords, Listing, new_export_id
from shared.notifications.inbox import Notifications
from shared.schedules.store import Schedules
from shared.settings import Settings, settings_from
from shared.storage.accounts import table_service
from shared.timestamps import iso
from shared.webhooks.deliveries import Deliveries
from tests.service import fault_proxy

START = datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC)
COUNT = 40


@pytest.fixture(scope="module")
def proxy(azurite: Azurite) -> Iterator[fault_proxy.FaultProxy]:
    """What writes down every request to the storage."""
    with fault_proxy.running(azurite) as running:
        yield running


@pytest.fixture(scope="module")
def records(azurite: Azurite, proxy: fault_proxy.FaultProxy) -> ExportRecords:
    """The table behind the proxy, with an export a second; every tenth failed, and ada asked for one of them."""
    storage = replace(azurite, blob_port=proxy.blob_port, table_port=proxy.table_port).connection_string
    made = ExportRecords(table_service(settings(storage), "activity"))
    made.prepare()
    for n in range(COUNT):
        made.create(record(n))
    return made


def settings(storage: str) -> Settings:
    """Settings with this storage."""
    return settings_from(bare_settings(storage))


def at(n: float) -> datetime:
    """So many seconds after the start."""
    return START + timedelta(seconds=n)


def record(n: int) -> ExportRecord:
    """The n-th export."""
    return ExportRecord(
        tenant="acme",
        id=new_export_id(at(n)),
        export_type="sessions",
        format="csv",
        status="Failed" if n % 10 == 0 else "Completed",
        created_by="ada" if n == 0 else "max",
        created_at=iso(at(n)),
        request={"body": "{}"},
        caller={"user": "ada"},
    )


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        (Listing(), range(COUNT)),
        (Listing("status eq 'Failed'"), range(0, COUNT, 10)),
        (Listing("created_by eq 'ada'"), [0]),
        (Listing(since=at(35)), range(35, COUNT)),
        (Listing(until=at(5)), range(5)),
        (Listing(since=at(10), until=at(20)), range(10, 20)),
        (Listing("status eq 'Failed'", at(5), at(25)), [10, 20]),
        (Listing(since=at(10.001), until=at(12)), [11]),
        (Listing(since=at(20), until=at(10)), []),
        (Listing(since=datetime.min.replace(tzinfo=UTC), until=datetime.max.replace(tzinfo=UTC)), range(COUNT)),
    ],
    ids=["all", "rare", "rarest", "since", "until", "between", "rare between", "milliseconds", "never", "ever"],
)
@pytest.mark.parametrize("limit", [1, 3, 50])
def test_every_page_is_one_request(
    records: ExportRecords, proxy: fault_proxy.FaultProxy, listing: Listing, expected: list[int], limit: int
) -> None:
    """At the start and at the end, with any filter and any bounds; every export once, newest first."""
    seen: list[str] = []
    cursor = ""
    while True:
        before = len(proxy.requests)
        page, cursor = records.page("acme", listing, limit, cursor)
        assert len(proxy.requests) - before == 1
        seen += [found.created_at for found in page]
        if not cursor:
            break
        assert len(page) == limit
    assert seen == [iso(at(n)) for n in reversed(expected)]


def test_bounds_are_a_range_of_keys(records: ExportRecords, proxy: fault_proxy.FaultProxy) -> None:
    """The service needs not look at a row outside of them."""
    records.page("acme", Listing(since=at(10), until=at(20)), 5, "")
    (asked,) = parse_qs(urlsplit(proxy.requests[-1][1]).query)["$filter"]
    first, last = new_export_id(at(20))[:10], new_export_id(at(10) - timedelta(milliseconds=1))[:10]
    assert f"RowKey ge '{first}'" in asked
    assert f"RowKey lt '{last}'" in asked


def test_ids_and_times_agree_to_the_millisecond() -> None:
    """Whatever a float would make of it."""
    for microsecond in range(0, 1_000_000, 1_000):
        moment = START.replace(microsecond=microsecond)
        earlier, later = moment - timedelta(milliseconds=1), moment + timedelta(milliseconds=1)
        assert new_export_id(later)[:10] < new_export_id(moment)[:10] < new_export_id(earlier)[:10]
        assert new_export_id(moment)[:10] == new_export_id(moment + timedelta(microseconds=999))[:10]


@dataclass
class Barren:
    """A table service that finds nothing for a long time, as one does that looks at very many rows.

    It answers with no row and a place to go on (Table service REST API, "Query timeout and pagination").
    """

    port: int = 0
    asked_from: list[str] = field(default_factory=list)


@contextmanager
def barren() -> Iterator[Barren]:
    """The service; it refuses a place that it never gave."""
    service = Barren()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            place = query.get("NextRowKey", ["0"])[0]
            service.asked_from.append(place)
            status, body = (
                (200, {"value": []}) if place.isdecimal() else (400, {"odata.error": {"code": "InvalidInput"}})
            )
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            if status == 200:
                self.send_header("x-ms-continuation-NextPartitionKey", "1!8!YWNtZQ--")
                self.send_header("x-ms-continuation-NextRowKey", str(int(place) + 1))
            data = json.dumps(body).encode()
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


Page = Callable[[TableServiceClient, str], tuple[Sequence[object], str]]

LISTINGS: dict[str, Page] = {
    "exports": lambda tables, cursor: ExportRecords(tables).page("acme", Listing("status eq 'Failed'"), 10, cursor),
    "log": lambda tables, cursor: ExportLog(tables).page("1", 10, cursor),
    "audit": lambda tables, cursor: AuditLog(tables).page("acme", AuditQuery(user="ada"), 10, cursor),
    "notifications": lambda tables, cursor: Notifications(tables).page(demo_caller("ada"), 10, cursor, unread=True),
    "deliveries": lambda tables, cursor: Deliveries(tables).page("1", 10, cursor),
    "schedules": lambda tables, cursor: Schedules(tables).page("acme", "ada", 10, cursor),
    "runs": lambda tables, cursor: Schedules(tables).runs("1", 10, cursor),
}


@pytest.mark.parametrize("name", LISTINGS)
def test_a_page_ends_although_nothing_was_found_yet(azurite: Azurite, name: str) -> None:
    """After three requests, with a cursor from which the next page goes on; a forged one is refused."""
    with barren() as service:
        storage = replace(azurite, table_port=service.port).connection_string
        tables = table_service(settings(storage), "activity")
        page, cursor = LISTINGS[name](tables, "")
        assert (page, service.asked_from) == ([], ["0", "1", "2"])
        assert cursor.replace("-", "").isalnum()
        page, _ = LISTINGS[name](tables, cursor)
        assert (page, service.asked_from) == ([], ["0", "1", "2", "3", "4", "5"])
        for forged in ("at-", "at-1", "at-mfrgg", "at-lmysyityejoq", "at-lmrgcirmej4cexi"):
            with pytest.raises(WrongCursor):
                LISTINGS[name](tables, forged)
