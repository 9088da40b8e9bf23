"""Settings by which the service reaches others: notifications, mail, webhooks and telemetry.

What leaves this machine is encrypted, unless a setting allows otherwise.
"""

import re
from collections.abc import Iterable
from email.utils import getaddresses
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from shared.identity.mail_address import mail_address
from shared.settings.environment import is_loopback
from shared.settings.fields import AtLeastOne, Items, Seconds, SettingsGroup, items, wrong
from shared.settings.keys import checked_keys
from shared.settings.storage import TokenAddress, has_names, in_clear_text

_WEB = ("http", "https")
_LOCAL_ORIGIN = re.compile(r"https?://(127\.0\.0\.1|localhost|\[::1\]):[0-9]{1,5}")
_RETRIES_LIMIT = 20
_LONGEST_PAUSE = 86_400
_OF_ACS = (frozenset({"endpoint", "accesskey"}),)


def _mailbox(text: str) -> str:
    if text and not (address := mail_address(text)):
        raise ValueError(f"takes one address such as operators@example.com, got '{text[:80]}'")
    return address if text else ""


def _acs(text: str) -> str:
    if text and (not has_names(text, _OF_ACS) or in_clear_text(text)):
        raise wrong(
            "is no connection string; one looks like endpoint=https://<name>.communication.azure.com/;accesskey=..."
        )
    return text


def _local(origins: Iterable[str]) -> frozenset[str]:
    for origin in origins:
        if not _LOCAL_ORIGIN.fullmatch(origin):
            raise wrong(f"names '{origin[:80]}'; a local origin looks like http://127.0.0.1:9000")
    return frozenset(origins)


def _pauses(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        pauses = tuple(float(pause) for pause in value.split(","))
    except ValueError:
        pauses = ()
    if not 0 < len(pauses) <= _RETRIES_LIMIT or not all(0 <= pause <= _LONGEST_PAUSE for pause in pauses):
        raise wrong(
            f"takes 1 to {_RETRIES_LIMIT} numbers of seconds up to {_LONGEST_PAUSE:,} with commas, got '{value[:80]}'"
        )
    return pauses


class NotificationSettings(SettingsGroup):
    """Who is told of exports, and when."""

    group: ClassVar[str] = "Notifications"

    notify_after_seconds: Seconds = Field(
        default=45, description="Send no mail for an export that took less than this."
    )
    notify_grace_seconds: Seconds = Field(
        default=120, description="Wait this long after completion for a download before sending the mail."
    )
    expiry_notice_hours: Annotated[float, Field(ge=0, le=8760)] = Field(
        default=24,
        description="Send an expiry reminder this many hours before an undownloaded file expires. 0 disables it.",
    )
    operator_email: Annotated[str, AfterValidator(_mailbox)] = Field(
        default="", description="Recipient of alerts about permanently failed exports. Empty: no alerts."
    )


class MailSettings(SettingsGroup):
    """How mail leaves."""

    group: ClassVar[str] = "Mail"

    mail_transport: Literal["acs", "smtp", "outbox"] = Field(
        default="outbox",
        description="How mail is sent: Azure Communication Services (acs), an SMTP server (smtp), or .eml files in a "
        "local folder (outbox).",
    )
    mail_from: str = Field(default="exports@example.com", description="Sender address of every mail.")
    mail_outbox_dir: str = Field(default=".sluice/outbox", description="Folder of the local outbox.")
    acs_endpoint: TokenAddress = Field(
        default="",
        description="With acs and a managed identity: endpoint of Azure Communication Services, such as "
        "https://<name>.communication.azure.com.",
    )
    acs_connection_string: Annotated[str, AfterValidator(_acs)] = Field(
        default="",
        description="Instead of the endpoint: connection string of Azure Communication Services, with a key.",
    )
    acs_mails_per_minute: AtLeastOne = Field(
        default=30, description="Rate limit of Azure Communication Services per minute. Further mails wait."
    )
    acs_mails_per_hour: AtLeastOne = Field(
        default=100, description="Rate limit of Azure Communication Services per hour. Further mails wait."
    )
    smtp_url: str = Field(
        default="",
        description="SMTP server: smtps://user:password@host:465, smtp+starttls://user:password@host:587, or "
        "smtp://host:25 without encryption and password.",
    )
    smtp_tls: Literal["verified", "optional"] = Field(
        default="verified",
        description="Encryption of mail to an SMTP server on another machine. `verified` requires it; `optional` "
        "allows smtp:// to any host.",
    )

    @model_validator(mode="after")
    def _has_a_way_and_a_sender(self) -> Self:
        if self.mail_transport == "acs" and bool(self.acs_connection_string) == bool(self.acs_endpoint):
            raise ValueError(
                "MAIL_TRANSPORT=acs needs ACS_ENDPOINT, for the app's identity, or ACS_CONNECTION_STRING, not both"
            )
        if self.mail_transport == "smtp":
            self._check_server()
        self._check_sender()
        return self

    def _check_sender(self) -> None:
        """One address that every server takes; without a name for Communication Services."""
        sender, alone = self.mail_from, self.mail_transport == "acs"
        found = [address for _, address in getaddresses([sender])]
        good = len(found) == 1 and sender.isprintable() and mail_address(found[0]) == found[0]
        if not good or (alone and sender != found[0]):
            named = "" if alone else " or Exports <exports@example.com>"
            raise ValueError(
                f"MAIL_FROM takes one address such as exports@example.com{named}, in ASCII, got '{sender[:80]}'"
            )

    def _check_server(self) -> None:
        wanted = "smtps://user:password@host:465, smtp+starttls://user:password@host:587 or smtp://host:25"
        parts = urlsplit(self.smtp_url)
        try:
            known = parts.scheme in ("smtps", "smtp+starttls", "smtp") and parts.hostname and parts.port != 0
        except ValueError:
            known = False
        if not known or parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError(f"SMTP_URL is not set or not the address of a mail server; give {wanted}")
        if parts.scheme == "smtp" and parts.username:
            raise ValueError("SMTP_URL would send a password without encryption; use smtps or smtp+starttls")
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        if parts.scheme == "smtp" and self.smtp_tls == "verified" and not is_loopback(host):
            raise ValueError(
                "SMTP_URL would send mails, with their links, without encryption; use smtps or smtp+starttls, or set "
                "SMTP_TLS=optional to allow it"
            )


class WebhookSettings(SettingsGroup):
    """How webhooks are delivered, and who may have them."""

    group: ClassVar[str] = "Webhooks"

    webhook_retry_seconds: Annotated[tuple[float, ...], BeforeValidator(_pauses)] = Field(
        default=(0.0, 5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0),
        description="Pauses before each delivery attempt of a webhook, in seconds, comma-separated, at most 20.",
    )
    webhook_timeout_seconds: Annotated[int, Field(ge=1, le=30)] = Field(
        default=20, description="Time limit of one webhook delivery attempt."
    )
    webhook_disable_after_days: Annotated[float, Field(gt=0, le=365)] = Field(
        default=5, description="Disable a webhook after this many days without a successful delivery."
    )
    webhook_ownerless_days: Annotated[float, Field(gt=0, le=365)] = Field(
        default=14,
        description="Disable a webhook this many days after its owner has left, unless another Admin takes it over.",
    )
    webhook_secret_overlap_seconds: Seconds = Field(
        default=86_400, description="How long the previous secret of a webhook stays valid after a rotation."
    )
    webhook_secret_keys: Annotated[Items, AfterValidator(checked_keys)] = Field(
        default=(),
        description="Comma-separated secrets of at least 32 characters that encrypt the stored signing secrets of "
        "webhooks: the first encrypts, all decrypt. Empty: `LINK_SIGNING_KEY` does.",
    )
    webhook_secrets_encrypted: bool = Field(
        default=True,
        description="Whether stored signing secrets of webhooks are encrypted. `false` stores them in plain text, as "
        "release 0.1.0 reads them: set it only while workers of that release may run.",
    )
    webhook_local_origins: Annotated[frozenset[str], BeforeValidator(items), AfterValidator(_local)] = Field(
        default=frozenset(),
        description="Comma-separated loopback origins that webhooks may call, such as http://127.0.0.1:9000. "
        "Development only.",
    )
    max_webhooks_per_tenant: AtLeastOne = Field(default=20, description="Maximum number of webhooks of a tenant.")


class TelemetrySettings(SettingsGroup):
    """Where traces and metrics go."""

    group: ClassVar[str] = "Telemetry"

    telemetry_exporter: Literal["none", "otlp", "azure-monitor"] = Field(
        default="none",
        description="Where traces and metrics are sent besides `/ops/metrics`: none, otlp or azure-monitor. See "
        "docs/reference/telemetry.md.",
    )
    otel_exporter_otlp_endpoint: str = Field(
        default="",
        description="With otlp: base URL of the collector, such as http://localhost:4318 (HTTP, protobuf).",
    )
    applicationinsights_connection_string: str = Field(
        default="", description="With azure-monitor: connection string of Application Insights."
    )

    @model_validator(mode="after")
    def _has_a_receiver(self) -> Self:
        if self.telemetry_exporter == "otlp" and urlsplit(self.otel_exporter_otlp_endpoint).scheme not in _WEB:
            raise ValueError(
                "OTEL_EXPORTER_OTLP_ENDPOINT must be an http or https address, for TELEMETRY_EXPORTER=otlp needs it, "
                f"got '{self.otel_exporter_otlp_endpoint[:80]}'; give one such as http://localhost:4318"
            )
        if self.telemetry_exporter == "azure-monitor" and not self.applicationinsights_connection_string:
            raise ValueError(
                "APPLICATIONINSIGHTS_CONNECTION_STRING is not set, and TELEMETRY_EXPORTER=azure-monitor needs it"
            )
        return self
