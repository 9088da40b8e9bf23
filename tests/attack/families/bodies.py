"""What is sent in queries and bodies: conditions, ids, fields that are not for callers, texts that upset."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from tests.attack.families.host import Host, broken
from tests.attack.family import Family
from tests.formats.naughty import NAUGHTY

_QUOTES = (
    *(
        "'",
        "''",
        "' or '",
        "' or PartitionKey ne '",
        "' or 1 eq 1 or '",
        "') or (PartitionKey ne '",
        "' and false or user ne '",
    ),
    *(
        "acme' or PartitionKey eq 'globex",
        "' or created_by ne 'x",
        "' or RowKey gt '0",
        "x' eq 'x",
        "%27 or %27",
        "\u2019 or \u2019",
    ),
    *(
        "' or substringof('a',user) or '",
        "' or tenant ne null or '",
        "datetime'2000-01-01'",
        "guid'0'",
        "' or not false or '",
    ),
    *(
        "\u02bc or 1 eq 1",
        "＇ or ＇",
        "\x00' or '",
        "'\n or '",
        "'\t or '",
        "';",
        "'--",
        "'/*",
        "' $filter=1 eq 1",
        "'&$top=1000",
        "'+or+'",
    ),
    *("true", "null", "*", "%", "..", "-", "_", "acme", "globex", "ada", "bea", "sam", "x" * 199, "é" * 60),
)


def queries() -> Sequence[tuple[str, str, str]]:
    """Listings, a parameter, and a text that is to break out of its condition."""
    listings = {
        "/ops/audit": ("user", "action", "exportId", "tenant", "cursor", "from"),
        "/exports": ("createdBy", "status", "exportType", "cursor", "createdFrom"),
        "/notifications": ("cursor",),
        "/schedules": ("cursor",),
    }
    return [(path, name, text) for path, names in listings.items() for name in names for text in _QUOTES]


def more_than_own(host: Host, given: tuple[str, str, str]) -> str:
    """What an Admin of acme is shown of another tenant."""
    path, name, text = given
    answer = host.people.ada.call("GET", path, params={name: text, "limit": "200"})
    shown = [other for other in host.others if other in answer.text]
    return broken(answer) or (f"shows {shown}" if shown else "")


def ids() -> Sequence[tuple[str, str]]:
    """Routes with an id, and what is none of theirs."""
    made = [quote(text, safe="") for text in (*_QUOTES, *NAUGHTY[:120]) if text.strip() and text not in (".", "..")]
    return [
        (route, text) for route in ("/exports/{}", "/exports/{}/logs", "/schedules/{}", "/webhooks/{}") for text in made
    ]


def found_by_a_false_id(host: Host, given: tuple[str, str]) -> str:
    """Anything that is there under such an id."""
    route, text = given
    status, _, body = host.raw("GET", f"/api{route.format(text)}", host.people.ada.headers)
    return "" if status in (400, 404) else f"{status} {body[:200]!r}"


_FOREIGN_FIELDS = (
    *(
        "tenant",
        "tenantId",
        "tenant_id",
        "tid",
        "organisationId",
        "organisation_id",
        "createdBy",
        "created_by",
        "owner",
        "user",
    ),
    *(
        "userId",
        "sub",
        "caller",
        "roles",
        "role",
        "admin",
        "isAdmin",
        "superAdmin",
        "scope",
        "permissions",
        "id",
        "exportId",
    ),
    *(
        "status",
        "phase",
        "fileName_",
        "file",
        "sasUrl",
        "url",
        "path",
        "blob",
        "container",
        "sql",
        "query",
        "relation",
        "where",
    ),
    *(
        "key",
        "tenant_sql",
        "table",
        "limit",
        "maxRows",
        "max_bytes",
        "retentionDays",
        "expiresAt",
        "hold",
        "links",
        "attempt",
    ),
    *(
        "instance",
        "instanceId",
        "webhook",
        "email",
        "to",
        "cc",
        "template",
        "__proto__",
        "constructor",
        "prototype",
        "$where",
    ),
    *("$ref", "@type", "__class__", "ExportType", "EXPORTTYPE", "export_type", "company_ids", "Columns", "Fresh", ""),
)
_PLACES: Sequence[tuple[str, str]] = (
    *(("POST", path) for path in ("/exports", "/exports/estimate", "/schedules", "/webhooks")),
    *(("POST", f"/exports {inside}") for inside in ("dateRange", "notify", "formatOptions", "filters")),
    ("PUT", "/preferences"),
)


def assignments() -> Sequence[tuple[str, str, str]]:
    """Where a body is sent, and a field that is not for callers to set."""
    return [(method, place, name) for method, place in _PLACES for name in _FOREIGN_FIELDS]


def assigned(host: Host, given: tuple[str, str, str]) -> str:
    """A field that was taken, or passed over."""
    method, place, name = given
    path, _, inside = place.partition(" ")
    request = {"exportType": "users"}
    body: dict[str, Any] = {**request, inside: {name: "globex"}} if inside else {**request, name: "globex"}
    if path == "/schedules":
        body = {"name": "s", "cron": "0 6 1 1 *", "request": request, name: "globex"}
    if path == "/webhooks":
        body = {"url": "https://198.41.0.4/", name: "globex"}
    if path == "/preferences":
        body = {name: "globex"}
    known = {"/webhooks": {"url"}, "/exports": {"email"} if inside == "filters" else set()}.get(path, set())
    answer = host.people.ada.call(method, path, json=body)
    if name in known or (answer.status_code == 400 and answer.json().get("errors")):
        return broken(answer)
    return f"{answer.status_code} {answer.text[:200]}"


def strings() -> Sequence[tuple[str, str]]:
    """Every naughty text in every text of a request."""
    fields = (
        "fileName",
        "timeZone",
        "locale",
        "columns",
        "companyIds",
        "filters.notes",
        "filters.userId",
        "exportType",
    )
    places = (
        *fields,
        "format",
        "compression",
        "query",
        "name of a filter",
        "webhook",
        "cron",
        "pause",
        "Idempotency-Key",
    )
    return [(place, text) for text in NAUGHTY for place in places]


def upset(host: Host, given: tuple[str, str]) -> str:
    """An answer that is no answer."""
    place, text = given
    ada, body = host.people.ada, {"exportType": "sessions"}
    if place == "query":
        return broken(ada.call("GET", "/exports", params={"createdBy": text, "limit": "1"}))
    if place == "webhook":
        return broken(ada.call("POST", "/webhooks", json={"url": text or "x", "description": text, "enabled": False}))
    if place == "cron":
        return broken(ada.call("POST", "/schedules", json={"name": text, "cron": text, "request": body}))
    if place == "pause":
        path = f"/api/ops/export-types/{quote(text, safe='') or 'x'}/pause"
        status, _, got = host.raw("POST", path, {**host.people.sam.headers, "Content-Length": "0"})
        return f"{status} {got[:200]!r}" if status >= 500 else ""
    if place == "Idempotency-Key":
        shown = text.encode().decode("latin-1").translate({10: None, 13: None, 0: None}).strip()
        return broken(ada.call("POST", "/exports", json={}, headers={"Idempotency-Key": shown}))
    name, _, inside = place.partition(".")
    whole: dict[str, Any] = {
        **body,
        name: {inside: text} if inside else [text] if name in ("columns", "companyIds") else text,
    }
    if place == "name of a filter":
        whole = {**body, "filters": {text: "x"}}
    data = json.dumps(whole, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return broken(ada.call("POST", "/exports/estimate", data=data))


FAMILIES = (
    Family("conditions and cursors", queries, more_than_own, "host"),
    Family("ids", ids, found_by_a_false_id, "host"),
    Family("fields of others", assignments, assigned, "host"),
    Family("naughty strings", strings, upset, "host", few=60),
)
