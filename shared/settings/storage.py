"""Settings of the storage account and of the database that exports read."""

import re
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from shared.settings.environment import is_loopback
from shared.settings.fields import SettingsGroup, wrong

MANAGED = "managedidentity"

_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_OF_STORAGE = (
    frozenset({"usedevelopmentstorage"}),
    frozenset({"accountname", "accountkey"}),
    frozenset({"blobendpoint", "tableendpoint"}),
    frozenset({"accountname", "sharedaccesssignature"}),
)


def _account(name: str) -> str:
    if name and not _ACCOUNT.fullmatch(name):
        raise wrong(
            "is the name of a storage account, 3 to 24 of a-z and 0-9, "
            f"got '{name[:80]}'; for another cloud give AzureWebJobsStorage__blobServiceUri and its siblings"
        )
    return name


def _address(address: str) -> str:
    parts = urlsplit(address)
    if address and (parts.scheme != "https" or not parts.hostname or parts.query or parts.username):
        raise wrong("must be an https address without anything secret in it, for tokens go there")
    return address


def _credential(kind: str) -> str:
    if kind.lower() not in ("", MANAGED):
        raise wrong(f"is {MANAGED} or left out, got '{kind[:80]}'")
    return kind


def _connection_string(text: str) -> str:
    if text and not has_names(text, _OF_STORAGE):
        raise wrong(
            "is no connection string of a storage account; one looks like "
            "DefaultEndpointsProtocol=https;AccountName=...;AccountKey=... (or UseDevelopmentStorage=true)"
        )
    return text


def _database(url: str) -> str:
    if not url:
        raise wrong("is not set; give sqlite:///path or postgresql://user:password@host/db")
    return url


TokenAddress = Annotated[str, AfterValidator(_address)]
"""Where the app sends tokens of its own identity."""


class StorageSettings(SettingsGroup):
    """The account that holds records, files and the state of workflows."""

    group: ClassVar[str] = "Storage"

    azurewebjobsstorage: Annotated[str, AfterValidator(_connection_string)] = Field(
        default="",
        title="AzureWebJobsStorage",
        description="Connection string of the storage account. Leave it empty to use a managed identity, and name "
        "the account with one of the next settings.",
    )
    azurewebjobsstorage__accountname: Annotated[str, AfterValidator(_account)] = Field(
        default="",
        title="AzureWebJobsStorage__accountName",
        description="With a managed identity: name of the storage account.",
    )
    azurewebjobsstorage__blobserviceuri: TokenAddress = Field(
        default="",
        title="AzureWebJobsStorage__blobServiceUri",
        description="Instead of the account name: URL of the blob service. Set the URL of the table service too, and "
        "that of the queue service, which the Functions host needs.",
    )
    azurewebjobsstorage__tableserviceuri: TokenAddress = Field(
        default="",
        title="AzureWebJobsStorage__tableServiceUri",
        description="Instead of the account name: URL of the table service.",
    )
    azurewebjobsstorage__credential: Annotated[str, AfterValidator(_credential)] = Field(
        default="",
        title="AzureWebJobsStorage__credential",
        description="`managedidentity` uses the managed identity in local development too. Empty: local development "
        "uses the developer's own sign-in.",
    )
    azurewebjobsstorage__clientid: str = Field(
        default="",
        title="AzureWebJobsStorage__clientId",
        description="Client id of a user-assigned identity. Empty: `AZURE_CLIENT_ID`, or else the system-assigned "
        "identity.",
    )
    azurewebjobsstorage__managedidentityresourceid: str = Field(
        default="",
        title="AzureWebJobsStorage__managedIdentityResourceId",
        description="Instead of the client id: resource id of a user-assigned identity.",
    )
    azure_client_id: str = Field(
        default="",
        description="Client id of a user-assigned identity, where `AzureWebJobsStorage__clientId` is empty.",
    )

    @model_validator(mode="after")
    def _one_account_and_identity(self) -> Self:
        named = self.azurewebjobsstorage__accountname or (
            self.azurewebjobsstorage__blobserviceuri and self.azurewebjobsstorage__tableserviceuri
        )
        if not self.azurewebjobsstorage and not named:
            raise ValueError(
                "AzureWebJobsStorage is not set; give a connection string, or for a managed identity "
                "AzureWebJobsStorage__accountName, or AzureWebJobsStorage__blobServiceUri and __tableServiceUri"
            )
        if self.azurewebjobsstorage__clientid and self.azurewebjobsstorage__managedidentityresourceid:
            raise ValueError(
                "AzureWebJobsStorage__clientId and AzureWebJobsStorage__managedIdentityResourceId both name an "
                "identity; give one of them"
            )
        return self


class SourceSettings(SettingsGroup):
    """The database that exports read."""

    group: ClassVar[str] = "Database"

    source_url: Annotated[str, AfterValidator(_database)] = Field(
        default="",
        validate_default=True,
        description="Database that exports read: sqlite:///path or postgresql://user:password@host/db.",
    )
    source_tls: Literal["verified", "optional"] = Field(
        default="verified",
        description="TLS to a PostgreSQL server on another machine. `verified` requires it and checks certificate and "
        "host name; `optional` follows the URL and may connect without encryption.",
    )


def in_clear_text(connection_string: str) -> bool:
    """Whether a connection string sends what is stored, unencrypted, to another machine."""
    pairs = (pair.partition("=") for pair in connection_string.split(";"))
    named = {name.strip().lower(): value.strip() for name, _, value in pairs}
    addresses = [value for name, value in named.items() if name.endswith(("endpoint", "proxyuri"))]
    if not addresses and "accountname" in named:
        return named.get("defaultendpointsprotocol", "https").lower() != "https"
    return any(urlsplit(a).scheme != "https" and not is_loopback(urlsplit(a).netloc) for a in addresses)


def has_names(connection_string: str, wanted: Sequence[frozenset[str]]) -> bool:
    """Whether a connection string has the names of one of these sets, each with a value."""
    pairs = (pair.partition("=") for pair in connection_string.split(";") if pair.strip())
    names = {name.strip().lower() for name, _, value in pairs if value}
    return any(one <= names for one in wanted)
