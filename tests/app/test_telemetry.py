"""Telemetry: nothing unless it is asked for, and ids that every process makes alike."""

import gzip
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import pytest

from shared.durable.inputs import ExportRef, PartJob
from shared.errors import SettingsError
from shared.observability.telemetry import orchestration_parent
from shared.settings import settings_from
from tests.app.test_settings import RIGHT

ROOT = Path(__file__).resolve().parents[2]


def test_without_a_receiver_nothing_is_loaded() -> None:
    """Neither the SDK of OpenTelemetry nor Prometheus' library: a worker's memory is for exports."""
    script = """
import os, sys
os.environ |= {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "SOURCE_URL": "sqlite:///x"}
os.environ |= {"AZURE_FUNCTIONS_ENVIRONMENT": "Development", "LINK_SIGNING_KEY": "Ufx3mC0nTzq8Yr5vLw2KbHj7dGsE9aPo"}
import function_app
from shared.observability import telemetry
function_app.app.get_functions()
with telemetry.span("x") as current:
    current.note(a=1)
    current.fail("x")
print(repr(telemetry.trace_parent()), [m for m in sys.modules if m.startswith(("opentelemetry.sdk", "prometheus"))])
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "'' []\n"


def test_an_orchestrations_span_is_known_before_it_is_written() -> None:
    """The same in every process, another for each instance, in the trace of the request, sampled as that is."""
    request = f"00-{'a' * 32}-{'b' * 16}-01"
    made = orchestration_parent(request, "one")
    assert made == orchestration_parent(request, "one") == f"00-{'a' * 32}-7692c3ad3540bb80-01"
    assert orchestration_parent(request, "one-2") != made
    assert orchestration_parent("", "one") == ""


def test_untraced_steps_get_what_they_always_got() -> None:
    """Workers of the last release read it too."""
    assert ExportRef("acme", "1").to_json() == {"tenant": "acme", "export_id": "1", "request_id": ""}
    assert "trace_parent" not in PartJob("acme", "1", 0).to_json()
    assert ExportRef("acme", "1", trace_parent="00-a-b-01").to_json()["trace_parent"] == "00-a-b-01"


def test_azure_monitor_gets_the_spans() -> None:
    """At the address in its connection string, with the trace's id, the name and the version of the service."""
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            answer = b'{"itemsReceived": 1, "itemsAccepted": 1, "errors": []}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    script = f"""
from shared.observability import telemetry
with telemetry.span("start_export", "00-{"a" * 32}-{"b" * 16}-01", "SERVER") as current:
    current.note(export_id="e1")
from opentelemetry import trace
trace.get_tracer_provider().shutdown()
"""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        connection = f"InstrumentationKey={UUID(int=1)};IngestionEndpoint=http://127.0.0.1:{server.server_port}/"
        wanted = {"TELEMETRY_EXPORTER": "azure-monitor", "APPLICATIONINSIGHTS_CONNECTION_STRING": connection}
        quiet = {"APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true"}
        environment = {**os.environ, **RIGHT, **wanted, **quiet}
        subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, check=True, timeout=60)
        server.shutdown()
    sent = b"".join(received).decode()
    for text in ("a" * 32, "b" * 16, "start_export", '"sluice.export_id":', "e1"):
        assert text in sent


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"TELEMETRY_EXPORTER": "jaeger"}, "TELEMETRY_EXPORTER: Input should be 'none', 'otlp' or 'azure-monitor'"),
        ({"TELEMETRY_EXPORTER": "otlp"}, "OTEL_EXPORTER_OTLP_ENDPOINT must be an http or https address"),
        (
            {"TELEMETRY_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4317"},
            "got 'localhost:4317'; give one such as http://localhost:4318",
        ),
        ({"TELEMETRY_EXPORTER": "azure-monitor"}, "APPLICATIONINSIGHTS_CONNECTION_STRING is not set"),
    ],
    ids=str,
)
def test_a_receiver_that_is_not_named_is_asked_for(changes: dict[str, str], message: str) -> None:
    """With the setting that is wrong, and what is valid."""
    with pytest.raises(SettingsError) as caught:
        settings_from(RIGHT | changes)
    assert message in str(caught.value)
