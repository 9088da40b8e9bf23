"""A server that speaks as much of the mail service's protocol as a client can see, and fails as it is told to.

The SDK insists on TLS, so the server has a certificate of an authority that exists for the test only.
"""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme

from shared.notifications.channels.base import Message, operation_id

MESSAGE = Message(
    operation_id=operation_id("0001", "ada@acme.example", "completed"),
    recipient="ada@acme.example",
    recipient_name="Ada Lovelace",
    subject="Your export 'Sessions' is ready",
    text="Hello Ada",
    html="<p>Hello Ada</p>",
    unsubscribe="https://exports.acme.example/api/unsubscribe/x",
)
"""A mail for it."""

Answer = int | tuple[int, dict[str, str]] | str
"""A status, a status with headers, ``"drop"`` (accepted, and the connection closed without a word) or ``"hang"``."""


@dataclass
class FakeAcs:
    """The state of the server: what was asked of it, what it has accepted, and what it is to answer next."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    """For the next POSTs, in turn; then it accepts."""
    posts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Operation-Id and body of each POST."""
    authorizations: list[str] = field(default_factory=list)
    """The header of each POST."""
    asked: list[str] = field(default_factory=list)
    """Operation ids that were looked up."""
    accepted: set[str] = field(default_factory=set)
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def connection_string(self) -> str:
        """As the portal shows it; the key is base64 of nothing in particular."""
        return f"endpoint={self.url}/;accesskey=bm90aGluZyBpbiBwYXJ0aWN1bGFy"


@contextmanager
def fake_acs(authority_file: Path) -> Iterator[FakeAcs]:
    """The server on a free port of the loopback; the certificate of its authority is written to ``authority_file``."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(authority_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    state = FakeAcs()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            operation = self.headers["Operation-Id"]
            state.posts.append((operation, body))
            state.authorizations.append(self.headers["Authorization"])
            answer = state.answers.pop(0) if state.answers else 202
            if answer == "hang":
                state.stopped.wait()
            if answer in ("hang", "drop"):
                if answer == "drop":
                    state.accepted.add(operation)
                self.close_connection = True
                return
            status, headers = answer if isinstance(answer, tuple) else (answer, {})
            if status == 202:
                state.accepted.add(operation)
            self._reply(int(status), operation, headers)

        def do_GET(self) -> None:
            operation = self.path.rpartition("/")[2].partition("?")[0]
            state.asked.append(operation)
            self._reply(200 if operation in state.accepted else 404, operation, {})

        def _reply(self, status: int, operation: str, headers: dict[str, str]) -> None:
            known = {"id": operation, "status": "Running"}
            wrong = {"error": {"code": "Wrong", "message": "the fake was told to answer so"}}
            body = json.dumps(known if status < 300 else wrong).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if status < 300:
                self.send_header("Operation-Location", f"{state.url}/emails/operations/{operation}")
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        state.url = f"https://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield state
        finally:
            state.stopped.set()
            server.shutdown()
            thread.join()
