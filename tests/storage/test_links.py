"""The links that went out: found by their token alone, kept without it, revoked one by one or with their person."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.data.tables import TableServiceClient

from shared.settings import Settings
from shared.storage.accounts import table_service
from shared.storage.links import Link, Links, RevokedPerson, token_hash
from shared.timestamps import iso

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
TOKEN = "sTd0vPzRk0Cw1x2y3z4A5B6C7D8E9F0G1H2I3J4K5L6"


@pytest.fixture(scope="module")
def tables(storage_settings: Settings) -> TableServiceClient:
    """The account's tables, for a look behind the store's back."""
    return table_service(storage_settings, "activity")


@pytest.fixture
def links(tables: TableServiceClient) -> Iterator[Links]:
    """The store, empty before and after."""
    store = Links(tables)
    store.prepare()
    yield store
    for link in store.older(iso(NOW + timedelta(days=99)), "", 200)[0]:
        store.delete(link)


def link(token: str = TOKEN, **changes: Any) -> Link:
    """A link to an export of una's in acme."""
    made = Link("acme", "e1", token_hash(token), "una", "email", "completed", 1, iso(NOW))
    return replace(made, **changes)


def everything(tables: TableServiceClient) -> str:
    """All rows of both tables, as text."""
    names = ("SluiceLinks", "SluiceLinkTokens")
    return repr([dict(row) for name in names for row in tables.get_table_client(name).list_entities()])


def test_a_link_is_found_by_its_token_and_no_table_has_the_token(links: Links, tables: TableServiceClient) -> None:
    """Whoever reads the tables cannot open a file; and a token that was cut short finds nothing."""
    links.keep(link())
    links.keep_unsubscribe("u" * 43, "acme", "una")
    assert links.find(TOKEN) == link()
    assert links.find(TOKEN[:-1]) is None
    assert links.unsubscribes("u" * 43) == ("acme", "una")
    assert TOKEN not in everything(tables)
    assert "u" * 43 not in everything(tables)


def test_a_token_does_one_thing(links: Links) -> None:
    """The one that switches mail off gives no file, and the other way round."""
    links.keep(link())
    links.keep_unsubscribe("u" * 43, "acme", "una")
    assert links.find("u" * 43) is None
    assert links.unsubscribes(TOKEN) is None


def test_a_link_that_is_kept_again_is_the_same_link(links: Links) -> None:
    """An activity runs twice: there is one link; and one that was revoked meanwhile stays so."""
    links.keep(link())
    assert links.revoke("acme", "e1", link().id, NOW) == link(revoked_at=iso(NOW))
    links.keep(link(created_at=iso(NOW + timedelta(hours=1))))
    assert links.of_export("acme", "e1") == [link(revoked_at=iso(NOW))]


def test_links_are_revoked_one_by_one(links: Links) -> None:
    """The others stay good; a link of another export is none of this one's."""
    other, of_another = link("b" * 43), link("c" * 43, export_id="e12")
    for one in (link(), other, of_another):
        links.keep(one)
    assert links.revoke("acme", "e1", of_another.id, NOW) is None
    links.revoke("acme", "e1", link().id, NOW)
    links.revoke("acme", "e1", link().id, NOW + timedelta(hours=1))
    assert links.find(TOKEN) == link(revoked_at=iso(NOW))
    assert links.find("b" * 43) == other
    assert sorted(links.of_export("acme", "e1"), key=lambda one: one.id) == sorted(
        [link(revoked_at=iso(NOW)), other], key=lambda one: one.id
    )


def test_the_links_of_a_person_are_revoked_at_once(links: Links) -> None:
    """Also one whose row is written a moment later; not those of others, of a namesake elsewhere, or of later days."""
    theirs, others = link(user="ute"), link("b" * 43, user="max")
    elsewhere = link("c" * 43, tenant="globex", user="ute")
    for one in (theirs, others, elsewhere):
        links.keep(one)
    assert links.revoke_links_of("acme", "ute", NOW) == 1
    assert links.revoke_links_of("acme", "ute", NOW) == 0
    late, next_day = link("d" * 43, user="ute"), link("e" * 43, user="ute", created_at=iso(NOW + timedelta(days=1)))
    links.keep(late)
    links.keep(next_day)
    revoked = {token: bool((links.find(token) or late).revoked_at) for token in (TOKEN, *(c * 43 for c in "bcde"))}
    assert revoked == {TOKEN: True, "b" * 43: False, "c" * 43: False, "d" * 43: True, "e" * 43: False}
    assert links.were_revoked("acme", "ute", iso(NOW - timedelta(days=1)))
    assert not links.were_revoked("acme", "ute", iso(NOW + timedelta(days=1)))
    assert not links.were_revoked("acme", "max", iso(NOW))


def test_the_links_of_an_export_are_forgotten(links: Links, tables: TableServiceClient) -> None:
    """With their tokens; those of others stay, and so does the link that switches mail off."""
    links.keep(link())
    links.keep(link("b" * 43, export_id="e12"))
    links.keep_unsubscribe("u" * 43, "acme", "una")
    links.forget("acme", "e1")
    assert links.find(TOKEN) is None
    assert token_hash(TOKEN) not in everything(tables)
    assert links.find("b" * 43) is not None
    assert links.unsubscribes("u" * 43) == ("acme", "una")


def test_what_was_revoked_again_meanwhile_is_not_forgotten(links: Links) -> None:
    """Retention removes what it has found, as it was."""

    def found() -> list[RevokedPerson]:
        return [person for person in links.people_revoked(iso(NOW), "", 200)[0] if person.tenant == "initech"]

    links.revoke_links_of("initech", "zoe", NOW - timedelta(days=1))
    (first,) = found()
    links.revoke_links_of("initech", "zoe", NOW)
    assert found() == []
    assert not links.forget_person(first)
    assert links.were_revoked("initech", "zoe", iso(NOW))
    assert [links.forget_person(replace(first, revoked_at=iso(NOW))) for _ in range(2)] == [True, False]
    assert not links.were_revoked("initech", "zoe", iso(NOW - timedelta(days=1)))
