"""Settings by which the service reaches others, checked: storage, mail, and when a webhook is tried again.

Each raises ``ValueError`` that names the setting, with what is valid. What leaves this machine is encrypted.
"""

from collections.abc import Sequence
from email.utils import getaddresses
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.identity import machine
from shared.identity.mail_address import mail_address
from shared.settings.environment import is_loopback

if TYPE_CHECKING:
    from shared.settings import Settings

_RETRIES_LIMIT = 20
_LONGEST_PAUSE = 86_400
_OF_STORAGE = (
    frozenset({"usedevelopmentstorage"}),
    frozenset({"accountname", "accountkey"}),
    frozenset({"blobendpoint", "tableendpoint"}),
    frozenset({"accountname", "sharedaccesssignature"}),
)
_OF_ACS = (frozenset({"endpoint", "accesskey"}),)


def check_storage(settings: "Settings") -> None:
    """The storage account, by a connection string or for the app's identity."""
    named = settings.azurewebjobsstorage__accountname or (
        settings.azurewebjobsstorage__blobserviceuri and settings.azurewebjobsstorage__tableserviceuri
    )
    if not settings.azurewebjobsstorage and not named:
        raise ValueError(
            "AzureWebJobsStorage is not set; give a connection string, or for a managed identity "
            "AzureWebJobsStorage__accountName, or AzureWebJobsStorage__blobServiceUri and __tableServiceUri"
        )
    machine.check(settings)
    if settings.azurewebjobsstorage and not _names(settings.azurewebjobsstorage, _OF_STORAGE):
        raise ValueError(
            "AzureWebJobsStorage is no connection string of a storage account; one looks like "
            "DefaultEndpointsProtocol=https;AccountName=...;AccountKey=... (or UseDevelopmentStorage=true)"
        )


def check_mail(settings: "Settings") -> None:
    """The way that mail takes."""
    if settings.mail_transport == "acs" and bool(settings.acs_connection_string) == bool(settings.acs_endpoint):
        raise ValueError(
            "MAIL_TRANSPORT=acs needs ACS_ENDPOINT, for the app's identity, or ACS_CONNECTION_STRING, not both"
        )
    if settings.mail_transport == "smtp":
        _check_mail_server(settings)
    _check_sender(settings.mail_from, alone=settings.mail_transport == "acs")
    acs = settings.acs_connection_string
    if acs and (not _names(acs, _OF_ACS) or in_clear_text(acs)):
        raise ValueError(
            "ACS_CONNECTION_STRING is no connection string; one looks like "
            "endpoint=https://<name>.communication.azure.com/;accesskey=..."
        )


def _check_sender(sender: str, *, alone: bool) -> None:
    """One address that every server takes; ``alone``: without a name, as Communication Services has it."""
    found = [address for _, address in getaddresses([sender])]
    good = len(found) == 1 and sender.isprintable() and mail_address(found[0]) == found[0]
    if not good or (alone and sender != found[0]):
        named = "" if alone else " or Exports <exports@example.com>"
        raise ValueError(
            f"MAIL_FROM takes one address such as exports@example.com{named}, in ASCII, got '{sender[:80]}'"
        )


def _check_mail_server(settings: "Settings") -> None:
    wanted = "smtps://user:password@host:465, smtp+starttls://user:password@host:587 or smtp://host:25"
    parts = urlsplit(settings.smtp_url)
    try:
        known = parts.scheme in ("smtps", "smtp+starttls", "smtp") and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"SMTP_URL is not set or not the address of a mail server; give {wanted}")
    if parts.scheme == "smtp" and parts.username:
        raise ValueError("SMTP_URL would send a password without encryption; use smtps or smtp+starttls")
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    if parts.scheme == "smtp" and settings.smtp_tls == "verified" and not is_loopback(host):
        raise ValueError(
            "SMTP_URL would send mails, with their links, without encryption; use smtps or smtp+starttls, or set "
            "SMTP_TLS=optional to allow it"
        )


def check_pauses(settings: "Settings") -> None:
    """The pauses between the attempts of a webhook's delivery."""
    try:
        good = all(0 <= pause <= _LONGEST_PAUSE for pause in settings.webhook_pauses)
    except ValueError:
        good = False
    if not good or len(settings.webhook_pauses) > _RETRIES_LIMIT:
        raise ValueError(
            f"WEBHOOK_RETRY_SECONDS takes 1 to {_RETRIES_LIMIT} numbers of seconds up to {_LONGEST_PAUSE:,} with "
            f"commas, got '{settings.webhook_retry_seconds[:80]}'"
        )


def in_clear_text(connection_string: str) -> bool:
    """Whether a connection string sends what is stored, unencrypted, to another machine."""
    pairs = (pair.partition("=") for pair in connection_string.split(";"))
    named = {name.strip().lower(): value.strip() for name, _, value in pairs}
    addresses = [value for name, value in named.items() if name.endswith(("endpoint", "proxyuri"))]
    if not addresses and "accountname" in named:
        return named.get("defaultendpointsprotocol", "https").lower() != "https"
    return any(urlsplit(a).scheme != "https" and not is_loopback(urlsplit(a).netloc) for a in addresses)


def _names(connection_string: str, wanted: Sequence[frozenset[str]]) -> bool:
    """Whether a connection string has the names of one of these sets."""
    pairs = (pair.partition("=") for pair in connection_string.split(";") if pair.strip())
    names = {name.strip().lower() for name, _, value in pairs if value}
    return any(one <= names for one in wanted)
