"""The links of a mail in a browser that runs scripts, as some scanners do, and as people do. `make test-pages`."""

import asyncio
import re
from pathlib import Path
from typing import Any

from tests.notices.browser import Browser, browser
from tests.service.conftest import People

_LOADED = "new Promise(done => document.readyState == 'complete' ? done() : addEventListener('load', () => done()))"


async def visit(shown: Browser, link: str) -> str:
    """Go there, wait until the page is complete and whatever runs has run; gives the text of its button."""
    await shown.call("Page.navigate", url=link)
    await shown.evaluate(_LOADED)
    await shown.evaluate("new Promise(done => setTimeout(done, 500))")
    return str(await shown.evaluate("document.querySelector('button')?.textContent ?? ''"))


def test_a_scanner_that_runs_scripts_changes_nothing_and_a_person_gets_the_file(people: People, tmp_path: Path) -> None:
    """Every link of the mail, twice; then the person presses the button."""
    body = {"exportType": "analytics", "fileName": "in a browser", "notify": {"email": True, "graceSeconds": 0}}
    export_id = people.ada.start(**body)
    assert people.ada.wait_for_log(export_id, "mail-sent", "mail-skipped")["action"] == "mail-sent"
    items = people.ada.call("GET", "/dev/outbox").json()["items"]
    (mail,) = [mail for mail in items if "in a browser.csv" in mail["text"]]
    links = re.findall(r'href="([^"]+)"', mail["html"])

    def state() -> list[Any]:
        paths = (f"/exports/{export_id}", f"/exports/{export_id}/logs")
        return [people.sam.call("GET", path).json() for path in paths] + [
            people.ada.call("GET", "/preferences").json(),
            people.ada.call("GET", "/notifications?limit=5").json(),
        ]

    before = state()

    async def scan() -> list[str]:
        async with browser(tmp_path / "scanner") as shown:
            return [await visit(shown, link) for link in links * 2]

    async def press() -> None:
        async with browser(tmp_path / "person") as shown:
            await visit(shown, links[0])
            await shown.evaluate("document.querySelector('button').click()")
            await asyncio.sleep(1)  # the browser may not go before its request has gone out

    assert asyncio.run(scan()) == ["Download", "No more mails about exports"] * 2
    assert state() == before
    asyncio.run(press())
    people.ada.wait_for_log(export_id, "downloaded")
