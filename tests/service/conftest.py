"""The whole service, started once: a small SQLite database, Azurite, and the app on the embedded host."""

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.data.tables import TableServiceClient

from demo import processes, stack
from demo.azurite_server import Azurite
from demo.client import Client
from demo.stack import Stack
from tests.conftest import NewAccount
from tests.service import issuer as issuers
from tests.service import leaks, otlp
from tests.service.database import make_small_database
from tests.service.issuer import AUDIENCE, Issuer
from tests.service.mortal import Mortal

GRACE_SECONDS = 3
"""How long a mail waits for a download here."""


@dataclass(frozen=True)
class People:
    """The demo users, each with a client; see ``shared/identity/demo_users.py``."""

    api: str

    def __getitem__(self, user: str) -> Client:
        return Client(self.api, user)

    @cached_property
    def sam(self) -> Client:
        """SuperAdmin."""
        return self["sam"]

    @cached_property
    def ada(self) -> Client:
        """Admin of acme, which has 20,000 sessions: 20 parts."""
        return self["ada"]

    @cached_property
    def max(self) -> Client:
        """Manager in acme: company 123, scope north."""
        return self["max"]

    @cached_property
    def vic(self) -> Client:
        """Viewer in acme."""
        return self["vic"]

    @cached_property
    def bea(self) -> Client:
        """Admin of globex, which has 100 sessions."""
        return self["bea"]


@pytest.fixture(scope="session", autouse=True)
def discreet_logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """At the end no host of these tests, also of a module's own, has told a secret or an address in its log."""
    yield
    logs = sorted(tmp_path_factory.getbasetemp().rglob("logs/host.log"))
    assert [leak for log in logs for leak in leaks.leaks(log.read_text(errors="replace"))] == []


@pytest.fixture(scope="session", autouse=True)
def telemetry() -> Iterator[otlp.Receiver]:
    """Where every host of these tests sends its telemetry; at the end none of it has told a secret or an address.

    A test that has a receiver of its own names it in the settings of its host.
    """
    host, homes = stack.host, dict[Path, str]()

    def observed(home: Path, port: int, settings: Mapping[str, str], **options: Any) -> Any:
        homes[home] = settings.get("AzureWebJobsStorage", "")
        return host(home, port, {**sent, **settings}, **options)

    with otlp.running(keeps_spans=False) as receiver, pytest.MonkeyPatch.context() as patch:
        sent = {
            "TELEMETRY_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_METRIC_EXPORT_INTERVAL": "5000",
        }
        patch.setattr(stack, "host", observed)
        yield receiver
    secrets = {secret for home, storage in homes.items() for secret in leaks.secrets_of(home, storage)}
    assert leaks.leaks(receiver.text(), secrets) == []


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small database. Copy it before you change it."""
    home = tmp_path_factory.mktemp("database")
    make_small_database(home)
    return home / "demo.db"


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory, database: Path, telemetry: otlp.Receiver) -> Iterator[Stack]:
    """A running service whose exports of acme's sessions have 20 parts."""
    home = tmp_path_factory.mktemp("service")
    (home / "demo.db").symlink_to(database)
    settings = {
        "PART_ROWS": "1000",
        "NOTIFY_GRACE_SECONDS": str(GRACE_SECONDS),
        "RETRY_FIRST_SECONDS": "0.2",
        "RETENTION_SCHEDULE": "0 0 0 1 1 *",  # when a test calls it, and on New Year's Day
        "WATCHDOG_SCHEDULE": "0 0 0 1 1 *",
        "MAX_RUNNING_PER_USER": "250",
    }
    with stack.running(home, processes.free_port(), "sqlite", settings) as running:
        yield running
        # The tests that ran may have called nothing that is traced, or have ended before it was sent.
        assert requests.get(f"{running.api}/health", timeout=30).status_code == 200
        telemetry.wait_for(lambda: bool(telemetry.bodies))
    leaks.check(home, running.storage)


@pytest.fixture(scope="session")
def people(service: Stack) -> People:
    """Everybody, signed in."""
    return People(service.api)


@pytest.fixture
def export(people: People) -> Callable[..., dict[str, Any]]:
    """Ask for an export as a user (ada) and wait for its end; gives the status resource."""

    def run(user: str = "ada", **body: Any) -> dict[str, Any]:
        client: Client = getattr(people, user)
        return client.wait(client.start(**body), seconds=60, every=0.05)

    return run


@pytest.fixture(scope="session")
def finished(people: People) -> dict[str, Any]:
    """The status of an export of acme's users that ada asked for, and that nobody changes."""
    return people.ada.wait(people.ada.start(exportType="users"), seconds=60, every=0.05)


@dataclass(frozen=True)
class Fragile:
    """A service on a database of its own that can be taken away. acme's sessions are 160 parts, globex's one."""

    base_url: str
    database: Path
    storage: str

    def client(self, user: str) -> Client:
        """A client of that user."""
        return Client(f"{self.base_url}/api", user)

    def run(self, timer: str) -> None:
        """Call a timer now."""
        answer = requests.post(f"{self.base_url}/admin/functions/{timer}", json={}, timeout=30)
        assert answer.status_code == 202

    @cached_property
    def tables(self) -> TableServiceClient:
        """Its tables, behind its back."""
        return TableServiceClient.from_connection_string(self.storage)

    @contextmanager
    def without(self, table: str) -> Iterator[None]:
        """Meanwhile the export types that read this table are broken."""
        self._rename(table, f"{table}_away")
        try:
            yield
        finally:
            self._rename(f"{table}_away", table)

    def _rename(self, table: str, to: str) -> None:
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute(f"alter table {table} rename to {to}")

    @property
    def _hidden(self) -> Path:
        return self.database.with_suffix(".away")

    def take_database_away(self) -> None:
        """From now on nobody can open it."""
        self.database.rename(self._hidden)

    def bring_database_back(self) -> None:
        """As it was."""
        if self._hidden.exists():
            self._hidden.rename(self.database)


BY_HAND = dict.fromkeys(("RETENTION_SCHEDULE", "WATCHDOG_SCHEDULE", "SCHEDULER_SCHEDULE"), "0 0 0 1 1 *")
"""Timers run when a test calls them, and on New Year's Day."""


def on_its_own(
    home: Path, database: Path, account: Azurite, pace: Mapping[str, str], *, through: Azurite | None = None
) -> tuple[Mortal, Fragile]:
    """A host that is to be started, on a copy of the database, and the service that it then is.

    ``through``: how it reaches its storage, when that is not the account itself.
    """
    own = Path(shutil.copy(database, home / "own.db"))
    port = processes.free_port()
    settings = stack.app_settings(home, port, (through or account).connection_string, f"sqlite:///{own}")
    host = Mortal(home, port, {**settings, **BY_HAND, **pace})
    return host, Fragile(host.base_url, own, account.connection_string)


@pytest.fixture(scope="session")
def fragile_service(
    new_account: NewAccount, database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fragile]:
    """The service; use ``fragile``."""
    home = tmp_path_factory.mktemp("fragile")
    pace = {
        "FUNCTIONS_WORKER_PROCESS_COUNT": "1",
        "PART_ROWS": "125",
        "RETRY_FIRST_SECONDS": "0.5",
        "PART_ATTEMPTS": "3",
        "NOTIFY_GRACE_SECONDS": "1",
    }
    host, service = on_its_own(home, database, new_account(), pace)
    with host.running():
        yield service


@pytest.fixture
def fragile(fragile_service: Fragile) -> Iterator[Fragile]:
    """The service, with its database in place before and after."""
    yield fragile_service
    fragile_service.bring_database_back()


Start = Callable[..., "Service"]


class Service:
    """A running service, and requests to it with given headers."""

    def __init__(self, api: str, home: Path) -> None:
        self.api = api
        self.home = home

    def get(self, path: str = "/exports", **headers: str) -> requests.Response:
        """A request whose headers are given with ``_`` for ``-``."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.get(self.api + path, headers=sent, timeout=30, allow_redirects=False)

    def with_token(self, token: str, path: str = "/exports") -> requests.Response:
        """A request with this bearer token."""
        return self.get(path, Authorization=f"Bearer {token}")

    def post(self, token: str, path: str, **body: Any) -> requests.Response:
        """A POST with this bearer token."""
        return requests.post(self.api + path, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def export(self, token: str, **body: Any) -> requests.Response:
        """Ask for an export."""
        return self.post(token, "/exports", **body)

    def status(self, token: str, export_id: str) -> dict[str, Any]:
        """The status of an export when it has ended."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            body: dict[str, Any] = self.with_token(token, f"/exports/{export_id}").json()
            if body["status"] in ("Completed", "Failed"):
                return body
            time.sleep(0.05)
        raise TimeoutError(export_id)


@pytest.fixture(scope="session")
def start(new_account: NewAccount, database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start a service with these settings; ``auth`` makes the host ask for function keys."""
    homes: list[tuple[Path, str]] = []
    with ExitStack() as hosts:

        def begin(auth: bool = False, **settings: str) -> Service:
            home, port = tmp_path_factory.mktemp("identity"), processes.free_port()
            account = new_account().connection_string
            homes.append((home, account))
            usual = stack.app_settings(home, port, account, f"sqlite:///{database}")
            usual |= {"RETENTION_SCHEDULE": "0 0 0 1 1 *", "FUNCTIONS_WORKER_PROCESS_COUNT": "1"}
            hosts.enter_context(stack.host(home, port, {**usual, **settings}, auth=auth))
            return Service(f"http://127.0.0.1:{port}/api", home)

        yield begin
    for home, account in homes:
        leaks.check(home, account)


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    """The issuer; leave it as it was."""
    with issuers.running() as running:
        yield running


@pytest.fixture(scope="session")
def jwt_service(start: Start, issuer: Issuer) -> Service:
    """A service that believes the issuer, and finds its keys through discovery."""
    return start(AUTH_MODE="jwt", JWT_ISSUER=issuer.url, JWT_AUDIENCE=AUDIENCE, JWT_LEEWAY_SECONDS="20")
