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

    def begin(number: int) -> str:
        grace = 3600 if number % 2 == 0 else 0
        notify = {"email": True, "graceSeconds": grace}
        return bea.start(exportType="users", columns=["id"], fileName=f"delivery-{number}", notify=notify)

    def fetch(export_id: str) -> None:
        bea.wait_for_log(export_id, "mail-waits", seconds=600)
        assert bea.call("GET", f"/exports/{export_id}/download").status_code == 302

    def told(export_id: str) -> str:
        return str(bea.wait_for_log(export_id, "mail-sent", "mail-skipped", seconds=600)["message"])

    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(begin, range(EXPORTS)))
        list(pool.map(fetch, ids[::2]))
        messages = list(pool.map(told, ids))
    assert messages[::2] == ["No mail: the file was downloaded."] * (EXPORTS // 2)
    assert messages[1::2] == ["Sent the mail."] * (EXPORTS // 2)
    items = bea.call("GET", "/dev/outbox").json()["items"]
    mailed = [number for number in range(EXPORTS) for mail in items if f"delivery-{number}.csv" in mail["text"]]
    assert mailed == list(range(1, EXPORTS, 2))
