"""Where a webhook may go: https, two ports, and public addresses only.

Whoever can name a URL could otherwise have us call what only we can reach. A URL is read once, as browsers read it
(https://url.spec.whatwg.org: 0x7f.1, 2130706433 and fullwidth digits are 127.0.0.1), its name is resolved once, and the
connection goes to the addresses that were checked.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from pydantic import AnyUrl, TypeAdapter, ValidationError

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name, as texts. Raises ``OSError`` when it has none."""

PORTS = frozenset({443, 8443})
_RESOLVE_SECONDS = 5

_NOT_PUBLIC = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network (RFC 791)
        "100.64.0.0/10",  # carrier-grade NAT (RFC 6598); metadata of some clouds
        "168.63.129.16/32",  # Azure's own: DNS, health probes, the guest agent
        "192.0.0.0/24",  # protocol assignments (RFC 6890); metadata of some clouds
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "198.18.0.0/15",  # benchmarks (RFC 2544)
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "2001::/23",  # protocol assignments (RFC 2928), Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: holds an IPv4 address
        "3fff::/20",  # documentation (RFC 9637)
    )
)
"""What ``ipaddress`` calls global on some release of Python, and is not for us."""
_GLOBAL_UNICAST = ip_network("2000::/3")
"""All of IPv6 that is assigned to the public (RFC 4291). IPv4-mapped, -compatible and NAT64 addresses are outside."""


class AddressRefused(ValueError):
    """A webhook may not go there; says why, and what is valid."""


@dataclass(frozen=True)
class Target:
    """A URL that may be called. ``url`` is its canonical text; ``local``: on this machine, as the settings allow."""

    url: str
    host: str
    port: int
    local: bool


@dataclass(frozen=True)
class Rules:
    """Where a webhook may go. ``local_origins`` are those on this machine that may be called, with http too."""

    local_origins: frozenset[str] = frozenset()
    ports: frozenset[int] = PORTS

    def target(self, url: str) -> Target:
        """Read a URL. Raises ``AddressRefused``; a name is not resolved yet."""
        if not url.isprintable() or " " in url or "\\" in url:
            raise AddressRefused("takes a URL without blanks, backslashes or control characters")
        try:
            read = _URL.validate_python(url)
        except ValidationError as error:
            reason = error.errors(include_url=False)[0]["msg"].removeprefix("Input should be a valid URL, ")
            raise AddressRefused(f"takes a URL such as https://hooks.example.com/sluice: {reason}") from None
        host, port = read.host or "", read.port or 0
        local = f"{read.scheme}://{host}:{port}" in self.local_origins
        if read.username or read.password:
            raise AddressRefused("takes a URL without a user name or password")
        if read.fragment is not None:
            raise AddressRefused("takes a URL without a fragment (#)")
        if not local and read.scheme != "https":
            raise AddressRefused(f"takes an https URL, got {read.scheme}")
        if not local and port not in self.ports:
            known = " or ".join(str(known) for known in sorted(self.ports))
            raise AddressRefused(f"takes port {known}, got {port}")
        target = Target(str(read), host, port, local)
        literal = _literal(host)
        if literal is not None:
            _check(target, [literal])
        return target

    async def addresses(self, target: Target, resolve: Resolve) -> list[str]:
        """The addresses of the target, all of them checked. Raises ``AddressRefused``."""
        try:
            found = await asyncio.wait_for(resolve(target.host, target.port), _RESOLVE_SECONDS)
        except (OSError, TimeoutError, UnicodeError):
            raise AddressRefused(f"the name {target.host} cannot be resolved") from None
        _check(target, [ip_address(text) for text in found])
        return list(found)


_URL = TypeAdapter(AnyUrl)


async def system_resolve(host: str, port: int) -> Sequence[str]:
    """The addresses that the system's resolver gives."""
    found = await asyncio.get_running_loop().getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[4][0]) for address in found))


def is_public(address: Address) -> bool:
    """Whether anybody on the Internet could reach it, too."""
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    special = any(address in network for network in _NOT_PUBLIC if network.version == address.version)
    return address.is_global and not special


def _check(target: Target, addresses: Sequence[Address]) -> None:
    if target.local:
        if not all(address.is_loopback for address in addresses):
            raise AddressRefused(f"{target.host} is in WEBHOOK_LOCAL_ORIGINS and is not on this machine")
    elif not addresses or not all(is_public(address) for address in addresses):
        raise AddressRefused(f"{target.host} does not lead to a public address")


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None
