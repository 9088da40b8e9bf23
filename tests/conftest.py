"""What every suite shares: the real storage emulator and the databases, each server started once."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from demo import azurite_server
from demo.azurite_server import Azurite
from shared.settings.environment import platform_variables
from tests.databases import database, postgresql, postgresql_server, sqlite

__all__ = ["database", "postgresql", "postgresql_server", "sqlite"]

# How long an example takes says more about the machine than about the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

NewAccount = Callable[[], Azurite]


@pytest.fixture(scope="session", autouse=True)
def local_development() -> Iterator[None]:
    """Tests are local development, also where the machine that runs them is a container of a platform."""
    with pytest.MonkeyPatch.context() as patch:
        for name in platform_variables(os.environ):
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def new_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewAccount]:
    """Gives a storage account with nothing in it, every time.

    Services do not share one: the watchdog of each would find the exports of the others, and start them again.
    """
    home: Path = tmp_path_factory.mktemp("azurite")
    accounts = [f"account{number}" for number in range(200)]
    unused = iter(accounts)
    with azurite_server.running(home, accounts=accounts) as emulator:
        yield lambda: replace(emulator, account=next(unused))


@pytest.fixture(scope="module")
def azurite(new_account: NewAccount) -> Azurite:
    """The module's own storage account."""
    return new_account()
