"""Traces and metrics as OpenTelemetry: off unless ``TELEMETRY_EXPORTER`` says where they go; then nothing is imported.

One export is one trace. The request's span is a child of the caller's (``traceparent``, W3C Trace Context); the record
keeps it. The orchestration's span is written when the export ends, but its id is made of the instance's id, so that the
steps can be its children from the beginning: orchestrators only hand on a text that came with their input.
"""

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from shared.errors import SettingsError
from shared.observability import metrics
from shared.observability.redaction import redact
from shared.settings import Settings, settings
from shared.version import VERSION

Kind = Literal["SERVER", "CONSUMER", "INTERNAL"]

_chosen_id: ContextVar[int] = ContextVar("chosen_id", default=0)
_lock = threading.Lock()
_tracers: list[Any] = []
"""The tracer, once there is one."""


class SpanInProgress:
    """What can be said of a span that runs; of none, when tracing is off."""

    def __init__(self, span: Any = None) -> None:
        self._span = span

    def note(self, **attributes: str | int) -> None:
        """Add attributes."""
        if self._span is not None:
            told = {name: redact(value) if isinstance(value, str) else value for name, value in attributes.items()}
            self._span.set_attributes({f"sluice.{name}": value for name, value in told.items()})

    def fail(self, why: str) -> None:
        """What it stands for went wrong."""
        if self._span is not None:
            from opentelemetry.trace import Status, StatusCode

            self._span.set_status(Status(StatusCode.ERROR, why))


@contextmanager
def span(name: str, parent: str = "", kind: Kind = "INTERNAL") -> Iterator[SpanInProgress]:
    """A span around what is done meanwhile. ``parent`` is a ``traceparent``; without one a trace begins."""
    tracer = _tracer()
    if tracer is None:
        yield SpanInProgress()
        return
    from opentelemetry.trace import SpanKind

    quiet = {"record_exception": False, "set_status_on_exception": False}
    with tracer.start_as_current_span(name, context=_context(parent), kind=SpanKind[kind], **quiet) as current:
        progress = SpanInProgress(current)
        try:
            yield progress
        except Exception as error:
            progress.fail(redact(f"{type(error).__name__}: {error}"))
            raise


@contextmanager
def query_span(name: str, source_url: str) -> Iterator[SpanInProgress]:
    """A span of a query to the database, a child of the one that runs; what is done meanwhile is not under it.

    Its attribute is that of OpenTelemetry's semantic conventions for database clients.
    """
    tracer = _tracer()
    if tracer is None:
        yield SpanInProgress()
        return
    from opentelemetry.trace import SpanKind

    attributes = {"db.system.name": source_url.partition(":")[0]}
    written = tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)
    progress = SpanInProgress(written)
    try:
        yield progress
    except Exception as error:
        progress.fail(getattr(error, "code", type(error).__name__))
        raise
    finally:
        written.end()


def trace_parent() -> str:
    """The ``traceparent`` of the span that runs; empty when tracing is off."""
    if _tracer() is None:
        return ""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent", "")


def orchestration_parent(request_parent: str, instance: str) -> str:
    """The ``traceparent`` of an orchestration, for its steps; ``request_parent`` is that of the request behind it."""
    if not request_parent:
        return ""
    version, trace, _, flags = request_parent.split("-")
    return f"{version}-{trace}-{_span_id(instance):016x}-{flags}"


def orchestration_ended(
    request_parent: str, instance: str, start: str, end: str, attributes: Mapping[str, str | int], error: str
) -> None:
    """Write the span of an orchestration. Times are ISO-8601; ``error`` is empty when it went well."""
    tracer = _tracer() if request_parent else None
    if tracer is None:
        return
    chosen = _chosen_id.set(_span_id(instance))
    try:
        written = tracer.start_span("export", context=_context(request_parent), start_time=_nanoseconds(start))
    finally:
        _chosen_id.reset(chosen)
    progress = SpanInProgress(written)
    progress.note(**attributes)
    if error:
        progress.fail(error)
    written.end(_nanoseconds(end))


def begin(current: Settings) -> None:
    """Set up what the settings ask for, once. Raises ``SettingsError`` when a package is missing."""
    with _lock:
        if current.telemetry_exporter == "none" or _tracers:
            return
        spans, readings = _exporters(current)
        _tracers.append(_set_up(spans, readings))


def _tracer() -> Any:
    if not _tracers:
        try:
            begin(settings())
        except SettingsError:  # whoever needs the settings says so
            return None
    return _tracers[0] if _tracers else None


def _exporters(current: Settings) -> tuple[Any, Any]:
    """Where spans and where metrics go."""
    if current.telemetry_exporter == "azure-monitor":
        try:
            from azure.monitor.opentelemetry.exporter import AzureMonitorMetricExporter, AzureMonitorTraceExporter
        except ImportError:
            raise SettingsError(
                "TELEMETRY_EXPORTER=azure-monitor needs a package that is not installed: deploy again with "
                "requirements-azure-monitor.txt in place of requirements.txt"
            ) from None
        options = {
            "connection_string": current.applicationinsights_connection_string,
            "disable_offline_storage": True,
        }
        return AzureMonitorTraceExporter(**options), AzureMonitorMetricExporter(**options)
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    base = current.otel_exporter_otlp_endpoint.rstrip("/")
    return OTLPSpanExporter(endpoint=f"{base}/v1/traces"), OTLPMetricExporter(endpoint=f"{base}/v1/metrics")


def _set_up(spans: Any, readings: Any) -> Any:
    from azure.core.settings import settings as azure_settings
    from opentelemetry import trace
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Ids(RandomIdGenerator):
        def generate_span_id(self) -> int:
            return _chosen_id.get() or super().generate_span_id()

    whom = {"service.name": "sluice", "service.version": VERSION, "service.instance.id": uuid4().hex}
    resource = Resource.create(whom)
    traces = TracerProvider(resource=resource, id_generator=Ids())
    traces.add_span_processor(BatchSpanProcessor(spans))
    trace.set_tracer_provider(traces)
    azure_settings.tracing_enabled = True  # the SDK's clients then write a span for each request to storage
    _forward_metrics(MeterProvider([PeriodicExportingMetricReader(readings)], resource))
    return traces.get_tracer("sluice", VERSION)


def _forward_metrics(provider: Any) -> None:
    meter = provider.get_meter("sluice", VERSION)
    made = {
        i.name: meter.create_histogram(i.name, description=i.summary, explicit_bucket_boundaries_advisory=i.buckets)
        if i.buckets
        else meter.create_counter(i.name, description=i.summary)
        for i in metrics.INSTRUMENTS
    }

    def forward(instrument: metrics.Instrument, value: float, labels: Mapping[str, str]) -> None:
        one = made[instrument.name]
        (one.record if instrument.buckets else one.add)(value, labels)

    metrics.forward_to(forward)


def _context(parent: str) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None


def _span_id(instance: str) -> int:
    return int.from_bytes(hashlib.sha256(instance.encode()).digest()[:8]) or 1


def _nanoseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1e9)
