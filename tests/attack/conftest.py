"""What is attacked, and the table of what came of it."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from demo import processes, stack
from shared.settings import Settings, settings, settings_from
from shared.sources import open_source
from tests.app.test_settings import RIGHT
from tests.attack.families.host import Host
from tests.attack.families.offline import OWN
from tests.attack.families.sql import Databases, texts_of_acme
from tests.attack.families.tokens import Believer
from tests.attack.family import EVERYTHING
from tests.service import issuer as issuers
from tests.service.conftest import People
from tests.service.database import make_small_database, small_postgresql
from tests.service.issuer import AUDIENCE
from tests.service.test_who_may import OFTEN

BEHIND_APP_SERVICE = {**RIGHT, "AUTH_MODE": "easyauth", "WEBSITE_AUTH_ENABLED": "True", "PUBLIC_URL": OWN}

Row = tuple[str, int, int]
_rows: list[Row] = []


@pytest.fixture
def report() -> list[Row]:
    """Name, inputs and findings of each family, for the table."""
    return _rows


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    if EVERYTHING and _rows:
        terminalreporter.section("attacks")
        terminalreporter.write_line(f"{'family':32} {'inputs':>8} {'findings':>9}")
        for name, inputs, findings in _rows:
            terminalreporter.write_line(f"{name:32} {inputs:8,} {findings:9,}")
        total = sum(inputs for _, inputs, _ in _rows)
        terminalreporter.write_line(f"{'all':32} {total:8,} {sum(found for *_, found in _rows):9,}")


@pytest.fixture
def nothing() -> None:
    """For families that need no target."""


@pytest.fixture(scope="session")
def believer() -> Iterator[Believer]:
    """An issuer, and settings that believe it."""
    with issuers.running() as issuer:
        jwt = {**RIGHT, "AUTH_MODE": "jwt", "JWT_AUDIENCE": AUDIENCE, "JWT_ISSUER": issuer.url}
        several = {"JWT_ISSUER": f"{issuer.url}/{{tenantid}}/v2.0", "JWT_DIRECTORIES": "acme,globex"}
        yield Believer(issuer, settings_from(jwt), settings_from({**jwt, **several}))


@pytest.fixture(scope="session")
def modes(believer: Believer) -> dict[str, Settings]:
    """The settings of each mode in which people sign in."""
    return {"jwt": believer.one, "easyauth": settings_from(BEHIND_APP_SERVICE)}


@pytest.fixture
def behind_app_service(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The settings of this process, where the platform signs people in."""
    for name, value in BEHIND_APP_SERVICE.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """The demo's database in SQLite, and where everything is tried in PostgreSQL too."""
    home = tmp_path_factory.mktemp("injected")
    make_small_database(home)
    path = home / "demo.db"
    sources = {"sqlite": open_source(f"sqlite:///{path}")}
    with closing(sqlite3.connect(path)) as connection, ExitStack() as stack_:
        if EVERYTHING:
            server = stack_.enter_context(small_postgresql(home))
            sources["postgresql"] = open_source(server.url)
        yield Databases(sources, texts_of_acme(connection))


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A running service, and what somebody has there."""
    home = tmp_path_factory.mktemp("attacked")
    make_small_database(home)
    more = {"RETENTION_SCHEDULE": "0 0 0 1 1 *", "NOTIFY_GRACE_SECONDS": "1", **OFTEN}
    with stack.running(home, processes.free_port(), "sqlite", more) as running:
        yield Host.of(running, People(running.api))
