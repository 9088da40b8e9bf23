"""The links of a mail in a browser that runs scripts, as some scanners do, and as people do. `make test-pages`."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.notices.browser import Browser, browser
from tests.service.conftest import People

HOME = Path(__file__).resolve().parents[2] / ".sluice" / "pages"
"""Where the pictures go."""

_SHOWN = """new Promise((done, failed) => {
  const look = () => document.querySelector("main button, main p:not([hidden])") && document.readyState == "complete";
  const end = Date.now() + 20000;
  (function again() { look() ? done() : Date.now() > end ? failed("nothing is shown") : setTimeout(again, 20); })();
})"""
_TEXT = "document.querySelector('main').innerText"
_BUTTON = "document.querySelector('button')?.textContent ?? ''"


async def visit(shown: Browser, link: str) -> str:
    """Go there as somebody who clicks in a mail, and wait until the page says something; gives its button's text."""
    await shown.call("Page.navigate", url="about:blank")
    await shown.call("Page.navigate", url=link)
    await shown.evaluate(_SHOWN)
    return str(await shown.evaluate(_BUTTON))


@pytest.fixture(scope="module")
def mailed(people: People) -> tuple[str, list[str]]:
    """The id of an export, and the links in the mail about it: to the file, and to switch mail off."""
    body = {"exportType": "analytics", "fileName": "in a browser", "notify": {"email": True, "graceSeconds": 0}}
    export_id = people.ada.start(**body)
    assert people.ada.wait_for_log(export_id, "mail-sent", "mail-skipped")["action"] == "mail-sent"
    items = people.ada.call("GET", "/dev/outbox").json()["items"]
    (mail,) = [mail for mail in items if "in a browser.csv" in mail["text"]]
    return export_id, re.findall(r'href="([^"]+)"', mail["html"])


def test_a_scanner_that_runs_scripts_changes_nothing_and_a_person_gets_the_file(
    people: People, mailed: tuple[str, list[str]], tmp_path: Path
) -> None:
    """Every link of the mail, twice; then the person presses the button, and the browser has the file."""
    export_id, links = mailed

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

    async def press() -> bytes:
        folder = tmp_path / "files"
        async with browser(tmp_path / "person") as shown:
            await shown.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
            await visit(shown, links[0])
            await shown.evaluate("document.querySelector('button').click()")
            for _ in range(400):
                if files := list(folder.glob("in a browser.csv")):
                    return files[0].read_bytes()
                await asyncio.sleep(0.05)
        raise TimeoutError("the browser has no file")

    assert asyncio.run(scan()) == ["Download", "No more mails about exports"] * 2
    assert state() == before
    status = people.sam.call("GET", f"/exports/{export_id}").json()
    assert len(asyncio.run(press())) == status["file"]["bytes"]
    people.ada.wait_for_log(export_id, "downloaded")


def test_the_token_stays_between_the_mail_and_the_body(mailed: tuple[str, list[str]], tmp_path: Path) -> None:
    """It is in no address, no header and no referrer; it leaves the address bar; and a reload still finds it."""
    link = mailed[1][0]
    token = link.partition("#")[2]

    async def follow() -> tuple[Browser, list[str]]:
        async with browser(tmp_path / "person") as shown:
            await shown.call("Network.enable")
            await visit(shown, link)
            bar = [await shown.evaluate("location.href"), await shown.evaluate("document.referrer")]
            await shown.call("Page.reload")
            await shown.evaluate(_SHOWN)
            bar.append(str(await shown.evaluate(_BUTTON)))
            await shown.evaluate("document.querySelector('button').click()")
            await shown.evaluate("new Promise(done => setTimeout(done, 1000))")
            return shown, bar

    shown, bar = asyncio.run(follow())
    assert bar == [link.partition("#")[0], "", "Download"]
    sent = [event["params"] for event in shown.events if event["method"].startswith("Network.requestWillBeSent")]
    requests = [one["request"] for one in sent if "request" in one]
    extra = [one["headers"] for one in sent if "headers" in one]
    assert token not in json.dumps([[r["url"], r["headers"]] for r in requests] + extra)
    assert [r["postData"] for r in requests if r["method"] == "POST"] == [
        json.dumps({"token": token}, separators=(",", ":"))
    ] * 3
    referrers = {name.lower(): value for headers in extra for name, value in headers.items()}
    assert "referer" not in referrers


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("cut", "This link leads nowhere"),
        ("none", "The end of the link is missing"),
        ("no scripts", "Sign in where you asked for the export"),
        ("away", "cannot be reached at the moment"),
    ],
)
def test_the_page_says_what_is_wrong(mailed: tuple[str, list[str]], tmp_path: Path, what: str, words: str) -> None:
    """A link that is cut short, a page without one, a browser without scripts, a service that is away."""
    link = mailed[1][0]

    async def read() -> str:
        async with browser(tmp_path / "person") as shown:
            if what == "no scripts":
                await shown.call("Emulation.setScriptExecutionDisabled", value=True)
                await shown.call("Page.navigate", url=link)
                await asyncio.sleep(1)  # without scripts the page cannot tell when it is there
                tree = await shown.call("DOM.getDocument", depth=-1)
                return str((await shown.call("DOM.getOuterHTML", nodeId=tree["root"]["nodeId"]))["outerHTML"])
            if what == "away":
                await shown.call("Network.enable")
                await shown.call("Network.setBlockedURLs", urls=["*/api/link*"])
            await visit(shown, {"cut": link[:-3], "none": link.partition("#")[0]}.get(what, link))
            return str(await shown.evaluate(_TEXT))

    assert words in asyncio.run(read())


def test_how_the_page_looks(mailed: tuple[str, list[str]], tmp_path: Path) -> None:
    """For people: narrow and wide, light and dark. Nothing has to be scrolled sideways."""

    async def look() -> dict[str, bytes]:
        found = {}
        async with browser(tmp_path / "person") as shown:
            for width in (320, 1280):
                for scheme in ("light", "dark"):
                    await shown.show("", width, scheme)
                    await visit(shown, mailed[1][0])
                    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
                    assert not await shown.evaluate(wide)
                    found[f"link-{width}-{scheme}"] = await shown.picture()
        return found

    HOME.mkdir(parents=True, exist_ok=True)
    pictures = asyncio.run(look())
    for name, picture in pictures.items():
        (HOME / f"{name}.png").write_bytes(picture)
    assert len(pictures) == 4
