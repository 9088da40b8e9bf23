"""``context.call_http``: the host sends the request, so that it runs once per schedule and needs no worker."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

_POLL_SECONDS = 30.0
_LONGEST_CALL = 1800.0


class HttpCalls:
    """Sends durable HTTP requests over one connection pool, opened by the first of them."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send {method, uri, content, headers} and return {statusCode, headers, content}.

        An answer 202 with a Location is asked again until it is another, as the platform does by default. Raises
        aiohttp.ClientError when the address cannot be reached, and ValueError for a token source.
        """
        if request.get("tokenSource"):
            raise ValueError("call_http with a token source needs a managed identity, which this host has not")
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_LONGEST_CALL))
        headers = dict(request.get("headers") or {})
        content = request.get("content")
        if content is not None and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
        answer = await self._once(request["method"], request["uri"], headers, content)
        while answer["statusCode"] == 202 and _header(answer, "location"):
            retry_after = _header(answer, "retry-after")
            await asyncio.sleep(float(retry_after) if retry_after.isdigit() else _POLL_SECONDS)
            answer = await self._once("GET", _header(answer, "location"), headers, None)
        return answer

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _once(self, method: str, uri: str, headers: dict[str, str], content: str | None) -> dict[str, Any]:
        assert self._session is not None
        data = content.encode() if content is not None else None
        async with self._session.request(method, uri, headers=headers, data=data) as response:
            text = await response.text()
            return {"statusCode": response.status, "headers": dict(response.headers), "content": text}


def _header(answer: dict[str, Any], name: str) -> str:
    return next((str(v) for k, v in answer["headers"].items() if k.lower() == name), "")
