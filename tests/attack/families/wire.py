"""Below the API: framing, paths, headers, burdens, and what many do at once."""

import gzip
import json
import socket
from collections.abc import Mapping, Sequence
from typing import Any

import requests

from demo.client import Client
from tests.attack.families.host import Host
from tests.attack.family import Family

_LENGTHS = (
    "0",
    "1",
    "5",
    "44",
    "+5",
    "-1",
    "0x5",
    "5,5",
    "5, 6",
    "5 5",
    " ",
    "٥",
    "5\x0b",
    "99999999999999999999",
    "1e1",
    "",
)
_CODINGS = (
    *(
        "chunked",
        "Chunked",
        "chunked, chunked",
        "chunked, identity",
        "identity, chunked",
        "gzip, chunked",
        "xchunked",
        "chunked;x=1",
    ),
    *(
        " chunked",
        "chunked ",
        "\x0bchunked",
        "chunked\x00",
        "identity",
        "gzip",
        "",
        ",chunked",
        "chunked,",
        '"chunked"',
        "x, chunked",
    ),
)
_SMUGGLED = "0\r\n\r\nGET /api/exports HTTP/1.1\r\nHost: x\r\nX-Smuggled: y\r\n\r\n"


def framings() -> Sequence[bytes]:
    """Requests whose end is where the reader thinks it is."""
    start, end = "POST /api/exports/estimate HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", f"\r\n{_SMUGGLED}"
    made = [
        f"{start}Content-Length: {length}\r\nTransfer-Encoding: {coding}\r\n{end}"
        for length in _LENGTHS
        for coding in _CODINGS
    ]
    made += [
        f"{start}Content-Length: {one}\r\nContent-Length: {two}\r\n{end}"
        for one in _LENGTHS[:6]
        for two in _LENGTHS[:6]
        if one != two
    ]
    made += [f"{start}Transfer-Encoding{odd}: chunked\r\n{end}" for odd in (" ", "\t", "\x00", "\r", "_")]
    made += [
        f"{start}{line}\r\n{end}"
        for line in (" folded: x", "no colon", ": no name", "Bad\x00Name: x", "Content-Length : 5", "A: b\x00c")
    ]
    made += [f"{line}\r\nHost: x\r\nConnection: close\r\n\r\n" for line in _FIRST_LINES]
    return [text.encode("utf-8", "surrogateescape") for text in made]


_FIRST_LINES = (
    *(
        "GET /api/exports",
        "GET  /api/exports HTTP/1.1",
        "GET /api/exports HTTP/9.9",
        "GET /api/exports HTTP/1.1 x",
        "GET /api/ex ports HTTP/1.1",
    ),
    *(
        "G\x00T / HTTP/1.1",
        "GET http://evil.example/api/exports HTTP/1.1",
        "GET //evil.example/api HTTP/1.1",
        "CONNECT x:1 HTTP/1.1",
    ),
    *(
        " GET / HTTP/1.1",
        "GET \\api\\exports HTTP/1.1",
        "PRI * HTTP/2.0",
        "GET /api/exports\x00 HTTP/1.1",
        "GET /api/%zz HTTP/1.1",
    ),
)


def smuggled(host: Host, request: bytes) -> str:
    """An answer that is good, or more than one."""
    with socket.create_connection(host.address, timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
    statuses = [line.split(b" ")[1] for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.")]
    if len(statuses) > 1 or any(status[:1] in (b"2", b"3", b"5") for status in statuses):
        return f"{statuses} {answer[:200]!r}"
    return ""


_UP = (
    "..",
    "%2e%2e",
    "%2E.",
    ".%2e",
    "%252e%252e",
    "..;",
    "..%00",
    "%c0%ae%c0%ae",
    "．．",
    "%u002e%u002e",
    "....",
    ". .",
)
_SLASHES = ("/", "//", "%2f", "\\", "%5c", "%255c", "/./", ";/")
_TARGETS = ("exports", "admin/host/status", "ops/overview", "etc/passwd", "host.json", "shared/settings.py")


def paths() -> Sequence[str]:
    """Ways out of a folder, and around a guard."""
    made = [
        f"/api/{first}{slash}{up}{slash}{target}"
        for first in ("docs", "health")
        for up in _UP
        for slash in _SLASHES
        for target in _TARGETS
    ]
    made += [f"/api/docs/{up}{slash}{up}{slash}{target}" for up in _UP for slash in _SLASHES for target in _TARGETS[3:]]
    return [*made, *(f"/{odd}api/exports" for odd in (".", "/", "x/..", "%2f", ";", "%00"))]


def reached(host: Host, path: str) -> str:
    """What somebody without a token reads."""
    status, _, body = host.raw("GET", path.encode("ascii", "ignore").decode() if not path.isascii() else path, {})
    public = (b'"status":', b"<!doctype html>", b"swagger")
    return (
        f"{status} {body[:200]!r}"
        if status >= 500 or (status == 200 and not any(p in body.lower() for p in public))
        else ""
    )


_ODD_VALUES = (
    "evil.example",
    "https://evil.example",
    "null",
    "",
    "*",
    "x" * 3000,
    "127.0.0.1",
    "a\tb",
    "é",
    "../..",
    "<script>",
    "DELETE",
)
_ODD_HEADERS = (
    *(
        "Origin",
        "Host",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-For",
        "X-Forwarded-Prefix",
        "Forwarded",
        "X-Real-IP",
    ),
    *(
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Original-Host",
        "Referer",
    ),
    *(
        "X-Request-Id",
        "traceparent",
        "tracestate",
        "Accept-Language",
        "Accept-Encoding",
        "If-None-Match",
        "Range",
        "Content-Encoding",
    ),
    *(
        "Accept",
        "Expect",
        "Upgrade",
        "TE",
        "Via",
        "Max-Forwards",
        "X-Custom-IP-Authorization",
        "Idempotency-Key",
        "User-Agent",
    ),
)


def headers() -> Sequence[tuple[str, str]]:
    """Headers that somebody sends along."""
    return [
        (name, value)
        for name in _ODD_HEADERS
        for value in _ODD_VALUES
        if not (name == "Host" and value in ("", "é", "a\tb"))
    ]


def followed(host: Host, given: tuple[str, str]) -> str:
    """A header that makes an answer another one, or comes back in one."""
    name, value = given
    sent = {**host.people.ada.headers, name: value.encode().decode("latin-1")}
    status, got, body = host.raw("GET", f"/api/exports/{host.export_id}", sent)
    refused = status == 503 and b"settings-error" in body  # a request that was not sent to this machine's own name
    another = status < 300 and f'"id":"{host.export_id}"'.encode() not in _plain(got, body)
    if another or (status >= 500 and not refused):
        return f"{status} {body[:200]!r}"
    back = [n for n, v in got.items() if len(value) > 4 and value in v and n.lower() != "x-request-id"]
    if back or "Access-Control-Allow-Origin" in got or (b"evil" in body and status < 400):
        return f"comes back in {back or 'the body'}"
    return "" if len(got.get("X-Request-Id", "")) <= 128 else "a long id comes back"


def _plain(headers: Mapping[str, str], body: bytes) -> bytes:
    return gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body


def _deep(opening: str, closing: str, depth: int) -> bytes:
    return (opening * depth + "1" + closing * depth).encode()


def burdens() -> Sequence[bytes]:
    """Small bodies that ask for much."""
    made = [
        _deep(opening, closing, depth)
        for opening, closing in (("[", "]"), ('{"a":', "}"))
        for depth in (50, 500, 5_000, 10_000)
    ]
    numbers = (
        [f"0E-{10**n}" for n in range(1, 11)]
        + [f"1E{10**n}" for n in range(1, 11)]
        + [f"-0E-{9 * 10**n}" for n in range(1, 9)]
    )
    numbers += (
        ["9" * n for n in (19, 40, 500, 5_000, 60_000)]
        + [f"0.{'0' * n}1" for n in (40, 5_000, 60_000)]
        + ["NaN", "Infinity"]
    )
    for number in numbers:
        made += [
            _body(filters={"minAmount": number}),
            f'{{"exportType":"sessions","filters":{{"minAmount":{number}}}}}'.encode(),
        ]
    for count in (10, 100, 1_000, 10_000):
        made += [
            _body(columns=["x"] * count),
            _body(companyIds=["x"] * count),
            _body(filters={f"f{n}": 1 for n in range(count // 2)}),
        ]
        made += [
            _body(filters={"country": ["x"] * count}),
            _body(**{f"g{n}": 1 for n in range(count // 2)}),
            _body(columns=["id"] * count),
        ]
    made += [_body(fileName="x" * n) for n in (201, 60_000)] + [_body(timeZone="x" * n) for n in (36, 60_000)]
    made += [
        b"{" + b'"exportType":"sessions",' * 2_000 + b'"x":1}',
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b"[" * 60_000,
        b'"' * 60_000,
    ]
    made += [b" " * 65_000 + b"{}", b"1" * 60_000, b"{}{}", b'{"exportType":"' + b"\\u0000" * 9_000 + b'"}']
    made += [_body(filters={"notes": text * 3_000}) for text in ("%", "_", "\\", "'", "a%", "\U0001f600")]
    return [body for body in made if len(body) <= 65_536]


def _body(**fields: Any) -> bytes:
    return json.dumps({"exportType": "sessions", **fields}).encode()


def overwhelmed(host: Host, body: bytes) -> str:
    """An answer that is much larger than the request, or a service that is away."""
    answer = host.people.max.call("POST", "/exports/estimate", data=body)
    if answer.status_code >= 500:
        return f"{answer.status_code} {answer.text[:200]}"
    return f"{len(answer.content):,} bytes" if len(answer.content) > 100_000 else ""


def races() -> Sequence[str]:
    """What many do at once."""
    return ("the same request", "one idempotency key", "webhooks beyond the limit")


def won_twice(host: Host, what: str) -> str:
    """More than the limit, or than one."""
    from concurrent.futures import ThreadPoolExecutor

    def send(number: int) -> requests.Response:
        client = Client(host.stack.api, "bea")
        if what == "webhooks beyond the limit":
            return client.call("POST", "/webhooks", json={"url": f"https://198.41.0.4/{number}", "enabled": False})
        key = {"Idempotency-Key": "race"} if what == "one idempotency key" else {}
        body = {"exportType": "analytics"} if key else {"exportType": "employees"}
        return client.call("POST", "/exports", json=body, headers=key)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(28)))
    if what.startswith("webhooks"):
        made = sum(answer.status_code == 201 for answer in answers)
        return "" if made == 20 else f"{made} of 20"
    ids = {answer.json()["id"] for answer in answers if answer.status_code in (200, 202)}
    return "" if len(ids) == 1 else f"{len(ids)} exports"


FAMILIES = (
    Family("framing of requests", framings, smuggled, "host"),
    Family("paths", paths, reached, "host"),
    Family("headers", headers, followed, "host"),
    Family("small bodies", burdens, overwhelmed, "host", least=100),
    Family("races", races, won_twice, "host", least=3, few=3),
)
