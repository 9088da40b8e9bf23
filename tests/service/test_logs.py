"""The application's log: every line about an export says which, whose, at whose request, and what was done."""

import re
import time
from pathlib import Path

from demo.client import Client
from demo.stack import Stack
from tests.service.conftest import People
from tests.service.test_metrics import numbers, until_counted


def lines_with(log: Path, text: str, last: str) -> list[str]:
    """The lines of functions with this text, once there is one of the last action."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        found = [line for line in log.read_text().splitlines() if text in line and "logger=sluice" in line]
        if any(f"action={last}" in line for line in found):
            return found
        time.sleep(0.05)
    raise TimeoutError(f"no {last}")


def asked(client: Client, request: str, **body: object) -> str:
    """An export that this request asked for."""
    headers = {"X-Request-Id": request}
    answer = client.call("POST", "/exports", json={"fresh": True, **body}, headers=headers)
    return str(answer.json()["id"])


def test_the_request_of_the_post_is_in_every_line(service: Stack, people: People) -> None:
    """In the endpoint, in every activity and in the notification, with the tenant and a stable action."""
    export_id = asked(people.ada, "the-request-of-ada", exportType="analytics", notify={"email": True})
    people.sam.wait(export_id)  # what she has seen herself, she gets no mail about
    people.ada.wait_for_log(export_id, "mail-sent", seconds=30)
    lines = lines_with(service.home / "logs" / "host.log", export_id, "mail-sent")
    found = [re.search(r" action=(\S+) export_id=(\S+) tenant=(\S+) request_id=([\w-]+)", line) for line in lines]
    facts = [match.groups() for match in found if match]
    assert len(facts) == len(lines)
    assert {fact[1:] for fact in facts} == {(export_id, "acme", "the-request-of-ada")}
    actions = ["requested", "planned", "merged", "published", "in-app-notification-sent", "mail-waits", "mail-sent"]
    assert [fact[0] for fact in facts if fact[0] != "announced"] == actions  # meanwhile, at its own pace


def test_a_later_request_has_its_own_id(service: Stack, people: People) -> None:
    """What was done at another request is found under that one."""
    export_id = asked(people.ada, "first", exportType="analytics")
    people.ada.wait(export_id)
    people.ada.call("GET", f"/exports/{export_id}/download", headers={"X-Request-Id": "second"})
    lines = lines_with(service.home / "logs" / "host.log", export_id, "downloaded")
    (downloaded,) = (line for line in lines if "action=downloaded" in line)
    assert f"action=downloaded export_id={export_id} tenant=acme request_id=second" in downloaded


def test_how_many_cells_were_guarded_is_said_and_counted(people: People) -> None:
    """The names of acme's users look like formulas, some of them; a number is in the log, and in the metric."""
    before = numbers(people.sam)
    export_id = asked(people.ada, "guarded", exportType="users")
    people.ada.wait(export_id)
    (merged,) = (line["message"] for line in people.ada.logs(export_id) if line["action"] == "merged")
    found = re.search(r"The formula guard put an apostrophe into (\d+) cells\.$", merged)
    assert found is not None
    until_counted(people.sam, before, "sluice_guarded_cells_total", int(found[1]), export_type="users")
    off = asked(people.ada, "not-guarded", exportType="users", formatOptions={"formulaGuard": False})
    people.ada.wait(off)
    assert not any("formula guard" in line["message"] for line in people.ada.logs(off))
