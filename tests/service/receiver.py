"""A receiver of webhooks, which does what the path of its URL says, and remembers all that it got."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Got:
    """One POST as it came in. ``path`` is without the query."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """Paths: /ok, /fail/<failures first>, /later/<seconds>, /gone, /redirect?to=, /hang, /endless, /headers."""

    origin: str = ""
    got: list[Got] = field(default_factory=list)
    on_post: Callable[[Got], object] = lambda _got: None
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _ended: threading.Event = field(default_factory=threading.Event)

    def at(self, path: str) -> list[Got]:
        """What came in at a path, which a test has for itself."""
        return [got for got in self.got if got.path == path]

    def wait(self, path: str, count: int = 1, seconds: float = 60) -> list[Got]:
        """Wait until so much has come in at a path; gives it. Raises ``TimeoutError``."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.at(path)) >= count, seconds):
                raise TimeoutError(f"{len(self.at(path))} of {count} came in at {path}")
            return self.at(path)

    def note(self, got: Got) -> int:
        """Remember it; gives how often this event has come in at this path."""
        with self._changed:
            self.got.append(got)
            self._changed.notify_all()
            return Counter(g.id for g in self.at(got.path))[got.id]


@contextmanager
def running() -> Iterator[Receiver]:
    """On a free port of the loopback address."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got = Got(parts.path, {name.lower(): value for name, value in self.headers.items()}, body)
            times = receiver.note(got)
            receiver.on_post(got)
            first, *more = parts.path.strip("/").split("/")
            if first == "ok" or (first == "fail" and times > int(more[0])):
                self._answer(200, b"thanks")
            elif first == "later":
                self._answer(503 if times == 1 else 200, after=more[0])
            elif first == "gone":
                self._answer(410)
            elif first == "redirect":
                self._answer(307, location=parse_qs(parts.query)["to"][0])
            elif first == "hang":
                receiver._ended.wait(60)
            elif first == "endless":
                self._endless(b"x" * 65_536)
            elif first == "headers":
                self._answer(200, location="x" * 100_000)
            else:
                self._answer(500)

        def _answer(self, status: int, body: bytes = b"", location: str = "", after: str = "") -> None:
            self.send_response_only(status)
            self.send_header("Content-Length", str(len(body)))
            if location:
                self.send_header("Location", location)
            if after:
                self.send_header("Retry-After", after)
            self.end_headers()
            self.wfile.write(body)

        def _endless(self, piece: bytes) -> None:
            self.send_response_only(200)
            self.end_headers()
            with suppress(OSError):
                while not receiver._ended.is_set():
                    self.wfile.write(piece)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def handle(self) -> None:
            with suppress(ConnectionError):
                super().handle()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.origin = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        receiver._ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
