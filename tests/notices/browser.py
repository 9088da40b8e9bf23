"""A real browser without a window, driven over the Chrome DevTools protocol (https://chromedevtools.github.io)."""

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

_QUIET = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")
"""It asks nobody for anything by itself."""


class Browser:
    """One page of it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, session: str) -> None:
        self._socket, self._session, self._last = socket, session, 0
        self.events: list[dict[str, Any]] = []
        """What the browser has told while commands ran, such as its requests once ``Network.enable`` was called."""

    async def call(self, method: str, **params: Any) -> Any:
        """A command, and its result."""
        self._last += 1
        await self._socket.send_json({"id": self._last, "sessionId": self._session, "method": method, "params": params})
        while True:
            answer = await self._socket.receive_json(timeout=60)
            if answer.get("id") == self._last:
                if "error" in answer:
                    raise RuntimeError(answer["error"])
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    async def show(self, html: str, width: int, scheme: str) -> None:
        """Show a page in a window of this width; ``scheme`` is light or dark."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        await self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        tree = await self.call("Page.getFrameTree")
        await self.call("Page.setDocumentContent", frameId=tree["frameTree"]["frame"]["id"], html=html)

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression, awaited."""
        result = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"])[:1000])
        return result["result"].get("value")

    async def picture(self) -> bytes:
        """A PNG of the whole page."""
        shot = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])


@asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Browser]:
    """The browser that ``CHROMIUM`` names, or the one that is installed."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not program:
        raise FileNotFoundError("no browser; install Chromium, or set CHROMIUM to its path")
    command = [program, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", *_QUIET]
    started = subprocess.Popen(  # noqa: ASYNC220 - it only starts here
        [*command, "--remote-debugging-port=0", "about:blank"], stderr=subprocess.PIPE, text=True
    )
    with started as process:
        try:
            lines = process.stderr or ()
            url = next(m[1] for line in lines if (m := re.search(r"DevTools listening on (ws://\S+)", line)))
            async with aiohttp.ClientSession() as http, http.ws_connect(url, max_msg_size=0) as socket:
                target = await _root_call(socket, "Target.createTarget", url="about:blank")
                session = await _root_call(socket, "Target.attachToTarget", targetId=target["targetId"], flatten=True)
                yield Browser(socket, session["sessionId"])
        finally:
            process.kill()


async def _root_call(socket: aiohttp.ClientWebSocketResponse, method: str, **params: Any) -> Any:
    await socket.send_json({"id": 0, "method": method, "params": params})
    while True:
        answer = await socket.receive_json(timeout=60)
        if answer.get("id") == 0:
            return answer["result"]
