"""A store of blobs and the tables, on the real emulator."""

from uuid import uuid4

import pytest

from demo.azurite_server import Azurite
from demo.stack import bare_settings
from shared.jobs.records import ExportRecords
from shared.settings import Settings, settings_from
from shared.storage.accounts import blob_service, table_service
from shared.storage.blobs import BlobStore
from tests.storage.audited import lived, trail

__all__ = ["lived", "trail"]


@pytest.fixture(scope="module")
def storage_settings(azurite: Azurite) -> Settings:
    """Settings that point at the emulator."""
    return settings_from(bare_settings(azurite.connection_string))


@pytest.fixture(scope="module")
def store(storage_settings: Settings) -> BlobStore:
    """The container of exports."""
    made = BlobStore(blob_service(storage_settings, "activity"))
    made.prepare()
    return made


@pytest.fixture(scope="module")
def records(storage_settings: Settings) -> ExportRecords:
    """The table of exports."""
    made = ExportRecords(table_service(storage_settings, "activity"))
    made.prepare()
    return made


@pytest.fixture
def folder() -> str:
    """A folder of blobs that nobody else uses."""
    return f"tenant/{uuid4().hex}/"
