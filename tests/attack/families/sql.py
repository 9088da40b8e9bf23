"""SQL in every text of a request that has something to do with the query; run on real databases."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exports import EXPORT_TYPES
from shared.errors import RequestError
from shared.identity.caller import demo_caller
from shared.requests.build_query import build_query
from shared.requests.export_request import check_request, parse_request
from shared.sources.base import Source
from shared.sources.deadline import Deadline
from tests.attack.family import Family


@dataclass(frozen=True)
class Databases:
    """The demo's database in each dialect, and the texts that sessions of acme have, by filter."""

    sources: Mapping[str, Source]
    texts: Mapping[str, Sequence[str]]


_PAYLOADS = (
    *(
        "'",
        "''",
        '"',
        '""',
        "`",
        "\\",
        "\\'",
        "';",
        "'--",
        "' --",
        "'#",
        "'/*",
        "*/",
        ")",
        "')",
        "'))",
        "(",
        "[",
        "]",
        "$$",
        "$1",
    ),
    *(
        "' or '1'='1",
        "' or 1=1--",
        "' or ''='",
        "') or ('1'='1",
        '" or ""="',
        "or 1=1",
        "1 or 1=1",
        "' or true--",
        "x' or 'x' like 'x",
    ),
    *(
        "' union select 1--",
        "' union all select null,null,null--",
        "' union select token from sessions--",
        "1 union select 1",
    ),
    *(
        "'; drop table sessions;--",
        "'; delete from users;--",
        "'; update users set name='x'--",
        "1; drop table users",
        ";select 1",
    ),
    *(
        "' and sleep(5)--",
        "'||pg_sleep(5)||'",
        "'; select pg_sleep(5)--",
        "' and 1=(select count(*) from sqlite_master)--",
    ),
    *(
        "' and 1=cast(version() as int)--",
        "'||(select sqlite_version())||'",
        "'||current_user||'",
        "'; copy users to program 'id'--",
    ),
    *(
        "'; attach database '/tmp/x' as x;--",
        "' and load_extension('x')--",
        "'||randomblob(1000000000)||'",
        "'; vacuum--",
    ),
    *(
        "organisation_id",
        "'||organisation_id||'",
        "' or organisation_id <> '",
        "globex",
        "' and organisation_id='globex'--",
    ),
    *("%", "%%", "_", "%_%", "[a-z]", "\\%", "{x}", "{{x}}", "%s", "%(x)s", ":x", "?", "?1", "@x", "$x", "%1$s"),
    *(
        "\x00",
        "a\x00' or 1=1--",
        "\u02bc or 1=1",
        "\uff07 or 1=1--",
        "\u2019 or 1=1--",
        "¿'",
        "\xbf\x27",
        "\ud800",
        "é'",
        "\u202e'",
    ),
    *(
        "null",
        "NULL",
        "true",
        "0x27",
        "char(39)",
        "chr(39)",
        "0",
        "-1",
        "1e309",
        "NaN",
        "Infinity",
        "'" * 1000,
        "(" * 500,
        "x" * 5000,
    ),
)

_TEXT_FILTERS = {
    "userId": "user_id",
    "country": "country",
    "companyId": "company_id",
    "notes": "notes",
    "status": "status",
}


def requests() -> Sequence[dict[str, Any]]:
    """Bodies with a payload in one place."""
    whole = {"exportType": "sessions"}
    made: list[dict[str, Any]] = []
    for text in _PAYLOADS:
        made += [
            {**whole, "filters": {name: [text] if name in ("country", "companyId", "status") else text}}
            for name in _TEXT_FILTERS
        ]
        made += [{**whole, "filters": {name: text}} for name in ("minAmount", "mobile", text)]
        made += [{**whole, name: [text]} for name in ("columns", "companyIds", "operationalScopeIds")]
        made += [
            {**whole, "timeZone": text, "dateRange": {"from": "2026-01-01"}},
            {**whole, "dateRange": {"from": text}},
        ]
        made += [{**whole, "exportType": text}, {**whole, "format": text}, {**whole, "locale": text[:35]}]
        made += [{**whole, "columns": ["id", text]}, {"exportType": "employees", "companyIds": ["123", text]}]
    return made


def injected(databases: Databases, body: dict[str, Any]) -> str:
    """A request that is taken and finds more than its text says, or that a database refuses."""
    caller = demo_caller("ada")
    try:
        request = parse_request(json.dumps(body).encode())
        export_type = check_request(request, caller, EXPORT_TYPES)
    except RequestError:
        return ""
    query = build_query(export_type, request, caller)
    most = _most(body, databases)
    for dialect, source in databases.sources.items():
        try:
            rows = source.count(query)
            source.sample(query, rows, 10, deadline=Deadline.after(20))
        except Exception as error:  # noqa: BLE001  # whatever it is, the database was reached by it
            return f"{dialect}: {type(error).__name__}: {error}"
        if most is not None and rows > most:
            return f"{dialect}: {rows} rows where {most} have this text"
    return ""


def _most(body: dict[str, Any], databases: Databases) -> int | None:
    """How many rows have the text of a filter; None where no filter has one."""
    for name, value in body.get("filters", {}).items():
        wanted = (value[0] if isinstance(value, list) else value).casefold()
        if name in databases.texts:
            texts = (text.casefold() for text in databases.texts[name])
            return sum(wanted in text if name == "notes" else wanted == text for text in texts)
    return None


def texts_of_acme(connection: Any) -> dict[str, list[str]]:
    """The texts that filters compare with, from a connection of Python's own sqlite3."""
    return {
        name: [
            text or ""
            for (text,) in connection.execute(f"select {column} from sessions where organisation_id = 'acme'")
        ]
        for name, column in _TEXT_FILTERS.items()
    }


FAMILIES = (Family("SQL in requests", requests, injected, "databases", few=60),)
