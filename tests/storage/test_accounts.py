"""The way to the storage account: what the environment names is followed, and found out once."""

from collections.abc import Callable
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError

from demo.azurite_server import Azurite
from demo.stack import bare_settings
from shared.settings import Settings, settings_from
from shared.storage.accounts import blob_service, table_service


def settings(storage: str) -> Settings:
    """Settings with this storage."""
    return settings_from(bare_settings(storage))


@pytest.mark.parametrize("make", [blob_service, table_service])
def test_a_proxy_of_the_environment_is_used(
    azurite: Azurite, monkeypatch: pytest.MonkeyPatch, make: Callable[[Settings, str], Any]
) -> None:
    """Unless NO_PROXY names the host; as it was when the client was made."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "example.com")
    behind = make(settings(azurite.connection_string), "request")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    direct = make(settings(azurite.connection_string), "request")
    assert direct.get_service_properties() is not None
    with pytest.raises(ServiceRequestError):
        behind.get_service_properties()
