"""The map of personal data in docs/explanation/security.md, held against what is in storage after people were there."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from azure.data.tables import TableServiceClient

from demo.stack import Stack
from shared.identity.demo_users import DEMO_USERS
from tests.app.test_security_docs import section
from tests.service.conftest import People

_ENGINE = re.compile(r"Sluice(Instances|History)|.*(Partitions|Leases)")
_WORDS = {"id": r"\bids?\b|\buser", "name": r"\bnames?\b", "address": r"\baddress(es)?\b"}
"""How the map says that a table has the id of a person, the name, the mail address."""


def documented(table: str) -> set[str]:
    """What the map says a table has of persons; of one that is like another, what that one has too."""
    lines = [line.split("|") for line in section("Where personal data is").splitlines() if line.startswith("|")]
    (text,) = (line[2] for line in lines if f"`{table}`" in line[1])
    text = re.sub(r"hash(es)? of [^;|]*", "", text)
    found = {kind for kind, words in _WORDS.items() if re.search(words, text)}
    for other in re.findall(r"as in `(\w+)`", text):
        found |= documented(other)
    return found


def texts(value: Any) -> Iterator[str]:
    """A value of a row, as text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode(errors="replace")


def found_in(storage: str) -> dict[str, set[str]]:
    """Of each table what it has of the demo users. An id is one only where it stands by itself."""
    tables, found = TableServiceClient.from_connection_string(storage), defaultdict(set)
    for table in (t.name for t in tables.list_tables()):
        for row in tables.get_table_client(table).list_entities():
            text = "\n".join(one for value in row.values() for one in texts(value))
            for user, known in DEMO_USERS.items():
                kinds = {"id": rf"(?m)^{user}$|\"{user}\"", "name": known["name"], "address": known["email"]}
                found[table] |= {kind for kind, pattern in kinds.items() if re.search(pattern, text)}
    return found


@pytest.fixture
def used(service: Stack, people: People, export: Callable[..., dict[str, Any]]) -> Iterator[Stack]:
    """A service in which things were asked for, fetched, held, scheduled and hooked, and somebody was offboarded."""

    def done(method: str, path: str, **body: Any) -> Any:
        answer = people.sam.call(method, path, **({"json": body} if body else {}))
        assert answer.status_code < 400, answer.text
        return answer.json() if answer.content else None

    made = export(exportType="users", notify={"email": True})
    people.ada.wait_for_log(made["id"], "mail-sent", "mail-skipped")
    assert people.ada.call("GET", f"/exports/{made['id']}/download").status_code == 302
    done("PUT", f"/ops/exports/{made['id']}/hold", reason="a case")
    done("DELETE", f"/ops/exports/{made['id']}/hold")
    done("POST", "/users/somebody-else/offboard")
    request = {"exportType": "users"}
    schedule = done("POST", "/schedules", name="Daily", cron="0 6 1 1 *", timeZone="UTC", request=request)
    hook = done("POST", "/webhooks", url="https://198.41.0.4/x")
    yield service
    done("DELETE", f"/schedules/{schedule['id']}")
    done("DELETE", f"/webhooks/{hook['id']}")
    done("DELETE", "/users/somebody-else/offboard")


def test_the_map_says_what_each_table_has_of_persons(used: Stack) -> None:
    """Ids, names and addresses that are found in a table are in its row of the map."""
    found = {table: kinds for table, kinds in found_in(used.storage).items() if not _ENGINE.fullmatch(table)}
    assert {"name", "address", "id"} <= found["SluiceExports"]
    assert {table: kinds - documented(table) for table, kinds in found.items() if kinds - documented(table)} == {}
