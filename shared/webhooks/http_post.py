"""One POST to a receiver: to a checked address, within a time, without following anything."""

import socket
import ssl
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from shared.version import VERSION
from shared.webhooks.addresses import Resolve, Rules, Target, system_resolve

_USER_AGENT = f"Sluice/{VERSION}"


class NoAnswer(Exception):
    """The receiver gave no answer; says why, in words that hold nothing of what was sent."""


@dataclass(frozen=True)
class Answer:
    """What the receiver answered. ``retry_after`` is in seconds, 0 when it did not say."""

    status: int
    retry_after: int


@dataclass(frozen=True)
class Sender:
    """Posts events. ``context`` verifies certificates; the system's authorities when left out."""

    rules: Rules
    seconds: float
    resolve: Resolve = system_resolve
    context: ssl.SSLContext | None = None

    async def post(self, url: str, headers: dict[str, str], body: str) -> Answer:
        """Send a body. Only the answer's status line and headers are read: 8 KiB a line, 128 lines.

        Raises ``AddressRefused`` before a packet is sent to where none may go, and ``NoAnswer``.
        """
        target = self.rules.target(url)
        connector = aiohttp.TCPConnector(
            resolver=_Checked(self, target),
            ssl=self.context or True,
            use_dns_cache=False,
            force_close=True,
            happy_eyeballs_delay=None,
        )
        own = {"Content-Type": "application/json", "User-Agent": _USER_AGENT, "Accept": "*/*"}
        try:
            async with (
                aiohttp.ClientSession(
                    connector=connector,
                    timeout=aiohttp.ClientTimeout(total=self.seconds),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    auto_decompress=False,
                    trust_env=False,
                ) as session,
                session.post(
                    target.url, data=body.encode(), headers={**own, **headers}, allow_redirects=False
                ) as answer,
            ):
                return Answer(answer.status, _seconds(answer.headers.get("Retry-After", "")))
        except TimeoutError:
            raise NoAnswer(f"no answer within {self.seconds:g} s") from None
        except aiohttp.ClientConnectorCertificateError:
            raise NoAnswer("the certificate is not good for this name") from None
        except aiohttp.ClientSSLError:
            raise NoAnswer("no TLS connection could be made") from None
        except aiohttp.ClientConnectorError:
            raise NoAnswer("no connection could be made") from None
        except aiohttp.ClientError as error:
            raise NoAnswer(f"the answer was not HTTP or was cut short ({type(error).__name__})") from None


class _Checked(AbstractResolver):
    """Gives the connector addresses that were checked, and no others; literals are checked with the URL."""

    def __init__(self, sender: Sender, target: Target) -> None:
        self._sender = sender
        self._target = target

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        addresses = await self._sender.rules.addresses(self._target, self._sender.resolve)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


def _seconds(text: str) -> int:
    """``Retry-After`` in seconds (RFC 9110, section 10.2.3); a date or anything else counts as none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 0
