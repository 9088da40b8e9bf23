"""Settings: environment variables, read once on first use and checked as a whole.

``Settings`` is the complete list; README's table of settings is checked against it by a test. An export type's own
value wins over the setting of the same meaning.
"""

import os
import re
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator

from shared.errors import SettingsError
from shared.identity.mail_address import mail_address
from shared.retention.rules import parse_rules
from shared.settings.access import AccessSettings, items, parsed_by
from shared.settings.access_rules import check_access, check_key, mode_refused, wrong_here
from shared.settings.development_key import data_folder, development_key
from shared.settings.environment import is_local_development
from shared.settings.outward import check_mail, check_pauses, check_storage, in_clear_text

_LOCAL_ORIGIN = re.compile(r"https?://(127\.0\.0\.1|localhost|\[::1\]):[0-9]{1,5}")
_WEB = ("http", "https")

Seconds = Annotated[int, Field(ge=0)]
Quota = Annotated[int, Field(ge=1)]


Rules = Annotated[str, parsed_by(parse_rules)]


def _checked_address(text: str) -> str:
    if text and not (address := mail_address(text)):
        raise ValueError(f"takes one address such as operators@example.com, got '{text[:80]}'")
    return address if text else ""


Mailbox = Annotated[str, AfterValidator(_checked_address)]


class Settings(AccessSettings):
    """Every setting, by its environment variable in lower case."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    azurewebjobsstorage: str = Field(
        default="",
        description="Connection string of the storage account; left out, the app's identity is used and the account "
        "named by the next settings.",
    )
    azurewebjobsstorage__accountname: str = Field(
        default="", description="The storage account, to which the app's identity has access instead of a key."
    )
    azurewebjobsstorage__blobserviceuri: str = Field(
        default="", description="In place of the name: its blob endpoint; the host needs the queue endpoint too."
    )
    azurewebjobsstorage__tableserviceuri: str = Field(
        default="", description="In place of the name: its table endpoint."
    )
    azurewebjobsstorage__credential: str = Field(
        default="",
        description="`managedidentity`: the app's identity, on a developer's machine too, where it is else the "
        "developer's.",
    )
    azurewebjobsstorage__clientid: str = Field(
        default="", description="Client id of a user-assigned identity; left out, AZURE_CLIENT_ID, else the system's."
    )
    azurewebjobsstorage__managedidentityresourceid: str = Field(
        default="", description="In place of the client id: resource id of a user-assigned identity."
    )
    azure_client_id: str = Field(
        default="", description="Client id of a user-assigned identity where storage's settings name none."
    )
    source_url: str = Field(
        default="", description="The database that exports read: sqlite:///path or postgresql://user:password@host/db."
    )
    source_tls: Literal["verified", "optional"] = Field(
        default="verified",
        description="How a PostgreSQL server that is not on this machine is read: over TLS, its certificate and name "
        "`verified`; or as its URL says, in clear text too (`optional`).",
    )
    notify_after_seconds: Seconds = Field(default=45, description="An export quicker than this sends no mail.")
    notify_grace_seconds: Seconds = Field(
        default=120, description="How long after completion the mail waits for a download."
    )
    expiry_notice_hours: Annotated[float, Field(ge=0, le=8760)] = Field(
        default=24, description="How long before its end a file that nobody fetched is told to expire; 0: never."
    )
    dedup_window_seconds: Seconds = Field(
        default=600,
        description="How long after its completion an export answers the same request of the same user again.",
    )
    watchdog_schedule: str = Field(
        default="0 * * * * *", description="When lost starts are made good: NCRONTAB, seconds first, UTC."
    )
    watchdog_grace_seconds: Seconds = Field(
        default=60, description="The watchdog leaves an export alone for so long after its request."
    )
    max_export_seconds: Annotated[int, Field(ge=1)] = Field(
        default=43_200, description="An export that takes longer is stopped, and failed with that reason."
    )
    max_standstill_seconds: Annotated[int, Field(ge=1)] = Field(
        default=3_600, description="The same when nothing at all has happened in it for so long."
    )
    scheduler_schedule: str = Field(
        default="0 * * * * *", description="When schedules that are due are run: NCRONTAB, seconds first, UTC."
    )
    max_schedules_per_user: Quota = Field(default=50, description="How many schedules a user may have.")
    schedule_stop_after_failures: Quota = Field(
        default=5, description="A schedule is stopped after so many failed runs in a row, unless it says otherwise."
    )
    schedule_stop_after_unread: Quota = Field(
        default=30, description="And after so many files in a row that nobody has fetched."
    )
    schedule_trust_days: Annotated[float, Field(gt=0, le=3650)] = Field(
        default=90,
        description="A schedule is stopped when its owner has not called for so long: "
        "what they may do is as old as that.",
    )
    operator_email: Mailbox = Field(
        default="", description="Who is told of exports that failed for good; nobody when empty."
    )
    requests_per_minute_per_user: Quota = Field(
        default=3_000,
        description="How many requests of a user a worker process answers; half as many may come at once. More: 429.",
    )
    requests_per_minute_per_tenant: Quota = Field(default=12_000, description="The same of a tenant.")
    failed_sign_ins_per_minute_per_address: Quota = Field(
        default=3_000, description="How many requests of an address without a good token get 401; more get 429."
    )
    estimate_seconds: Annotated[int, Field(ge=1, le=200)] = Field(
        default=20, description="How long the database may count for an estimate, or for the limits of a request."
    )
    estimates_at_once: Annotated[int, Field(ge=1, le=64)] = Field(
        default=4, description="How many such counts a worker process makes at the same time; others wait."
    )
    max_estimates_per_user: Quota = Field(
        default=10, description="How many such counts of a user may run or wait in a worker process; more: 429."
    )
    max_estimates_per_tenant: Quota = Field(default=20, description="The same of a tenant.")
    max_running_per_tenant: Quota = Field(
        default=500, description="How many exports of a tenant may run or wait at the same time."
    )
    max_running_per_user: Quota = Field(
        default=100, description="How many exports of a user may run or wait at the same time."
    )
    run_at_once_per_tenant: Quota = Field(
        default=5, description="How many exports of a tenant run at the same time; the others wait for their turn."
    )
    max_exports_per_day_per_tenant: Quota = Field(
        default=10_000, description="How many exports a tenant may start in a day of UTC."
    )
    max_exports_per_day_per_user: Quota = Field(
        default=1_000, description="How many exports a user may start in a day of UTC."
    )
    max_bytes_per_day_per_tenant: Quota = Field(
        default=1_000_000_000_000,
        description="How many bytes the files of a tenant may have in a day of UTC; none is published beyond.",
    )
    max_bytes_per_day_per_user: Quota = Field(
        default=100_000_000_000,
        description="How many bytes the files of a user may have in a day of UTC; none is published beyond.",
    )
    max_bytes_per_export: Quota | None = Field(
        default=None, description="How many bytes the file of an export may have; left out, as many as storage takes."
    )
    retention_days: Annotated[float, Field(gt=0, le=3650)] = Field(
        default=7, description="How long a finished file is kept."
    )
    record_retention_days: Annotated[float, Field(gt=0, le=3650)] = Field(
        default=30, description="How long the record of an export is kept after its file is gone."
    )
    retention_days_by_tenant: Rules = Field(
        default="", description="Days for tenants, or types of a tenant, such as `acme=30, acme/sessions=90`."
    )
    record_retention_days_by_tenant: Rules = Field(default="", description="The same for records.")
    retention_run_seconds: Annotated[int, Field(ge=1, le=3600)] = Field(
        default=240, description="How long one run of retention may take; the next one goes on there."
    )
    audit_retention_days: Annotated[float, Field(gt=0, le=3650)] = Field(
        default=365, description="How long an entry of the audit log is kept; removed by whole days of UTC."
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
    mail_transport: Literal["acs", "smtp", "outbox"] = Field(
        default="outbox",
        description="How mail leaves: Azure Communication Services, a mail server, or .eml files in a local folder.",
    )
    mail_from: str = Field(default="exports@example.com", description="The sender of every mail.")
    mail_outbox_dir: str = Field(default=".sluice/outbox", description="Folder of the local outbox.")
    acs_endpoint: str = Field(
        default="",
        description="Endpoint of Azure Communication Services, such as https://<name>.communication.azure.com, to "
        "which the app's identity has access.",
    )
    acs_connection_string: str = Field(
        default="",
        description="In place of the endpoint: connection string of Azure Communication Services, with a key.",
    )
    acs_mails_per_minute: Annotated[int, Field(ge=1)] = Field(
        default=30, description="How many mails a minute Azure Communication Services takes; others wait."
    )
    acs_mails_per_hour: Annotated[int, Field(ge=1)] = Field(
        default=100, description="How many mails an hour Azure Communication Services takes; others wait."
    )
    smtp_url: str = Field(
        default="",
        description="The mail server: smtps://user:password@host:465, smtp+starttls://user:password@host:587, or "
        "smtp://host:25 without encryption and password, on this machine.",
    )
    smtp_tls: Literal["verified", "optional"] = Field(
        default="verified",
        description="Whether mail may leave this machine without encryption: `optional` lets smtp:// name any host.",
    )
    webhook_retry_seconds: str = Field(
        default="0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400",
        description="The pause before each attempt of a webhook's delivery, with commas; up to 20.",
    )
    webhook_timeout_seconds: Annotated[int, Field(ge=1, le=30)] = Field(
        default=20, description="How long an attempt of a webhook's delivery may take."
    )
    webhook_disable_after_days: Annotated[float, Field(gt=0, le=365)] = Field(
        default=5, description="A webhook to which nothing has got through for so long is disabled."
    )
    webhook_secret_overlap_seconds: Seconds = Field(
        default=86_400, description="How long a webhook's secret stays good beside the one that replaces it."
    )
    webhook_secret_keys: str = Field(
        default="",
        description="Secrets of at least 32 characters that encrypt the signing secrets of webhooks where they are "
        "stored, with commas: the first encrypts, all decrypt; left out, LINK_SIGNING_KEY does.",
    )
    webhook_local_origins: str = Field(
        default="",
        description="Origins on this machine to which webhooks may go, for local development, with commas, such as "
        "http://127.0.0.1:9000; refused anywhere else.",
    )
    webhook_ownerless_days: Annotated[float, Field(gt=0, le=365)] = Field(
        default=14, description="A webhook whose owner has left is disabled after so long without another Admin."
    )
    max_webhooks_per_tenant: Quota = Field(default=20, description="How many webhooks a tenant may have.")

    telemetry_exporter: Literal["none", "otlp", "azure-monitor"] = Field(
        default="none", description="Where traces and metrics go besides `/ops/metrics`; see docs/telemetry.md."
    )
    otel_exporter_otlp_endpoint: str = Field(
        default="", description="With otlp: base URL of the collector, such as http://localhost:4318; HTTP, protobuf."
    )
    applicationinsights_connection_string: str = Field(
        default="", description="With azure-monitor: connection string of Application Insights."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_storage(self)
        if not self.source_url:
            raise ValueError("SOURCE_URL is not set; give sqlite:///path or postgresql://user:password@host/db")
        check_access(self)
        for origin in self.local_origins:
            if not _LOCAL_ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"WEBHOOK_LOCAL_ORIGINS names '{origin[:80]}'; a local origin looks like http://127.0.0.1:9000"
                )
        check_pauses(self)
        for key in items(self.webhook_secret_keys):
            check_key("WEBHOOK_SECRET_KEYS", key)
        if self.telemetry_exporter == "otlp" and urlsplit(self.otel_exporter_otlp_endpoint).scheme not in _WEB:
            raise ValueError(
                "OTEL_EXPORTER_OTLP_ENDPOINT must be an http or https address, for TELEMETRY_EXPORTER=otlp needs it, "
                f"got '{self.otel_exporter_otlp_endpoint[:80]}'; give one such as http://localhost:4318"
            )
        if self.telemetry_exporter == "azure-monitor" and not self.applicationinsights_connection_string:
            raise ValueError(
                "APPLICATIONINSIGHTS_CONNECTION_STRING is not set, and TELEMETRY_EXPORTER=azure-monitor needs it"
            )
        check_mail(self)
        return self

    @property
    def local_origins(self) -> frozenset[str]:
        """``WEBHOOK_LOCAL_ORIGINS``, one by one."""
        return frozenset(items(self.webhook_local_origins))

    @property
    def webhook_pauses(self) -> tuple[float, ...]:
        """``WEBHOOK_RETRY_SECONDS``, one by one."""
        return tuple(float(pause) for pause in self.webhook_retry_seconds.split(","))


def sealing_keys(settings: Settings) -> tuple[str, ...]:
    """What encrypts secrets that are stored, first the one that encrypts new ones.

    The keys that sign links are the last, so that they can be replaced by keys of their own.
    """
    return (*items(settings.webhook_secret_keys), *settings.signing_keys)


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Check an environment and give the settings in it. Raises ``SettingsError`` that names each wrong variable.

    In local development without a signing key one is made; see ``shared/settings/development_key.py``.
    """
    values = {name.lower(): value for name, value in environment.items() if value != ""}
    mode = values.get("auth_mode", "")
    wrong = [mode_refused(mode, environment)]
    old = values.pop("jwt_directories", "")
    if old and values.setdefault("allowed_directories", old) != old:
        wrong.append("JWT_DIRECTORIES is the old name of ALLOWED_DIRECTORIES, and both are set; leave the old one out")
    if not wrong[0]:
        values["auth_mode"] = mode or "dev"
    try:
        if "link_signing_key" not in values and is_local_development(environment):
            values["link_signing_key"] = development_key(data_folder(environment))
        settings = Settings.model_validate(values)
        wrong += wrong_here(settings, environment)
        if in_clear_text(settings.azurewebjobsstorage) and not is_local_development(environment):
            wrong.append("AzureWebJobsStorage would send files without encryption; give https endpoints")
    except ValidationError as error:
        wrong += [_sentence(e["loc"], e["msg"]) for e in error.errors()]
    if any(wrong):
        raise SettingsError("; ".join(filter(None, wrong)))
    return settings


@cache
def settings() -> Settings:
    """The settings of this process."""
    return settings_from(os.environ)


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    text = message.removeprefix("Value error, ")
    return f"{'.'.join(map(str, location)).upper()}: {text}" if location else text
