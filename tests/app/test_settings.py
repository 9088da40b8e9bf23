"""Settings: checked as a whole, each wrong one named, every one documented."""

import re
import secrets

import pytest

from demo.stack import bare_settings
from shared.errors import SettingsError
from shared.settings import settings_from

RIGHT = bare_settings("UseDevelopmentStorage=true")
KEYS = (secrets.token_urlsafe(32), secrets.token_urlsafe(32))

ON_AZURE = {
    "AZURE_FUNCTIONS_ENVIRONMENT": "",
    "AUTH_MODE": "jwt",
    "JWT_ISSUER": "https://a.example",
    "JWT_AUDIENCE": "b",
}
AZURE = {"WEBSITE_INSTANCE_ID": "0123", "PUBLIC_URL": "https://exports.example.com"}
JWT = {"AUTH_MODE": "jwt", "JWT_ISSUER": "https://login.example.com", "JWT_AUDIENCE": "api://sluice"}


@pytest.mark.parametrize(
    "changes",
    [
        JWT,
        JWT | {"JWT_ISSUER": "http://127.0.0.1:8080", "JWT_JWKS_URL": "http://localhost:8080/keys"},
        JWT | AZURE | {"SERVICE_TOKENS": "true"},
        AZURE | {"AUTH_MODE": "easyauth", "WEBSITE_AUTH_ENABLED": "True"},
        {"AUTH_MODE": "dev", "SERVICE_TOKENS": "1"},
    ],
    ids=str,
)
def test_a_way_to_sign_in_is_taken(changes: dict[str, str]) -> None:
    """Also on Azure; plain http only on this machine."""
    assert settings_from(RIGHT | changes).auth_mode == changes["AUTH_MODE"]


def test_three_settings_are_enough() -> None:
    """Everything else has a default."""
    settings = settings_from(RIGHT)
    assert (settings.part_rows, settings.notify_after_seconds, settings.notify_grace_seconds) == (50_000, 45, 120)
    assert (settings.auth_mode, settings.mail_transport, settings.retention_days) == ("dev", "outbox", 7)


def test_the_pauses_of_a_delivery_are_those_of_standard_webhooks() -> None:
    """Ten attempts over three days; and spaces do not count."""
    settings = settings_from(RIGHT | {"WEBHOOK_LOCAL_ORIGINS": "http://127.0.0.1:9000, http://[::1]:80"})
    assert settings.webhook_retry_seconds == (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
    assert settings.webhook_local_origins == {"http://127.0.0.1:9000", "http://[::1]:80"}


def test_a_managed_identity_needs_no_connection_string() -> None:
    """The service URIs stand in for it."""
    uris = {
        "AzureWebJobsStorage__blobServiceUri": "https://a.blob.core.windows.net",
        "AzureWebJobsStorage__tableServiceUri": "https://a.table.core.windows.net",
    }
    settings = settings_from({**RIGHT, "AzureWebJobsStorage": "", **uris})
    assert settings.azurewebjobsstorage__blobserviceuri == "https://a.blob.core.windows.net"


@pytest.mark.parametrize(
    "changes",
    [
        {"MAIL_TRANSPORT": "smtp", "SMTP_URL": "smtp://[::1]:25"},
        {"MAIL_TRANSPORT": "smtp", "SMTP_URL": "smtp://relay.example.com", "SMTP_TLS": "optional"},
        {"AzureWebJobsStorage": "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=b"},
        {
            "AzureWebJobsStorage": "AccountName=a;AccountKey=b;BlobEndpoint=http://127.0.0.1:1/a;TableEndpoint=http://[::1]:2/a"
        },
        {
            "AzureWebJobsStorage": "AccountName=a;AccountKey=b;BlobEndpoint=http://azurite:1/a;TableEndpoint=http://azurite:2/a",
            "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        },
    ],
    ids=str,
)
def test_what_stays_on_this_machine_needs_no_encryption(changes: dict[str, str]) -> None:
    """Nor what a setting allows, nor a developer's emulator in a container."""
    assert settings_from(RIGHT | changes).source_tls == "verified"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"AzureWebJobsStorage": ""}, "AzureWebJobsStorage is not set; give a connection string"),
        ({"AzureWebJobsStorage": "mystorage"}, "AzureWebJobsStorage is no connection string of a storage account"),
        ({"AzureWebJobsStorage": "AccountName=a;AccountKey="}, "AzureWebJobsStorage is no connection string"),
        ({"PUBLIC_URL": "exports.example.com"}, "PUBLIC_URL must be an http or https address, got 'exports.example"),
        ({"PUBLIC_URL": "https://"}, "PUBLIC_URL must be an http or https address, got 'https://'"),
        ({"MAIL_TRANSPORT": "acs", "ACS_CONNECTION_STRING": "key"}, "ACS_CONNECTION_STRING is no connection string"),
        ({"SOURCE_URL": ""}, "SOURCE_URL is not set; give sqlite:///path or postgresql://"),
        ({"LINK_SIGNING_KEY": "short"}, "LINK_SIGNING_KEY has 5 characters and needs at least 32"),
        (
            {"LINK_SIGNING_KEY": "", "AZURE_FUNCTIONS_ENVIRONMENT": ""},
            "LINK_SIGNING_KEY has 0 characters and needs at least 32",
        ),
        ({"MAIL_TRANSPORT": "acs"}, "MAIL_TRANSPORT=acs needs ACS_ENDPOINT, for the app's identity, or ACS_CONNECTION"),
        ({"MAIL_TRANSPORT": "pigeon"}, "MAIL_TRANSPORT: Input should be 'acs', 'smtp' or 'outbox'"),
        ({"MAIL_TRANSPORT": "smtp"}, "SMTP_URL is not set or not the address of a mail server; give smtps://"),
        ({"MAIL_TRANSPORT": "smtp", "SMTP_URL": "mail.example.com"}, "SMTP_URL is not set or not the address"),
        ({"MAIL_TRANSPORT": "smtp", "SMTP_URL": "smtps://host:99999"}, "SMTP_URL is not set or not the address"),
        ({"MAIL_TRANSPORT": "smtp", "SMTP_URL": "smtp://u:p@host"}, "SMTP_URL would send a password without"),
        ({"MAIL_TRANSPORT": "smtp", "SMTP_URL": "smtp://mail.example.com"}, "SMTP_URL would send mails, with their"),
        ({"MAIL_TRANSPORT": "smtp", "SMTP_URL": "smtp://127.0.0.1.example.com:25"}, "SMTP_URL would send mails"),
        ({"SOURCE_TLS": "off"}, "SOURCE_TLS: Input should be 'verified' or 'optional'"),
        (
            ON_AZURE | {"AzureWebJobsStorage": "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=b"},
            "without encrypt",
        ),
        (
            ON_AZURE
            | {
                "AzureWebJobsStorage": "AccountName=a;AccountKey=b;BlobEndpoint=http://a.example;TableEndpoint=https://a"
            },
            "AzureWebJobsStorage would send files without encryption; give https endpoints",
        ),
        (
            {"MAIL_TRANSPORT": "acs", "ACS_CONNECTION_STRING": "endpoint=http://a.example/;accesskey=YWJj"},
            "ACS_CONNECTION_STRING is no connection string",
        ),
        ({"EXPIRY_NOTICE_HOURS": "-1"}, "EXPIRY_NOTICE_HOURS: "),
        ({"ACS_MAILS_PER_MINUTE": "0"}, "ACS_MAILS_PER_MINUTE: "),
        ({"AUTH_MODE": "none"}, "AUTH_MODE: Input should be 'easyauth', 'jwt' or 'dev'"),
        ({"AUTH_MODE": "jwt"}, "JWT_ISSUER is not set, and AUTH_MODE=jwt needs it"),
        (JWT | {"JWT_AUDIENCE": ""}, "JWT_AUDIENCE is not set, and AUTH_MODE=jwt needs it"),
        (JWT | {"JWT_ISSUER": "http://login.example.com"}, "JWT_ISSUER must be an https address, got 'http://login"),
        (JWT | {"JWT_ISSUER": "login.example.com"}, "JWT_ISSUER must be an https address"),
        (JWT | {"JWT_JWKS_URL": "file:///etc/passwd"}, "JWT_JWKS_URL must be an https address"),
        (
            JWT | {"JWT_ISSUER": "https://login.example.com/{tenantid}"},
            "ALLOWED_DIRECTORIES and {tenantid} in JWT_ISSUER go",
        ),
        (JWT | {"JWT_DIRECTORIES": "a,b"}, "ALLOWED_DIRECTORIES and {tenantid} in JWT_ISSUER go together: name the"),
        (JWT | {"JWT_LEEWAY_SECONDS": "301"}, "JWT_LEEWAY_SECONDS: Input should be less than or equal to 300"),
        ({"AUTH_MODE": "easyauth"}, "AUTH_MODE=easyauth believes a header that anybody can send unless"),
        ({"AUTH_MODE": "easyauth", "WEBSITE_AUTH_ENABLED": "False"}, "(WEBSITE_AUTH_ENABLED is not true)"),
        (JWT | {"SERVICE_TOKENS": "true"}, "SERVICE_TOKENS needs a host that asks for function keys"),
        ({"CORS_ORIGINS": "https://a.example, *"}, "CORS_ORIGINS names '*'; an origin looks like https://"),
        ({"CORS_ORIGINS": "https://a.example/"}, "CORS_ORIGINS names 'https://a.example/'"),
        ({"WEBHOOK_RETRY_SECONDS": "soon"}, "WEBHOOK_RETRY_SECONDS takes 1 to 20 numbers of seconds up to 86,400 with"),
        ({"WEBHOOK_RETRY_SECONDS": "0,,5"}, "with commas, got '0,,5'"),
        ({"WEBHOOK_RETRY_SECONDS": "0,-1"}, "with commas, got '0,-1'"),
        ({"WEBHOOK_RETRY_SECONDS": "0,nan"}, "with commas, got '0,nan'"),
        ({"WEBHOOK_RETRY_SECONDS": "86401"}, "with commas, got '86401'"),
        ({"WEBHOOK_RETRY_SECONDS": ",".join("0" * 21)}, "WEBHOOK_RETRY_SECONDS takes 1 to 20 numbers"),
        (
            {"WEBHOOK_SECRET_KEYS": "4b7Vq0mXw2ZtR9sYcE1uKp8HdLgJf5NaTiSoBxQz,short"},
            "WEBHOOK_SECRET_KEYS has 5 characters and needs at least 32",
        ),
        ({"WEBHOOK_SECRET_KEYS": "k" * 32}, "WEBHOOK_SECRET_KEYS can be guessed"),
        ({"WEBHOOK_TIMEOUT_SECONDS": "31"}, "WEBHOOK_TIMEOUT_SECONDS: Input should be less than or equal to 30"),
        ({"WEBHOOK_DISABLE_AFTER_DAYS": "0"}, "WEBHOOK_DISABLE_AFTER_DAYS: "),
        ({"WEBHOOK_LOCAL_ORIGINS": "http://10.0.0.1:9000"}, "WEBHOOK_LOCAL_ORIGINS names 'http://10.0.0.1:9000'"),
        ({"WEBHOOK_LOCAL_ORIGINS": "http://127.0.0.1"}, "a local origin looks like http://127.0.0.1:9000"),
        ({"WEBHOOK_LOCAL_ORIGINS": "http://localhost:9,x"}, "WEBHOOK_LOCAL_ORIGINS names 'x'"),
        (
            JWT | {"WEBHOOK_LOCAL_ORIGINS": "http://127.0.0.1:9000", "WEBSITE_INSTANCE_ID": "0123"},
            "WEBHOOK_LOCAL_ORIGINS is for development on one machine, and refused on Azure",
        ),
        ({"SERVICE_TOKENS": "perhaps"}, "SERVICE_TOKENS: Input should be a valid boolean"),
        ({"PART_ROWS": "0"}, "PART_ROWS: Input should be greater than or equal to 1"),
        ({"PART_ROWS": "many"}, "PART_ROWS: Input should be a valid integer"),
        ({"PARTS_IN_FLIGHT": "101"}, "PARTS_IN_FLIGHT: Input should be less than or equal to 100"),
        ({"PART_ATTEMPTS": "0"}, "PART_ATTEMPTS: "),
        ({"RETRY_FIRST_SECONDS": "0"}, "RETRY_FIRST_SECONDS: Input should be greater than 0"),
        ({"NOTIFY_AFTER_SECONDS": "-1"}, "NOTIFY_AFTER_SECONDS: "),
        ({"NOTIFY_GRACE_SECONDS": "1.5"}, "NOTIFY_GRACE_SECONDS: "),
        ({"RETENTION_DAYS": "0"}, "RETENTION_DAYS: "),
        ({"RETENTION_DAYS": "nan"}, "RETENTION_DAYS: "),
        ({"RETENTION_DAYS": "inf"}, "RETENTION_DAYS: "),
        ({"RECORD_RETENTION_DAYS": "-1"}, "RECORD_RETENTION_DAYS: "),
        ({"RECORD_RETENTION_DAYS": "1e9"}, "RECORD_RETENTION_DAYS: "),
    ],
    ids=str,
)
def test_a_wrong_setting_is_named(changes: dict[str, str], message: str) -> None:
    """With what is valid."""
    with pytest.raises(SettingsError, match=re.escape(message)):
        settings_from(RIGHT | changes)


def test_checks_of_one_setting_do_not_hide_each_other() -> None:
    """A wrong address, a wrong origin and a weak key are told together, whatever else is wrong."""
    with pytest.raises(SettingsError) as caught:
        settings_from(RIGHT | {"PUBLIC_URL": "x", "CORS_ORIGINS": "*", "LINK_SIGNING_KEY": "short", "SOURCE_URL": ""})
    assert all(name in str(caught.value) for name in ("PUBLIC_URL", "CORS_ORIGINS", "LINK_SIGNING_KEY", "SOURCE_URL"))


def test_every_wrong_setting_is_named_at_once() -> None:
    """Not one after the other, deployment after deployment."""
    with pytest.raises(SettingsError) as caught:
        settings_from(RIGHT | {"PART_ROWS": "0", "RETENTION_DAYS": "x", "MAIL_TRANSPORT": "y"})
    assert all(name in str(caught.value) for name in ("PART_ROWS", "RETENTION_DAYS", "MAIL_TRANSPORT"))


def test_a_wrong_setting_does_not_show_a_secret() -> None:
    """The key stays out of the message, and so does a database's password."""
    with pytest.raises(SettingsError) as caught:
        settings_from(
            RIGHT | {"LINK_SIGNING_KEY": "hunter2", "SOURCE_URL": "postgresql://u:pa55@h/d", "PART_ROWS": "0"}
        )
    assert "hunter2" not in str(caught.value)
    assert "pa55" not in str(caught.value)


@pytest.mark.parametrize("changes", [{}, {"AUTH_MODE": "dev"}])
def test_dev_mode_is_refused_on_azure(changes: dict[str, str]) -> None:
    """Wherever the platform has set WEBSITE_INSTANCE_ID, also when nobody chose a mode."""
    with pytest.raises(SettingsError, match="AUTH_MODE=dev signs tokens for anybody who asks and is refused on Azure"):
        settings_from(RIGHT | changes | {"WEBSITE_INSTANCE_ID": "0123"})


def test_lists_are_read_once() -> None:
    """Every list with commas is a list in the settings already; spaces and empty items do not count."""
    environment = {
        "CORS_ORIGINS": " https://a.example ,, https://b.example:8443",
        "RETENTION_DAYS_BY_TENANT": "acme=30, acme/sessions=90",
        "WEBHOOK_SECRET_KEYS": f"{KEYS[0]}, {KEYS[1]}",
        "LINK_SIGNING_KEYS_ACCEPTED": KEYS[1],
    }
    settings = settings_from(RIGHT | environment)
    assert settings.cors_origins == {"https://a.example", "https://b.example:8443"}
    assert settings.retention_days_by_tenant == {"acme": 30, "acme/sessions": 90}
    assert settings.signing_keys == (RIGHT["LINK_SIGNING_KEY"], KEYS[1])
    assert settings.sealing_keys == (*KEYS, *settings.signing_keys)
