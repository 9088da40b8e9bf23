"""Settings: environment variables, read once on first use and checked as a whole.

``Settings`` is the complete list; README's table of settings is checked against it by a test. An export type's own
value wins over the setting of the same meaning.
"""

import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.errors import SettingsError

_ON_AZURE = "WEBSITE_INSTANCE_ID"
"""Set by the platform on every Azure Functions instance, and never by a developer's machine."""

_APP_SERVICE_AUTHENTICATION = "WEBSITE_AUTH_ENABLED"
"""``True`` where App Service authentication stands before the app and takes its header out of requests from outside."""

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")
"""RFC 6454, section 6.2; no wildcards."""

_WEB = ("http", "https")
_OF_STORAGE = (
    frozenset({"usedevelopmentstorage"}),
    frozenset({"accountname", "accountkey"}),
    frozenset({"blobendpoint", "tableendpoint"}),
    frozenset({"accountname", "sharedaccesssignature"}),
)
_OF_ACS = (frozenset({"endpoint", "accesskey"}),)

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
    auth_mode: Literal["easyauth", "jwt", "dev"] = Field(
        default="dev",
        description="Who vouches for callers: App Service authentication (easyauth), an OpenID Connect issuer (jwt), "
        "or nobody (dev, which signs tokens for its demo users).",
    )
    jwt_issuer: str = Field(
        default="", description="With jwt: the issuer, exactly as its tokens name it (claim `iss`); https."
    )
    jwt_audience: str = Field(default="", description="With jwt: whom tokens must be meant for (claim `aud`).")
    jwt_jwks_url: str = Field(
        default="", description="With jwt: the issuer's keys; left out, the issuer's discovery document names them."
    )
    jwt_leeway_seconds: Annotated[int, Field(ge=0, le=300)] = Field(
        default=30, description="With jwt: how far the issuer's clock may be from ours."
    )
    claim_user: str = Field(default="sub", description="With easyauth and jwt: the claim that holds the user's id.")
    claim_tenant: str = Field(default="tid", description="The claim that holds the tenant.")
    claim_roles: str = Field(default="roles", description="The claim that lists SuperAdmin, Admin, Manager or Viewer.")
    claim_company_ids: str = Field(default="company_ids", description="The claim that lists the user's companies.")
    claim_operational_scope_ids: str = Field(
        default="operational_scope_ids", description="The claim that lists the user's operational scopes."
    )
    service_tokens: bool = Field(
        default=False, description="Whether `POST /service/token` gives tokens to services that have a function key."
    )
    link_signing_key: str = Field(
        default="",
        description="Secret that signs tokens and links; at least 32 characters, the same on every instance.",
    )
    public_url: str = Field(
        default="http://127.0.0.1:7071", description="Base URL of this service as callers see it; used in mails."
    )
    cors_origins: str = Field(
        default="",
        description="Origins whose pages may call this service, with commas, such as https://app.example.com.",
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
    audit_retention_days: Annotated[float, Field(gt=0, le=3650)] = Field(
        default=365, description="How long an entry of the audit log is kept."
    )
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = Field(
        default=0,
        description="How many proxies stand before the platform, such as 1 for Front Door; the audit log leaves out "
        "their addresses.",
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

    telemetry_exporter: Literal["none", "otlp", "azure-monitor"] = Field(
        default="none", description="Where traces and metrics go besides `/admin/metrics`; see docs/telemetry.md."
    )
    otel_exporter_otlp_endpoint: str = Field(
        default="", description="With otlp: base URL of the collector, such as http://localhost:4318; HTTP, protobuf."
    )
    applicationinsights_connection_string: str = Field(
        default="", description="With azure-monitor: connection string of Application Insights."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.azurewebjobsstorage and not (
            self.azurewebjobsstorage__blobserviceuri and self.azurewebjobsstorage__tableserviceuri
        ):
            raise ValueError(
                "AzureWebJobsStorage is not set; give a connection string, or AzureWebJobsStorage__blobServiceUri "
                "and AzureWebJobsStorage__tableServiceUri for a managed identity"
            )
        if self.azurewebjobsstorage and not _names(self.azurewebjobsstorage, _OF_STORAGE):
            raise ValueError(
                "AzureWebJobsStorage is no connection string of a storage account; one looks like "
                "DefaultEndpointsProtocol=https;AccountName=...;AccountKey=... (or UseDevelopmentStorage=true)"
            )
        if urlsplit(self.public_url).scheme not in _WEB or not urlsplit(self.public_url).hostname:
            raise ValueError(f"PUBLIC_URL must be an http or https address, got '{self.public_url[:80]}'")
        if not self.source_url:
            raise ValueError("SOURCE_URL is not set; give sqlite:///path or postgresql://user:password@host/db")
        if len(self.link_signing_key) < 32:
            raise ValueError(
                f"LINK_SIGNING_KEY has {len(self.link_signing_key)} characters and needs at least 32; "
                'make one with: python -c "import secrets; print(secrets.token_urlsafe(32))"'
            )
        for origin in filter(None, self.cors_origins.replace(" ", "").split(",")):
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"CORS_ORIGINS names '{origin[:80]}'; an origin looks like https://app.example.com")
        if self.auth_mode == "jwt":
            self._check_issuer()
        if self.telemetry_exporter == "otlp" and urlsplit(self.otel_exporter_otlp_endpoint).scheme not in _WEB:
            raise ValueError(
                "OTEL_EXPORTER_OTLP_ENDPOINT must be an http or https address, for TELEMETRY_EXPORTER=otlp needs it, "
                f"got '{self.otel_exporter_otlp_endpoint[:80]}'; give one such as http://localhost:4318"
            )
        if self.telemetry_exporter == "azure-monitor" and not self.applicationinsights_connection_string:
            raise ValueError(
                "APPLICATIONINSIGHTS_CONNECTION_STRING is not set, and TELEMETRY_EXPORTER=azure-monitor needs it"
            )
        if self.mail_transport == "acs" and not self.acs_connection_string:
            raise ValueError("ACS_CONNECTION_STRING is not set, and MAIL_TRANSPORT=acs needs it")
        if self.mail_transport == "acs" and not _names(self.acs_connection_string, _OF_ACS):
            raise ValueError(
                "ACS_CONNECTION_STRING is no connection string; one looks like "
                "endpoint=https://<name>.communication.azure.com/;accesskey=..."
            )
        return self

    def _check_issuer(self) -> None:
        for name, value in (("JWT_ISSUER", self.jwt_issuer), ("JWT_AUDIENCE", self.jwt_audience)):
            if not value:
                raise ValueError(f"{name} is not set, and AUTH_MODE=jwt needs it")
        for name, value in (("JWT_ISSUER", self.jwt_issuer), ("JWT_JWKS_URL", self.jwt_jwks_url)):
            parts = urlsplit(value)
            local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
            if value and not (local or (parts.scheme == "https" and parts.hostname)):
                raise ValueError(f"{name} must be an https address, got '{value[:80]}'")


def _names(connection_string: str, wanted: Sequence[frozenset[str]]) -> bool:
    """Whether a connection string has the names of one of these sets."""
    pairs = (pair.partition("=") for pair in connection_string.split(";") if pair.strip())
    names = {name.strip().lower() for name, _, value in pairs if value}
    return any(one <= names for one in wanted)


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Check an environment and give the settings in it. Raises ``SettingsError`` that names each wrong variable."""
    values = {name.lower(): value for name, value in environment.items() if value != ""}
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(e["loc"], e["msg"]) for e in error.errors())) from None
    if settings.auth_mode == "dev" and _ON_AZURE in environment:
        raise SettingsError("AUTH_MODE=dev signs tokens for anybody who asks and is refused on Azure")
    if settings.auth_mode == "easyauth" and environment.get(_APP_SERVICE_AUTHENTICATION, "").lower() != "true":
        raise SettingsError(
            "AUTH_MODE=easyauth believes a header that anybody can send unless App Service authentication is on "
            f"({_APP_SERVICE_AUTHENTICATION} is not true); switch it on, or choose jwt"
        )
    if settings.service_tokens and settings.auth_mode != "dev" and _ON_AZURE not in environment:
        raise SettingsError(
            "SERVICE_TOKENS needs a host that asks for function keys: Azure, or AUTH_MODE=dev to try it"
        )
    return settings


@cache
def settings() -> Settings:
    """The settings of this process."""
    return settings_from(os.environ)


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    text = message.removeprefix("Value error, ")
    return f"{'.'.join(map(str, location)).upper()}: {text}" if location else text
