"""Every mail and page in a real browser: narrow and wide, light and dark, in every language. `make test-pages`."""

import asyncio
import json
import os
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from demo import azurite_server
from shared.notifications.templates.catalogues import LANGUAGES
from shared.notifications.templates.mails import SAMPLES, words
from shared.notifications.templates.pages import page
from tests.notices.browser import Browser, browser

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".sluice" / "pages"
"""Where the pictures go."""

AXE = "axe-core@4.14.1"
WIDTHS, SCHEMES = (320, 1280), ("light", "dark")

VALUES = {
    **asdict(SAMPLES["completed"]),
    "file_name": "Sessions_de_janvier_" * 5 + ".csv",
    "error": SAMPLES["failed"].error,
    "by_form": False,
    "sign_in": "/.auth/login/aad",
    "sign_out": "/.auth/logout",
}
REASONS = (
    "unknown",
    "failed",
    "running",
    "busy",
    "cancelled",
    "expired",
    "revoked",
    "deleted",
    "sign-in",
    "forbidden",
)


def pages(language: str) -> dict[str, str]:
    """Every mail and every page, by name."""
    found = {f"mail-{kind}": words(kind, facts, language).html for kind, facts in SAMPLES.items()}
    found["landing"] = page("landing", VALUES, language)
    found["link"] = page("link", {}, language)
    found |= {f"no-file-{reason}": page("no-file", {**VALUES, "reason": reason}, language) for reason in REASONS}
    found |= {f"unsubscribe-{s}": page("unsubscribe", {"step": s}, language) for s in ("asked", "done", "unknown")}
    return found


@pytest.fixture(scope="module")
def axe() -> str:
    """The accessibility checks (https://github.com/dequelabs/axe-core), from npm."""
    script = HOME / "axe" / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        node, root = azurite_server._node(), azurite_server._node_root()
        npm = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        (HOME / "axe").mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
        command = [str(node), str(npm), "install", "--prefix", str(HOME / "axe"), "--ignore-scripts", "--no-audit", AXE]
        subprocess.run(command, env=environment, check=True, capture_output=True)
    return script.read_text()


_RUN = "axe.run().then(r => JSON.stringify(r.violations.map(v => [v.impact, v.id, v.nodes[0].html])))"


async def problems(shown: Browser, axe: str) -> dict[str, Any]:
    """What axe finds on the page that is shown, and whether it has to be scrolled sideways."""
    await shown.evaluate(axe + ";0")
    found = await shown.evaluate(_RUN)
    wide = await shown.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return {"axe": json.loads(found), "too wide": wide}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_looks_right(language: str, axe: str, tmp_path: Path) -> None:
    """No finding of axe, nothing wider than the window; the pictures are for people."""

    pictures: dict[str, bytes] = {}

    async def look() -> dict[str, Any]:
        found: dict[str, Any] = {}
        async with browser(tmp_path) as shown:
            for name, html in pages(language).items():
                for width in WIDTHS:
                    for scheme in SCHEMES:
                        await shown.show(html, width, scheme)
                        place = f"{name}-{language}-{width}-{scheme}"
                        found[place] = await problems(shown, axe)
                        pictures[place] = await shown.picture()
        return found

    seen = asyncio.run(look())
    for place, picture in pictures.items():
        (HOME / f"{place}.png").write_bytes(picture)
    assert len(seen) == 21 * len(WIDTHS) * len(SCHEMES)
    assert {name: what for name, what in seen.items() if what != {"axe": [], "too wide": False}} == {}


def test_the_checks_find_what_is_wrong(axe: str, tmp_path: Path) -> None:
    """Otherwise the test above would prove nothing."""

    async def look() -> dict[str, Any]:
        async with browser(tmp_path) as shown:
            await shown.show('<html><body><img src="x"><p style="width:2000px;color:#eee">words', 320, "light")
            return await problems(shown, axe)

    found = asyncio.run(look())
    assert {"image-alt", "color-contrast", "html-has-lang"} <= {rule for _, rule, _ in found["axe"]}
    assert found["too wide"]
