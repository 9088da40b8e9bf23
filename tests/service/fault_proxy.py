"""A proxy before the storage emulator that can be told to fail: refuse, answer 503, or drop an answer that was good."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

from demo.azurite_server import Azurite

Fault = Literal["none", "503", "drop request", "drop answer"]
Rule = Callable[[str, str], Fault]
"""``rule(method, path)``: what to do with a request."""


def healthy(_method: str, _path: str) -> Fault:
    """Let everything through."""
    return "none"


def down(_method: str, _path: str) -> Fault:
    """Let nothing through."""
    return "drop request"


@dataclass
class FaultProxy:
    """Two proxies, one for blobs and one for tables, and the rule that both follow."""

    blob_port: int = 0
    table_port: int = 0
    rule: Rule = healthy
    requests: list[tuple[str, str]] = field(default_factory=list)

    @contextmanager
    def following(self, rule: Rule) -> Iterator[None]:
        """Follow a rule for a while."""
        self.rule = rule
        try:
            yield
        finally:
            self.rule = healthy


@contextmanager
def running(azurite: Azurite) -> Iterator[FaultProxy]:
    """Both proxies on free ports of the loopback address."""
    proxy = FaultProxy()
    servers = [_server(proxy, port) for port in (azurite.blob_port, azurite.table_port)]
    proxy.blob_port, proxy.table_port = (server.server_address[1] for server in servers)
    threads = [threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield proxy
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()


def _server(proxy: FaultProxy, target: int) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def _pass_on(self) -> None:
            body = self._body()
            proxy.requests.append((self.command, self.path))
            fault = proxy.rule(self.command, self.path)
            if fault == "drop request":
                self.close_connection = True
                return
            if fault == "503":
                self._answer(503, [("Content-Length", "0")], b"")
                return
            connection = HTTPConnection("127.0.0.1", target, timeout=60)
            try:
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                        connection.putheader(name, value)
                if body or "Content-Length" in self.headers:
                    connection.putheader("Content-Length", str(len(body)))
                connection.endheaders(body)
                answer = connection.getresponse()
                data = answer.read()
            finally:
                connection.close()
            if fault == "drop answer":
                self.close_connection = True
                return
            kept = [(n, v) for n, v in answer.getheaders() if n.lower() not in ("connection", "transfer-encoding")]
            if not any(n.lower() == "content-length" for n, _ in kept) and answer.status not in (204, 304):
                kept.append(("Content-Length", str(len(data))))
            self._answer(answer.status, kept, data)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)

        def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = do_MERGE = _pass_on  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    return server
