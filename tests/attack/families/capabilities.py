"""URLs and tokens that open something to whoever has them: of files, of mails, of the durable engine."""

import base64
import random
import string
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, unquote

import jwt
import requests

from tests.attack.families.host import Host, broken
from tests.attack.family import Family
from tests.formats.naughty import NAUGHTY
from triggers.http.operation import operations


def signatures() -> Sequence[tuple[str, str]]:
    """What is done to a URL that reads a file: a parameter and its new value, or a change of the path or the method."""
    draw = random.Random(7)
    sig = [("sig", "".join(draw.choices(string.ascii_letters + string.digits, k=43)) + "=") for _ in range(60)]
    changed = [("sig at", str(place)) for place in range(42)]
    values = {
        "sp": ("rw", "w", "d", "racwdl", "rl", "c", "t", "", "R", "r "),
        "sr": ("c", "d", "s", "bs", "bv", "", "B"),
        "se": ("2099-01-01T00:00:00Z", "2030-01-01", "9999-12-31T23:59:59Z", "", "tomorrow"),
        "st": ("2000-01-01T00:00:00Z", "", "1601-01-01T00:00:00Z", "2099-01-01T00:00:00Z"),
        "spr": ("http", "https", "", "http,https,ftp"),
        "sv": ("2012-02-12", "2015-04-05", "2018-03-28", "2026-01-01", "", "1"),
        "sip": ("0.0.0.0", "0.0.0.0-255.255.255.255", "127.0.0.1", ""),
        "rscd": ("inline", "attachment", "", "x"),
        "rsct": ("text/html", "image/svg+xml", "", "application/javascript"),
        "rscc": ("public", ""),
        "si": ("x", "", "policy"),
        "skoid": ("x", ""),
        "ses": ("x",),
        "snapshot": ("2026-01-01T00:00:00.0000000Z",),
    }
    made = [(name, value) for name, found in values.items() for value in found]
    left_out = [("without", name) for name in ("sig", "sp", "sr", "se", "sv")]
    paths = [("path", text) for text in _FILES]
    methods = [
        ("method", f"{method} {query}".strip())
        for method in ("PUT", "DELETE", "POST", "PATCH")
        for query in _OPERATIONS
    ]
    return [*sig, *changed, *made, *left_out, *paths, *methods]


_FILES = (
    *(
        "plan.json",
        "parts/000000",
        "",
        "../",
        "..",
        "file.xlsx",
        "file.csv.",
        "FILE.CSV",
        "file.csv/",
        "./file.csv",
        "%2e%2e/file.csv",
    ),
    *(
        "file.csv%00",
        "file%2ecsv",
        "x/../file.csv",
        "../../globex/x/file.csv",
        "?",
        "#",
        "file.csv;x",
        "file.csv%20",
        "*",
        "%",
    ),
)
_OPERATIONS = (
    "",
    "comp=block&blockid=AA==",
    "comp=lease",
    "comp=metadata",
    "comp=tier",
    "comp=acl",
    "comp=snapshot",
    "comp=copy",
)


def _read_wrongly(url: str, method: str = "GET") -> str:
    headers = {"x-ms-blob-type": "BlockBlob", "x-ms-lease-action": "break"} if method != "GET" else {}
    answer = requests.request(method, url, headers=headers, data=b"" if method != "GET" else None, timeout=30)
    return f"{answer.status_code} {method} {answer.content[:80]!r}" if answer.status_code < 300 else ""


def misused(host: Host, given: tuple[str, str]) -> str:
    """What a URL gives that was made for one file, to read."""
    name, value = given
    base, _, query = host.file_url.partition("?")
    pairs = dict(pair.split("=", 1) for pair in query.split("&"))
    if name == "method":
        method, _, more = value.partition(" ")
        return _read_wrongly(f"{host.file_url}&{more}" if more else host.file_url, method)
    if name == "path":
        other = f"{base.rpartition('/')[0]}/{value}"
        sent = requests.Request("GET", f"{other}?{query}").prepare().url or ""
        return "" if unquote(sent.partition("?")[0]) == unquote(base) else _read_wrongly(sent)
    if name == "without":
        del pairs[value]
    elif name == "sig at":
        signature, place = base64.b64decode(unquote(pairs["sig"])), int(value) * 6
        turned = int.from_bytes(signature) ^ (1 << (place % 256))
        pairs["sig"] = quote(base64.b64encode(turned.to_bytes(32)), safe="")
    elif pairs.get(name, "") in (value, quote(value, safe="")):
        return ""
    else:
        pairs[name] = quote(value, safe="")
    return _read_wrongly(f"{base}?{'&'.join(f'{n}={v}' for n, v in pairs.items())}")


def links() -> Sequence[tuple[str, str, str]]:
    """Calls of mails, and tokens that are none."""
    draw = random.Random(11)
    letters = string.ascii_letters + string.digits + "-_"
    made = [
        "".join(draw.choices(letters, k=length))
        for length in (1, 16, 22, 32, 43, 43, 43, 64, 86, 128, 500)
        for _ in range(6)
    ]
    claims = {
        "sub": "acme",
        "aud": "sluice-landing",
        "iss": "sluice-landing",
        "exp": 2**33,
        "iat": 0,
        "export": "x",
        "t": "acme",
    }
    made += [
        jwt.encode({**claims, "aud": a}, "k" * 64, algorithm="HS256")
        for a in ("sluice-landing", "sluice-unsubscribe", "sluice-dev")
    ]
    made += [
        jwt.encode(claims, "", algorithm="none"),
        "..",
        "%2e%2e",
        "null",
        "undefined",
        "0",
        "-1",
        "a.b.c",
        "é",
        "' or '1'='1",
        "*",
    ]
    made += [text for text in NAUGHTY[:30] if text.strip()]
    routes = sorted(
        {(call.method, call.route) for call in operations() if call.tag == "mail" and call.method != "HEAD"}
    )
    return [(method, route, token) for method, route in routes for token in made]


def opened(host: Host, given: tuple[str, str, str]) -> str:
    """What a token gives that nobody was sent."""
    method, route, token = given
    path = f"{host.stack.api}/{route.format(token=quote(token, safe='') or 'x')}"
    bodies: list[dict[str, Any]] = [{}] if method == "GET" else [{"json": {"token": token}}, {"data": {"token": token}}]
    for body in bodies:
        answer = requests.request(method, path, timeout=30, allow_redirects=False, **body)
        good = answer.status_code < 400 and (method != "GET" or "sig=" in answer.text)
        if good or "Location" in answer.headers or broken(answer):
            return f"{answer.status_code} {answer.text[:200]}"
    return ""


_MANAGEMENT = (
    *(
        "instances",
        "instances/{id}",
        "instances/{id}/terminate",
        "instances/{id}/raiseEvent/x",
        "instances/{id}/rewind",
    ),
    *(
        "instances/{id}/suspend",
        "instances/{id}/restart",
        "entities",
        "entities/x/y",
        "orchestrators/export",
        "../../admin/host/keys",
    ),
)


def engine_keys() -> Sequence[tuple[str, str, str]]:
    """Calls of the durable engine's own API, with what is no key of it."""
    codes = ("", "guessed", "null", "{token}", "%00", "' or '1'='1", "x" * 500, "master", "_master", "default")
    return [(method, path, code) for method in ("GET", "POST", "DELETE") for path in _MANAGEMENT for code in codes]


def answered_by_the_engine(host: Host, given: tuple[str, str, str]) -> str:
    """An answer of the engine."""
    method, path, code = given
    token = str(host.people.ada.headers["Authorization"]).removeprefix("Bearer ")
    code = quote(code.format(token=token), safe="")
    where = f"/runtime/webhooks/durabletask/{path.format(id=host.export_id)}?code={code}"
    status, _, body = host.raw(method, where, host.people.ada.headers | {"Content-Length": "0"})
    return "" if status in (401, 403, 404, 405) else f"{status} {body[:200]!r}"


FAMILIES = (
    Family("URLs of files", signatures, misused, "host", least=200),
    Family("tokens of links", links, opened, "host"),
    Family("the engine's own API", engine_keys, answered_by_the_engine, "host"),
)
