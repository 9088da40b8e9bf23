"""What every suite shares: the real storage emulator, started once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import azurite_server
from demo.azurite_server import Azurite


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """A running Azurite with nothing in it."""
    home: Path = tmp_path_factory.mktemp("azurite")
    with azurite_server.running(home) as server:
        yield server
