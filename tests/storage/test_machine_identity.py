"""The app's own identity: the right one is asked for, for the right service, and a token opens the real emulator."""

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from demo import azurite_server
from demo.stack import bare_settings
from shared.audit import verify as verifying
from shared.audit.log import AuditLog
from shared.errors import SettingsError, StorageUnavailable
from shared.identity import machine
from shared.notifications.mail import transport_for
from shared.notifications.mail.base import MailNotAccepted, MailRefused
from shared.settings import Settings, settings_from
from shared.storage import sas
from shared.storage.accounts import blob_service, table_service
from shared.storage.blobs import BlobStore
from tests.mail.fake_acs import MESSAGE, fake_acs
from tests.storage.fake_identity import FakeIdentity, access_token, fake_identity

CLIENT = "11111111-2222-3333-4444-555555555555"
RESOURCE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/sluice"
STORAGE = "https://storage.azure.com"
MAIL = "https://communication.azure.com"
OTHERS = bare_settings("")
URIS = {
    "AzureWebJobsStorage__blobServiceUri": "https://account.blob.core.windows.net",
    "AzureWebJobsStorage__queueServiceUri": "https://account.queue.core.windows.net",
    "AzureWebJobsStorage__tableServiceUri": "https://account.table.core.windows.net",
}
USER_ASSIGNED = {
    "AzureWebJobsStorage__credential": "managedidentity",
    "AzureWebJobsStorage__clientId": CLIENT,
}


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeIdentity]:
    """The platform's endpoint, in the environment of this process; nothing was asked of it before."""
    machine._made.cache_clear()
    monkeypatch.delenv("AZURE_FUNCTIONS_ENVIRONMENT", raising=False)
    monkeypatch.delenv("AZURE_CLIENT_ID", raising=False)
    with fake_identity() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running
    machine._made.cache_clear()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authority of a test, and a certificate of 127.0.0.1: tokens go over TLS only."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    return folder


@pytest.fixture(scope="module")
def account(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Settings of an account that takes tokens: the emulator, which checks their audience, issuer and times."""
    options = ["--oauth", "basic", "--cert", str(certificates / "cert.pem"), "--key", str(certificates / "key.pem")]
    with azurite_server.running(tmp_path_factory.mktemp("emulator"), options=options) as emulator:
        yield {
            "AzureWebJobsStorage__blobServiceUri": f"https://127.0.0.1:{emulator.blob_port}/{emulator.account}",
            "AzureWebJobsStorage__tableServiceUri": f"https://127.0.0.1:{emulator.table_port}/{emulator.account}",
        }


@pytest.fixture
def trusted(certificates: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The authority, believed by this process."""
    path = str(certificates / "authority.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", path)
    return path


def settings(*changes: dict[str, str]) -> Settings:
    """Settings with these."""
    merged: dict[str, str] = {}
    for change in changes:
        merged |= change
    return settings_from(OTHERS | merged)


def test_files_records_and_urls_need_no_key(identity: FakeIdentity, account: dict[str, str], trusted: str) -> None:
    """A user-assigned identity writes a blob and a row; a URL that its delegation key signs reads the blob, only it."""
    known = settings(account, USER_ASSIGNED)
    store = BlobStore(blob_service(known, "request"))
    store.prepare()
    store.put("acme/1/file.csv", b"id\r\n1\r\n", "text/csv")
    AuditLog(table_service(known, "request")).prepare()
    assert identity.asked == [{"api-version": "2019-08-01", "resource": STORAGE, "client_id": CLIENT}]

    url, _ = store.read_url("acme/1/file.csv", timedelta(minutes=10), download_as="é.csv")
    answer = requests.get(url, verify=trusted, timeout=30)
    assert (answer.status_code, answer.content) == (200, b"id\r\n1\r\n")
    assert "attachment" in answer.headers["Content-Disposition"]
    assert requests.get(url.replace("file.csv?", "other.csv?"), verify=trusted, timeout=30).status_code == 403
    assert requests.delete(url, verify=trusted, timeout=30).status_code == 403
    assert len(identity.asked) == 1


def test_one_delegation_key_signs_for_an_hour(
    identity: FakeIdentity, account: dict[str, str], trusted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for again only when a URL would outlive it."""
    service = blob_service(settings(account, USER_ASSIGNED), "request")
    ends: list[Any] = []
    fetch = service.get_user_delegation_key

    def counted(start: Any, end: Any) -> Any:
        ends.append(end)
        return fetch(start, end)

    monkeypatch.setattr(service, "get_user_delegation_key", counted)
    monkeypatch.setattr(sas, "_keys", {})
    store = BlobStore(service)
    urls = [store.read_url(f"acme/1/{number}", timedelta(minutes=10)) for number in range(20)]
    assert len(ends) == 1
    assert all(expires <= ends[0] for _, expires in urls)
    _, expires = store.read_url("acme/1/long", timedelta(hours=2))
    assert ends[1:] == [expires]


@pytest.mark.parametrize(
    ("names", "asked"),
    [
        ({}, {}),
        ({"AzureWebJobsStorage__credential": "managedidentity"}, {}),
        (USER_ASSIGNED, {"client_id": CLIENT}),
        ({"AzureWebJobsStorage__clientId": CLIENT}, {"client_id": CLIENT}),
        ({"AZURE_CLIENT_ID": CLIENT}, {"client_id": CLIENT}),
        (USER_ASSIGNED | {"AZURE_CLIENT_ID": "another"}, {"client_id": CLIENT}),
        ({"AzureWebJobsStorage__managedIdentityResourceId": RESOURCE}, {"mi_res_id": RESOURCE}),
    ],
    ids=str,
)
def test_the_identity_that_is_asked_for(identity: FakeIdentity, names: dict[str, str], asked: dict[str, str]) -> None:
    """The system's own, or the one that is named; for storage and mail alike, each under its own audience."""
    known = settings(URIS, names, {"MAIL_TRANSPORT": "acs", "ACS_ENDPOINT": "https://a.communication.azure.com"})
    token = machine.credential(known)
    assert token is machine.credential(known)
    token.get_token(f"{STORAGE}/.default")
    token.get_token(f"{MAIL}//.default")
    token.get_token(f"{STORAGE}/.default")
    assert [{**q, "resource": q["resource"].rstrip("/")} for q in identity.asked] == [
        {"api-version": "2019-08-01", "resource": resource, **asked} for resource in (STORAGE, MAIL)
    ]


def test_the_name_of_an_account_is_enough(identity: FakeIdentity) -> None:
    """The documented short form; a URI in its place wins, as in the host."""
    known = settings({"AzureWebJobsStorage__accountName": "account"})
    assert blob_service(known, "request").url == "https://account.blob.core.windows.net/"
    assert table_service(known, "request").url == "https://account.table.core.windows.net"
    other = settings(
        {"AzureWebJobsStorage__accountName": "account"}, {name: v.replace("acc", "b") for name, v in URIS.items()}
    )
    assert blob_service(other, "request").url == "https://bount.blob.core.windows.net/"
    assert identity.asked == []


def test_a_developer_is_themselves() -> None:
    """On their machine whatever they have signed in to counts, unless the settings insist on the managed identity."""
    here = {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"}
    kinds = [type(machine.credential(settings(URIS, more), here)).__name__ for more in ({}, USER_ASSIGNED)]
    assert kinds == ["DefaultAzureCredential", "ManagedIdentityCredential"]


@pytest.fixture
def audit_log(identity: FakeIdentity, account: dict[str, str], trusted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator has a log without an entry, and the environment of this process names the account."""
    AuditLog(table_service(settings(account), "request")).prepare()
    for name, value in account.items():
        monkeypatch.setenv(name, value)
    machine._made.cache_clear()
    identity.asked.clear()


@pytest.mark.usefixtures("audit_log")
def test_the_audit_log_is_verified_as_the_app(identity: FakeIdentity, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the app runs, such as in its console: by the identity that the app's settings name."""
    monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)
    assert verifying.main([]) == 0
    assert identity.asked == [{"api-version": "2019-08-01", "resource": STORAGE, "client_id": CLIENT}]


@pytest.mark.usefixtures("audit_log")
def test_the_audit_log_is_verified_by_whoever_is_signed_in(
    identity: FakeIdentity, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On an operator's own machine, which no variable has to call one: as ``az login`` says."""
    for name in identity.environment:
        monkeypatch.delenv(name)
    token, expires = access_token(STORAGE)
    answer = json.dumps({"accessToken": token, "expires_on": expires, "tokenType": "Bearer"})
    (tmp_path / "az").write_text(f"#!/bin/sh\necho \"$@\" >> {tmp_path}/asked\necho '{answer}'\n")
    (tmp_path / "az").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")
    assert verifying.main([]) == 0
    assert f"--resource {STORAGE}" in (tmp_path / "asked").read_text()
    assert identity.asked == []


def test_an_identity_that_gives_no_token_is_an_outage(
    identity: FakeIdentity, account: dict[str, str], trusted: str, tmp_path: Path
) -> None:
    """It may be there in a minute: storage is away, and a mail is tried again, not dropped."""
    identity.status = 400
    known = settings(account, USER_ASSIGNED, {"MAIL_TRANSPORT": "acs", "ACS_ENDPOINT": "https://127.0.0.1:9"})
    with pytest.raises(StorageUnavailable, match="identity got no token"):
        BlobStore(blob_service(known, "request")).get("x")
    with pytest.raises(MailNotAccepted, match="identity got no token"):
        transport_for(known).send(MESSAGE, tried_before=False)


def test_mail_goes_out_without_a_key(identity: FakeIdentity, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Under a token for the mail service; a role that is not there yet is tried again, a bad message is not."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    with fake_acs(tmp_path / "authority.pem") as server:
        known = settings(URIS, USER_ASSIGNED, {"MAIL_TRANSPORT": "acs", "ACS_ENDPOINT": f"{server.url}/"})
        transport = transport_for(known)
        transport.send(MESSAGE, tried_before=False)
        assert [operation for operation, _ in server.posts] == [MESSAGE.operation_id]
        assert server.authorizations[0].startswith("Bearer ey")
        assert [q["client_id"] for q in identity.asked_about(MAIL)] == [CLIENT]
        server.answers = [403, 400]
        with pytest.raises(MailNotAccepted, match="answers 403"):
            transport.send(MESSAGE, tried_before=False)
        with pytest.raises(MailRefused, match="refuses the message with 400"):
            transport.send(MESSAGE, tried_before=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"AzureWebJobsStorage__accountName": "My_Account"},
            "AzureWebJobsStorage__accountName is the name of a storage",
        ),
        ({"AzureWebJobsStorage__accountName": "a.evil.example/x"}, "AzureWebJobsStorage__accountName is the name"),
        (URIS | {"AzureWebJobsStorage__credential": "secret"}, "AzureWebJobsStorage__credential is managedidentity or"),
        (URIS | {"AzureWebJobsStorage__blobServiceUri": "http://a.blob.core.windows.net"}, "must be an https address"),
        (
            URIS | {"AzureWebJobsStorage__tableServiceUri": "https://a/?sig=abc"},
            "AzureWebJobsStorage__tableServiceUri must",
        ),
        (
            URIS | USER_ASSIGNED | {"AzureWebJobsStorage__managedIdentityResourceId": RESOURCE},
            "both name an identity; give one of them",
        ),
        (
            {"AzureWebJobsStorage__blobServiceUri": "https://a"},
            "AzureWebJobsStorage is not set; give a connection string",
        ),
        (
            URIS | {"MAIL_TRANSPORT": "acs"},
            "MAIL_TRANSPORT=acs needs ACS_ENDPOINT, for the app's identity, or ACS_CONN",
        ),
        (URIS | {"MAIL_TRANSPORT": "acs", "ACS_ENDPOINT": "http://a.example"}, "ACS_ENDPOINT must be an https address"),
        (
            URIS
            | {
                "MAIL_TRANSPORT": "acs",
                "ACS_ENDPOINT": "https://a",
                "ACS_CONNECTION_STRING": "endpoint=https://a;accesskey=b",
            },
            "not both",
        ),
    ],
    ids=str,
)
def test_a_wrong_setting_of_the_identity_is_named(changes: dict[str, str], message: str) -> None:
    """With what is valid, and without its value where that may be secret."""
    with pytest.raises(SettingsError, match=message) as refused:
        settings(changes)
    assert "sig=abc" not in str(refused.value)
