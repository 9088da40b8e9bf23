"""The app's own identity, by which it gets in at storage and mail without a key.

The settings are those of the Functions host (learn.microsoft.com, "Connecting to host storage with an identity"), so
that host and app use the same identity: ``AzureWebJobsStorage__credential=managedidentity`` with ``__clientId`` or
``__managedIdentityResourceId`` for an identity that is assigned by the user; neither for the one that the system
assigns. The protocol is App Service's (``IDENTITY_ENDPOINT``, version 2019-08-01), or whatever the platform has.
"""

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from azure.core.credentials import TokenCredential
from azure.core.exceptions import ClientAuthenticationError

from shared.settings.environment import is_local_development, platform_variables

if TYPE_CHECKING:
    from shared.settings import Settings


def credential(
    settings: "Settings", environment: Mapping[str, str] = os.environ, *, for_a_person: bool = False
) -> TokenCredential:
    """What asks for the identity's tokens; one for each identity, so that all clients share its tokens.

    A managed identity, unless this is a developer's machine: there it is the developer (``DefaultAzureCredential``).
    ``for_a_person``: a command that somebody runs, who is themselves wherever no platform is. No request is sent.
    """
    here = not platform_variables(environment) if for_a_person else is_local_development(environment)
    managed = bool(settings.azurewebjobsstorage__credential) or not here
    client = settings.azurewebjobsstorage__clientid or settings.azure_client_id
    return _made(managed, client, settings.azurewebjobsstorage__managedidentityresourceid)


@lru_cache(maxsize=8)
def _made(managed: bool, client_id: str, resource_id: str) -> TokenCredential:
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

    if not managed:
        return DefaultAzureCredential(managed_identity_client_id=client_id or None)
    if resource_id:
        return ManagedIdentityCredential(identity_config={"resource_id": resource_id})
    return ManagedIdentityCredential(client_id=client_id or None)


def got_no_token(error: ClientAuthenticationError) -> bool:
    """Whether it is the identity that failed, not the service that refused its token."""
    from azure.identity import CredentialUnavailableError

    return isinstance(error, CredentialUnavailableError) or error.response is None


def endpoint(settings: "Settings", service: str) -> str:
    """The address of the account's ``blob`` or ``table`` service: the URI if there is one, else by its name."""
    given: str = getattr(settings, f"azurewebjobsstorage__{service}serviceuri")
    return given or f"https://{settings.azurewebjobsstorage__accountname}.{service}.core.windows.net"
