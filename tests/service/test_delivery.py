"""Many at once: a mail for each export that nobody fetched, and none for the others."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.service.conftest import People

EXPORTS = int(os.environ.get("DELIVERY_EXPORTS", "10"))
"""Every second one is downloaded; ``make test-delivery`` has a hundred of each kind."""


@pytest.mark.timeout(900)
def test_as_many_mails_as_nobody_fetched(people: People) -> None:
    """Downloaded before the grace time ends: none. Not downloaded: exactly one for each."""
    bea = people.bea

    def one(number: int) -> str:
        fetched = number % 2 == 0
        export_id = bea.start(
            exportType="users",
            columns=["id"],
            fileName=f"delivery-{number}",
            notify={"email": True, "graceSeconds": 3600 if fetched else 0},
        )
        if fetched:
            bea.wait_for_log(export_id, "mail-waits", seconds=600)
            assert bea.call("GET", f"/exports/{export_id}/download").status_code == 302
        return str(bea.wait_for_log(export_id, "mail-sent", "mail-skipped", seconds=600)["message"])

    with ThreadPoolExecutor(min(EXPORTS, 100)) as pool:
        messages = list(pool.map(one, range(EXPORTS)))
    assert messages[::2] == ["No mail: the file was downloaded."] * (EXPORTS // 2)
    assert messages[1::2] == ["Sent the mail to bea@globex.example."] * (EXPORTS // 2)
    items = bea.call("GET", "/dev/outbox").json()["items"]
    mailed = [number for number in range(EXPORTS) for mail in items if f"delivery-{number}.csv" in mail["text"]]
    assert mailed == list(range(1, EXPORTS, 2))
