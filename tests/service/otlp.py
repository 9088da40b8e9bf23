"""An OTLP receiver on this machine: what is sent to it over HTTP, as protobuf, can be read back."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Span:
    """A span as it came in; ids in hexadecimal, ``parent`` empty at the root, times in nanoseconds."""

    trace: str
    id: str
    parent: str
    name: str
    start: int
    end: int
    failed: bool
    attributes: dict[str, Any]


@dataclass
class Receiver:
    """What has come in so far."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    sums: dict[tuple[str, str, tuple[tuple[str, str], ...]], float] = field(default_factory=dict)
    """Counters by instance of the service, name and attributes."""
    news: Condition = field(default_factory=Condition)
    keeps_spans: bool = True
    bodies: list[tuple[str, bytes]] = field(default_factory=list)
    """What came in, as it came, with the path that it came to."""

    def text(self) -> str:
        """Every text in what has come in, one a line. Ids are random bytes, which may look like anything."""
        return "\n".join(one for path, body in self.bodies for one in _texts(_KINDS[path].FromString(body)))

    def wait_for(self, ready: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until something is so, looked at whenever something has come in. Raises ``TimeoutError``."""
        with self.news:
            if not self.news.wait_for(ready, seconds):
                raise TimeoutError(sorted({span.name for span in self.spans}))

    def of_trace(self, trace: str) -> list[Span]:
        """The spans of a trace, oldest first."""
        return sorted((span for span in self.spans if span.trace == trace), key=lambda span: span.start)

    def take(self, path: str, body: bytes) -> None:
        with self.news:
            self.bodies.append((path, body))
            if not self.keeps_spans:
                pass
            elif path == "/v1/traces":
                self.spans += list(_spans(ExportTraceServiceRequest.FromString(body)))
            elif path == "/v1/metrics":
                self.sums.update(_sums(ExportMetricsServiceRequest.FromString(body)))
            self.news.notify_all()


_KINDS = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest}


def _texts(message: Any) -> Iterator[str]:
    """Every text field of a protobuf message, and of those in it."""
    for field_, value in message.ListFields():
        values = value if field_.is_repeated else [value]
        if field_.type == field_.TYPE_MESSAGE:
            for one in values:
                yield from _texts(one)
        elif field_.type == field_.TYPE_STRING:
            yield from values


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for s in scope.spans:
                attributes = {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in s.attributes}
                times = (s.start_time_unix_nano, s.end_time_unix_nano)
                ids = (s.trace_id.hex(), s.span_id.hex(), s.parent_span_id.hex())
                yield Span(*ids, s.name, *times, s.status.code == s.status.STATUS_CODE_ERROR, attributes)


def _sums(request: ExportMetricsServiceRequest) -> dict[Any, float]:
    found = {}
    for resource in request.resource_metrics:
        whole = {a.key: a.value.string_value for a in resource.resource.attributes}
        for metric in (m for scope in resource.scope_metrics for m in scope.metrics):
            for point in metric.sum.data_points:
                labels = tuple(sorted((a.key, a.value.string_value) for a in point.attributes))
                found[whole["service.instance.id"], metric.name, labels] = point.as_double or float(point.as_int)
    return found


@contextmanager
def running(*, keeps_spans: bool = True) -> Iterator[Receiver]:
    """A receiver that listens on a free port; without spans and sums it has what came in only."""
    receiver = Receiver(keeps_spans=keeps_spans)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            receiver.take(self.path, body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
