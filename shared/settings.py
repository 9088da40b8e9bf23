"""Settings: environment variables, read once on first use and checked as a whole.

``Settings`` is the complete list; README's table of settings is checked against it by a test. An export type's own
value wins over the setting of the same meaning.
"""

import os
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.errors import SettingsError

_ON_AZURE = "WEBSITE_INSTANCE_ID"
"""Set by the platform on every Azure Functions instance, and never by a developer's machine."""

Seconds = Annotated[int, Field(ge=0)]
Quota = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """Every setting, by its environment variable in lower case."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    azurewebjobsstorage: str = Field(
        default="", description="Connection string of the storage account; or leave it out and set the service URIs."
    )
    azurewebjobsstorage__blobserviceuri: str = Field(
        default="", description="Blob endpoint, when the app's managed identity is used instead of a key."
    )
    azurewebjobsstorage__tableserviceuri: str = Field(
        default="", description="Table endpoint, when the app's managed identity is used instead of a key."
    )
    source_url: str = Field(
        default="", description="The database that exports read: sqlite:///path or postgresql://user:password@host/db."
    )
    auth_mode: Literal["dev"] = Field(default="dev", description="Who vouches for callers. dev signs its own tokens.")
    link_signing_key: str = Field(
        default="",
        description="Secret that signs tokens and links; at least 32 characters, the same on every instance.",
    )
    public_url: str = Field(
        default="http://127.0.0.1:7071", description="Base URL of this service as callers see it; used in mails."
    )
    notify_after_seconds: Seconds = Field(default=45, description="An export quicker than this sends no mail.")
    notify_grace_seconds: Seconds = Field(
        default=120, description="How long after completion the mail waits for a download."
    )
    dedup_window_seconds: Seconds = Field(
        default=600,
        description="How long after its completion an export answers the same request of the same user again.",
    )
    watchdog_schedule: str = Field(
        default="0 * * * * *", description="When lost starts are made good: NCRONTAB, seconds first, UTC."
    )
    max_running_per_tenant: Quota = Field(
        default=100, description="How many exports of a tenant may run at the same time."
    )
    max_running_per_user: Quota = Field(default=20, description="How many exports of a user may run at the same time.")
    max_exports_per_day_per_tenant: Quota = Field(
        default=10_000, description="How many exports a tenant may start in a day of UTC."
    )
    max_exports_per_day_per_user: Quota = Field(
        default=1_000, description="How many exports a user may start in a day of UTC."
    )
    max_bytes_per_day_per_tenant: Quota = Field(
        default=1_000_000_000_000,
        description="No export of a tenant begins once its files of the day have so many bytes.",
    )
    max_bytes_per_day_per_user: Quota = Field(
        default=100_000_000_000,
        description="No export of a user begins once their files of the day have so many bytes.",
    )
    retention_days: Annotated[float, Field(gt=0, le=3650)] = Field(
        default=7, description="How long a finished file is kept."
    )
    record_retention_days: Annotated[float, Field(gt=0, le=3650)] = Field(
        default=30, description="How long the record of an export is kept after its file is gone."
    )
    retention_schedule: str = Field(
        default="0 */10 * * * *", description="When expired exports are removed: NCRONTAB, seconds first, UTC."
    )
    part_rows: Annotated[int, Field(ge=1, le=10_000_000)] = Field(default=50_000, description="Rows of a part.")
    parts_in_flight: Annotated[int, Field(ge=1, le=100)] = Field(
        default=8, description="How many parts of one export run at the same time, over all workers."
    )
    part_attempts: Annotated[int, Field(ge=1, le=20)] = Field(
        default=6, description="How often a step is tried before the export fails; only failures that may pass."
    )
    retry_first_seconds: Annotated[float, Field(gt=0)] = Field(
        default=2, description="The pause before the first retry of a step; it doubles up to a minute."
    )
    mail_transport: Literal["acs", "outbox"] = Field(
        default="outbox", description="How mail leaves: Azure Communication Services, or .eml files in a local folder."
    )
    mail_from: str = Field(default="exports@example.com", description="The sender of every mail.")
    mail_outbox_dir: str = Field(default=".sluice/outbox", description="Folder of the local outbox.")
    acs_connection_string: str = Field(default="", description="Connection string of Azure Communication Services.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.azurewebjobsstorage and not (
            self.azurewebjobsstorage__blobserviceuri and self.azurewebjobsstorage__tableserviceuri
        ):
            raise ValueError(
                "AzureWebJobsStorage is not set; give a connection string, or AzureWebJobsStorage__blobServiceUri "
                "and AzureWebJobsStorage__tableServiceUri for a managed identity"
            )
        if not self.source_url:
            raise ValueError("SOURCE_URL is not set; give sqlite:///path or postgresql://user:password@host/db")
        if len(self.link_signing_key) < 32:
            raise ValueError(
                f"LINK_SIGNING_KEY has {len(self.link_signing_key)} characters and needs at least 32; "
                'make one with: python -c "import secrets; print(secrets.token_urlsafe(32))"'
            )
        if self.mail_transport == "acs" and not self.acs_connection_string:
            raise ValueError("ACS_CONNECTION_STRING is not set, and MAIL_TRANSPORT=acs needs it")
        return self


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Check an environment and give the settings in it. Raises ``SettingsError`` that names each wrong variable."""
    values = {name.lower(): value for name, value in environment.items() if value != ""}
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(e["loc"], e["msg"]) for e in error.errors())) from None
    if settings.auth_mode == "dev" and _ON_AZURE in environment:
        raise SettingsError("AUTH_MODE=dev signs tokens for anybody who asks and is refused on Azure")
    return settings


@cache
def settings() -> Settings:
    """The settings of this process."""
    return settings_from(os.environ)


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    text = message.removeprefix("Value error, ")
    return f"{'.'.join(map(str, location)).upper()}: {text}" if location else text
