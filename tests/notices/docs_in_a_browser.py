"""The API's documentation in a browser: Swagger UI works under the page's own policy. `make test-pages`."""

import asyncio
import json
from pathlib import Path
from typing import Any

from aiohttp import web

from exports import EXPORT_TYPES
from shared.api.openapi import document
from shared.settings import settings_from
from tests.app.test_settings import RIGHT
from tests.notices.browser import browser
from triggers.http.operation import offered
from triggers.http.swagger_ui import FILES, HEADERS, PAGE, content

_OPERATIONS = "document.querySelectorAll('.opblock').length"


def test_swagger_ui_shows_every_call_under_its_policy(tmp_path: Path) -> None:
    """Nothing that the policy forbids is tried, and the first call opens with its fields."""

    async def show() -> tuple[int, int, list[str], str]:
        described = json.dumps(document(offered(settings_from(RIGHT)), EXPORT_TYPES, "/api"))

        async def page(_: web.Request) -> web.Response:
            return web.Response(text=PAGE, content_type="text/html", headers=dict(HEADERS))

        async def file(request: web.Request) -> web.Response:
            name = request.match_info["name"]
            return web.Response(body=content(name)[0], content_type=FILES[name], headers=dict(HEADERS))

        async def openapi(_: web.Request) -> web.Response:
            return web.Response(text=described, content_type="application/json")

        app = web.Application()
        app.add_routes([web.get("/docs", page), web.get("/docs/{name}", file), web.get("/openapi.json", openapi)])
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        known: Any = json.loads(described)
        calls = [*known["paths"].values(), *known["webhooks"].values()]
        wanted = sum(len(set(path) & {"get", "post", "put", "patch", "delete", "head"}) for path in calls)
        try:
            async with browser(tmp_path / "profile") as shown:
                await shown.call(
                    "Page.addScriptToEvaluateOnNewDocument",
                    source="window.refused = []; addEventListener('securitypolicyviolation', "
                    "e => refused.push(e.violatedDirective + ' ' + e.blockedURI))",
                )
                await shown.call("Page.enable")
                await shown.call("Page.navigate", url=f"http://127.0.0.1:{port}/docs")
                found = int(
                    await shown.evaluate(
                        "new Promise(done => { const look = () => "
                        f"{_OPERATIONS} >= {wanted} ? done({_OPERATIONS}) : setTimeout(look, 50); look(); }})"
                    )
                )
                await shown.evaluate("document.querySelector('.opblock-summary-control').click()")
                opened = str(
                    await shown.evaluate(
                        "new Promise(done => { const look = () => { const e = document.querySelector('.opblock-body'); "
                        "e ? done(e.textContent) : setTimeout(look, 50); }; look(); })"
                    )
                )
                return found, wanted, list(await shown.evaluate("window.refused")), opened
        finally:
            await runner.cleanup()

    found, wanted, refused, opened = asyncio.run(asyncio.wait_for(show(), 90))
    assert found == wanted > 40
    assert refused == []
    assert "Responses" in opened
