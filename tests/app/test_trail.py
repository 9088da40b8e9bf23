"""What goes into the audit log: every function is decided on, and an address is one that the platform gave."""

import logging
from collections import OrderedDict
from collections.abc import Iterator

import pytest
from azure.functions import HttpRequest

from demo import processes
from shared.api.operations import Access
from shared.audit import recorder
from shared.audit.log import ACTIONS as KNOWN
from shared.audit.log import AuditEntry
from shared.audit.recorder import address_of, asks_for, begin, called_by, entry_of, hand_out, write_down
from shared.errors import StorageUnavailable
from shared.identity.caller import demo_caller
from shared.settings import settings
from tests.app.test_settings import RIGHT
from triggers.http.operation import operations


def test_every_operation_declares_a_known_action_or_none() -> None:
    """And only what is open to everybody, or the same for everybody, has none."""
    assert {call.audit for call in operations() if call.audit} <= set(KNOWN)
    unaudited = {call.function for call in operations() if call.audit is None and call.access is not Access.PUBLIC}
    assert unaudited == {"export_types", "metrics_page"}


@pytest.mark.parametrize(
    ("header", "proxies", "address"),
    [
        ("192.0.2.1", 0, "192.0.2.1"),
        ("192.0.2.1:50123", 0, "192.0.2.1"),
        ("6.6.6.6, 192.0.2.1:50123", 0, "192.0.2.1"),
        ("6.6.6.6, 192.0.2.1, 10.0.0.1:443", 1, "192.0.2.1"),
        ("2001:db8::1", 0, "2001:db8::1"),
        ("[2001:db8::1]:50123", 0, "2001:db8::1"),
        ("192.0.2.1", 1, ""),
        ("<script>", 0, ""),
        ("", 0, ""),
    ],
)
def test_an_address_is_the_platforms_own_word(header: str, proxies: int, address: str) -> None:
    """The last entry, or the one before our proxies: what is further left, the caller may have sent."""
    assert address_of({"x-forwarded-for": header}, proxies) == address


@pytest.fixture
def storage_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The settings of a service whose storage account does not answer."""
    away = f"http://127.0.0.1:{processes.free_port()}/away"
    account = f"AccountName=away;AccountKey=YXdheQ==;BlobEndpoint={away};TableEndpoint={away}"
    for name, value in (RIGHT | {"AzureWebJobsStorage": account}).items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    yield
    settings.cache_clear()


def entry(action: str, status: int) -> AuditEntry:
    """An entry that cannot be written."""
    return AuditEntry("acme", "2026-03-01T12:00:00.000Z", action, status, "ada", "Ada", "", "", "r-1", "e1")


@pytest.mark.usefixtures("storage_away")
def test_no_file_is_handed_out_without_an_entry(caplog: pytest.LogCaptureFixture) -> None:
    """What has been done is done, and is told to the application's log; a download has not gone out yet."""
    request = HttpRequest("GET", "/api/exports/e1/download", body=b"")
    trail = begin("downloaded", request, "r-1")
    with pytest.raises(RuntimeError, match="somebody who is known"):
        hand_out(302)
    called_by(demo_caller("ada"))
    with pytest.raises(StorageUnavailable):
        hand_out(302)
    assert not trail.handed_out
    for action, status in (("downloaded", 404), ("cancelled", 202)):
        caplog.clear()
        with caplog.at_level(logging.ERROR, "sluice"):
            write_down(entry(action, status))
        (record,) = (r for r in caplog.records if getattr(r, "action", "") == "audit-lost")
        assert "e1" in record.getMessage()


def refused(number: int, agent: str = "a", path: str = "exports") -> AuditEntry | None:
    """The entry, if there is one, of a call of vic's that was refused."""
    sent = {"user-agent": f"{agent}{number}", "x-forwarded-for": f"2001:db8::{number:x}"}
    trail = begin("listed", HttpRequest("GET", f"/api/{path}", headers=sent, body=b""), "r-1")
    called_by(demo_caller("vic"))
    asks_for("list_exports", path)
    return entry_of(trail, 403)


def test_nobody_fills_the_log_with_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program, or another address of one network, is no other look; other things are noted up to a bound."""
    for name, value in RIGHT.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    monkeypatch.setattr(recorder, "_looks", OrderedDict())
    monkeypatch.setattr(recorder, "_refused", OrderedDict())
    assert len([entry for n in range(600) if (entry := refused(n))]) == 1
    noted = [entry for n in range(1, 1700) if (entry := refused(n, path=f"exports/{n}"))]
    assert len(noted) == 99 + 4
    assert [entry.subject.split(";")[0] for entry in noted[99:]] == [
        f"refused {count} times within the hour, of which few are here" for count in ("200", "400", "800", "1,600")
    ]
    assert len(recorder._refused) == 1
    settings.cache_clear()
