"""In-app notifications: there at once, for one person, and read when they know."""

from collections.abc import Callable
from typing import Any

import pytest

from demo.client import Client
from tests.service.conftest import People
from tests.service.problems import assert_problem

Export = Callable[..., dict[str, Any]]


@pytest.fixture
def export(people: People) -> Export:
    """Ask for an export as gus, who does not look at it, and wait until he was told; gives the status resource."""

    def run(**body: Any) -> dict[str, Any]:
        status = people.sam.wait(people["gus"].start(exportType="employees", **body), seconds=60, every=0.05)
        people.sam.wait_for_log(status["id"], "in-app-notification-sent", "in-app-notification-skipped")
        return status

    return run


@pytest.fixture(scope="module")
def gus(people: People) -> Client:
    """A Manager of globex."""
    return people["gus"]


def told_about(client: Client, export_id: str) -> list[dict[str, Any]]:
    """A person's notifications of an export."""
    items = client.call("GET", "/notifications").json()["items"]
    return [item for item in items if item["exportId"] == export_id]


def unread(client: Client) -> int:
    """How many a person has not read."""
    return int(client.call("GET", "/notifications?limit=1").json()["unread"])


def test_who_asked_is_told_and_nobody_else(people: People, gus: Client, export: Export) -> None:
    """Even of an export that was too quick for a mail."""
    before = unread(gus)
    status = export(fileName="told")
    (told,) = told_about(gus, status["id"])
    assert (told["kind"], told["createdAt"], told["readAt"]) == ("completed", status["completedAt"], None)
    assert told["subject"].startswith("Your export 'Employees' is ready")
    assert told["links"] == {"export": status["links"]["self"]}
    assert unread(gus) == before + 1
    for other in (people.bea, people.ada, people.sam):
        assert told_about(other, status["id"]) == []
        assert_problem(other.call("POST", f"/notifications/{told['id']}/read"), "not-found")
    assert told_about(gus, status["id"]) == [told]


def test_reading_one_makes_the_mail_unnecessary(people: People, gus: Client, export: Export) -> None:
    """It counts as having seen the export; reading it once more changes nothing."""
    status = export(notify={"email": True, "graceSeconds": 3600})
    people.sam.wait_for_log(status["id"], "mail-waits")
    (told,) = told_about(gus, status["id"])
    read = gus.call("POST", f"/notifications/{told['id']}/read")
    assert read.status_code == 200
    assert read.json() == told | {"readAt": read.json()["readAt"]}
    assert read.json()["readAt"] > told["createdAt"]
    line = people.sam.wait_for_log(status["id"], "mail-sent", "mail-skipped")
    assert line["message"] == "No mail: who asked has seen it."
    assert gus.call("POST", f"/notifications/{told['id']}/read").json() == read.json()


@pytest.mark.parametrize("path", ["/exports/{}", "/exports/{}/download"])
def test_who_knows_has_read_it(gus: Client, export: Export, path: str) -> None:
    """A look at the export and a download are as good as reading the notification."""
    status = export()
    before = unread(gus)
    gus.call("GET", path.format(status["id"]))
    (told,) = told_about(gus, status["id"])
    assert told["readAt"] is not None
    assert unread(gus) == before - 1


def test_it_can_be_switched_off(gus: Client, export: Export) -> None:
    """By the request; the log tells."""
    status = export(notify={"inApp": False})
    assert told_about(gus, status["id"]) == []
    (line,) = [x for x in gus.logs(status["id"]) if x["action"].startswith("in-app")]
    assert line["message"] == "No in-app notification: the request switched it off."


def test_they_come_in_pages_newest_first(gus: Client, export: Export) -> None:
    """Each once; and only the unread ones when they are asked for."""
    ids = [export(fileName=f"page {number}")["id"] for number in range(3)]
    (told,) = told_about(gus, ids[1])
    gus.call("POST", f"/notifications/{told['id']}/read")
    found: list[dict[str, Any]] = []
    cursor = ""
    while cursor is not None:
        page = gus.call("GET", "/notifications?limit=2" + (f"&cursor={cursor}" if cursor else "")).json()
        found += page["items"]
        cursor = page["nextCursor"]
    assert [item["exportId"] for item in found][:3] == ids[::-1]
    assert len({item["id"] for item in found}) == len(found)
    new = gus.call("GET", "/notifications?unread=true&limit=200").json()
    assert [item["exportId"] for item in new["items"]][:2] == [ids[2], ids[0]]
    assert len(new["items"]) == new["unread"]


def test_they_can_be_polled_with_their_entity_tag(gus: Client, export: Export) -> None:
    """304 until there is something new."""
    export()
    first = gus.call("GET", "/notifications?limit=5")
    tag = {"If-None-Match": first.headers["ETag"]}
    assert gus.call("GET", "/notifications?limit=5", headers=tag).status_code == 304
    status = export()
    assert gus.call("GET", "/notifications?limit=5", headers=tag).status_code == 200
    gus.call("GET", f"/exports/{status['id']}")
    assert gus.call("GET", "/notifications?limit=5", headers=tag).status_code == 200


def test_they_go_with_their_export(people: People, gus: Client, export: Export) -> None:
    """A deleted export leaves nothing that leads nowhere."""
    status = export()
    assert len(told_about(gus, status["id"])) == 1
    people.sam.wait_for_log(status["id"], "mail-skipped")
    assert gus.call("DELETE", f"/exports/{status['id']}").status_code == 204
    assert told_about(gus, status["id"]) == []


def test_a_viewer_has_a_list_too(people: People) -> None:
    """It is empty for who may not export."""
    assert people.vic.call("GET", "/notifications").json() == {"items": [], "nextCursor": None, "unread": 0}


def test_a_wrong_question_is_named(gus: Client) -> None:
    """What was received and what is valid."""
    assert_problem(
        gus.call("GET", "/notifications?unread=1&limit=0&cursor=%27&page=2"),
        "validation-failed",
        unread="takes true or false, got '1'",
        limit="takes a whole number from 1 to 200, got '0'",
        cursor="is not one that a listing gave",
        page="unknown parameter 'page'",
    )
    for wrong in ("x", "%27", "a" * 65):
        assert_problem(gus.call("POST", f"/notifications/{wrong}/read"), "not-found")
