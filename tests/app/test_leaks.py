"""What no log says: the redaction in the app, and the scanner that looks for what got through."""

import logging
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from shared.observability.logging import logger
from shared.observability.redaction import redact
from tests.service import otlp
from tests.service.leaks import check, leaks

PLANTED = {
    "a mail address": "Sent the mail to una.x+y@acme.example.",
    "a mail address, encoded": "GET /users?mail=una%40acme.example",
    "a signed token": "path=/api/x/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl",
    "a bearer token": "Authorization: Bearer 0123456789abcdef0123",
    "a shared access signature": "https://a.blob.core.windows.net/exports/f?se=2026&sp=r&sig=Zm9vYmFyYmF6cXV4%3D",
    "a function key": "http://h/runtime/webhooks/durabletask/instances/x?code=abcdefgh12345678==",
    "an account's key": "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=Zm9vYmFyYmF6cXV4Zm9v==",
    "a webhook's secret": "secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "a password in an address": "cannot reach postgresql://reader:hunter22@db.internal/sales",
    "a link's token": "GET /api/unsubscribe/0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P",
    "a file's token": "http://h/api/d#0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P",
}


@pytest.mark.parametrize("planted", PLANTED)
def test_the_scanner_finds_what_is_planted(planted: str) -> None:
    """In the middle of a log; and does not repeat it."""
    text = f"harmless line action=x\n{PLANTED[planted]} action=y\nanother"
    found = leaks(text)
    assert found != []
    assert all("<...>" in one for one in found)


def test_the_scanner_knows_the_secrets_of_a_service() -> None:
    """Whatever they look like; short ones would be found in words."""
    assert leaks("x=correct horse battery y", ["correct horse battery"]) != []
    assert leaks("x=correct horse battery y", ["correct", "another secret of a service"]) == []


def test_a_service_that_leaks_fails_its_tests(tmp_path: Path) -> None:
    """By a line of its log, by its telemetry, or by a token of a mail that it sent."""
    log = tmp_path / "logs" / "host.log"
    log.parent.mkdir()
    log.write_text("harmless\n")
    check(tmp_path, "AccountKey=0123456789abcdef")
    with pytest.raises(AssertionError, match="a mail address"):
        check(tmp_path, "", "span sluice.user=una@acme.example")
    with pytest.raises(AssertionError, match="a secret of this service"):
        check(tmp_path, "AccountKey=0123456789abcdef", "key 0123456789abcdef")
    (tmp_path / "outbox").mkdir()
    (tmp_path / "outbox" / "1.eml").write_text("Subject: x\n\nhttp://h/api/d#0123456789ABCDEF\n")
    log.write_text("harmless\nasked for 0123456789ABCDEF\n")
    with pytest.raises(AssertionError, match=r"a secret of this service: asked for <\.\.\.>"):
        check(tmp_path, "")


def test_the_scanner_is_quiet_about_a_usual_log() -> None:
    """Ids, routes, addresses of hosts and hashes are no secrets."""
    text = """2026-01-31T08:30:00.123Z INFO http.served function=landing_page invocation=3f06 route=d/{token} status=200
    function.log logger=sluice message="Published s.csv. action=published export_id=fsnetv3d3q6fslqsizqtv7wc6qm6dwuadz"
    https://acme.table.core.windows.net/SluiceExports(PartitionKey='acme',RowKey='fsnetv3d')?$filter=REDACTED
    at 127.0.0.1:8080 in 00:00:01 x@1.2 decorated by @wraps, user=ada sha256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"""
    assert leaks(text) == []


@pytest.mark.parametrize("planted", PLANTED)
def test_the_log_leaves_out_what_an_error_says(planted: str, caplog: pytest.LogCaptureFixture) -> None:
    """In the message and in the traceback: whatever wrote it, the line goes out without it."""
    try:
        raise ValueError(PLANTED[planted])
    except ValueError as error:
        with caplog.at_level(logging.INFO, "sluice"):
            logger.warning("it failed: %s", error, exc_info=error, extra={"action": "failed"})
    (record,) = caplog.records
    line = logging.Formatter().format(record)
    assert "it failed" in line
    assert "Traceback" in line
    assert leaks(line) == []


def test_what_is_harmless_stays() -> None:
    """A line is worth something only when it says what happened."""
    text = "part 3 of 20 failed: 'a/b' at 10:30, see https://docs.example.com/x?y=1#z (code 42P01), user ada"
    assert redact(text) == text


def test_ids_of_telemetry_are_no_texts() -> None:
    """They are random bytes, which may look like an address; names, attributes and events are looked at."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(name="GET", trace_id=b"me@acme.example!")
    span.attributes.add(key="user").value.string_value = "una@acme.example"
    span.events.add(name="to bea@globex.example")
    receiver = otlp.Receiver(bodies=[("/v1/traces", request.SerializeToString())])
    assert leaks(receiver.text()) == ["a mail address: <...>", "a mail address: to <...>"]
