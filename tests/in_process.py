"""The services of the app in the process of the test, on an account of the emulator."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from demo.azurite_server import Azurite
from demo.stack import bare_settings
from shared.services import Services, services
from shared.settings import settings


def environment_of(account: Azurite, **more: str) -> Mapping[str, str]:
    """The app's settings, as environment variables."""
    return {
        **bare_settings(account.connection_string),
        **more,
    }


@contextmanager
def services_on(account: Azurite, **more: str) -> Iterator[Services]:
    """The services of an activity, with more settings than those that there must be."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment_of(account, **more).items():
            patch.setenv(name, value)
        settings.cache_clear()
        services.cache_clear()
        yield services("activity")
    settings.cache_clear()
    services.cache_clear()
