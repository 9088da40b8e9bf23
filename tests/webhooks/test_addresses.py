"""Where a webhook may go: nothing reaches a canary on loopback, whatever the URL looks like."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest
import trustme

from shared.webhooks.addresses import AddressRefused, Resolve, Rules, is_public, system_resolve
from shared.webhooks.http_post import NoAnswer, Sender
from tests.webhooks.hostile import GOOD, HOSTILE, PORT, PUBLIC


@dataclass
class Canary:
    """Listens on loopback, IPv4 and IPv6, and sings when a connection arrives."""

    port: int = 0
    heard: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def canary() -> Iterator[Canary]:
    """On one free port, at 127.0.0.1 (as at 0.0.0.0) and, where the machine has it, ::1."""
    found = Canary()
    listeners = []
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1")):
        with suppress(OSError):
            listener = socket.socket(family, socket.SOCK_STREAM)
            listener.bind((address, found.port))
            listener.listen(64)
            found.port = listener.getsockname()[1]
            listeners.append(listener)

    def listen(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, peer = listener.accept()
                found.heard.append(str(peer))
                connection.close()

    threads = [threading.Thread(target=listen, args=(listener,)) for listener in listeners]
    for thread in threads:
        thread.start()
    yield found
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join()


def naming(*answers: Sequence[str]) -> Resolve:
    """A resolver that gives these addresses to one question after the other, and the last ones ever after."""
    left = list(answers)

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


def sent(sender: Sender, url: str) -> str:
    """Why nothing was sent."""
    with pytest.raises((AddressRefused, NoAnswer)) as refused:
        asyncio.run(sender.post(url, {}, "{}"))
    return str(refused.value)


def registered(rules: Rules, url: str, resolve: Resolve = system_resolve) -> str:
    """The canonical URL that a registration keeps. Raises ``AddressRefused``."""
    target = rules.target(url)
    asyncio.run(rules.addresses(target, resolve))
    return target.url


def test_there_are_hostile_urls_enough() -> None:
    """The bar is 150."""
    assert len(HOSTILE) >= 150


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_url_is_refused_and_nothing_is_sent(canary: Canary, url: str) -> None:
    """When it is registered, and again when it is to be called; the port alone would not keep it away."""
    aimed = url.replace(str(PORT), str(canary.port))
    rules = Rules(ports=frozenset({443, canary.port}))
    with pytest.raises(AddressRefused):
        registered(rules, aimed)
    sender = Sender(rules, seconds=5)
    with pytest.raises(AddressRefused):
        asyncio.run(sender.post(aimed, {}, "{}"))
    assert canary.heard == []


def test_the_canary_hears(canary: Canary) -> None:
    """Otherwise the test above would prove nothing."""
    allowed = Rules(local_origins=frozenset({f"http://127.0.0.1:{canary.port}"}))
    sent(Sender(allowed, seconds=5), f"http://127.0.0.1:{canary.port}/")
    assert len(canary.heard) == 1
    canary.heard.clear()


@pytest.mark.parametrize("url", GOOD)
def test_a_good_url_is_taken(url: str) -> None:
    """In its canonical form."""
    taken = registered(Rules(), url, naming([PUBLIC, "2001:500:200::b"]))
    assert taken.startswith("https://")
    assert taken.isascii()


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        [PUBLIC, "127.0.0.1"],
        ["::1", "2001:500:200::b"],
        ["::ffff:127.0.0.1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["168.63.129.16"],
        ["fd00:ec2::254"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::1"],
        ["0.0.0.0"],
        [],
    ],
    ids=lambda addresses: " ".join(addresses) or "none",
)
def test_a_name_that_leads_inside_is_refused(canary: Canary, addresses: list[str]) -> None:
    """When one of its addresses does; and the answer does not tell where."""
    rules = Rules(ports=frozenset({canary.port}))
    url = f"https://inside.example:{canary.port}/"
    wanted = "inside.example does not lead to a public address"
    with pytest.raises(AddressRefused, match=wanted):
        registered(rules, url, naming(addresses))
    assert sent(Sender(rules, 5, naming(addresses)), url) == wanted
    assert canary.heard == []


def test_a_name_that_leads_elsewhere_later_is_refused_then(canary: Canary) -> None:
    """DNS rebinding: public when it was registered, loopback when it is called."""
    rules = Rules(ports=frozenset({canary.port}))
    resolve = naming([PUBLIC], ["127.0.0.1"])
    url = f"https://rebinding.example:{canary.port}/"
    assert registered(rules, url, resolve) == url
    assert "does not lead to a public address" in sent(Sender(rules, 5, resolve), url)
    assert canary.heard == []


def test_a_name_is_resolved_once_for_a_call(canary: Canary) -> None:
    """The connection goes to the address that was checked, whatever the name leads to a moment later."""
    asked: list[str] = []
    origin = f"http://rebinding.example:{canary.port}"

    async def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.9"]

    sent(Sender(Rules(local_origins=frozenset({origin})), 5, resolve), origin + "/")
    assert asked == ["rebinding.example"]
    assert len(canary.heard) == 1
    canary.heard.clear()


def test_a_local_origin_leads_to_this_machine_only() -> None:
    """The setting opens no way into a network."""
    rules = Rules(local_origins=frozenset({"http://printer.example:9000"}))
    with pytest.raises(AddressRefused, match="is in WEBHOOK_LOCAL_ORIGINS and is not on this machine"):
        registered(rules, "http://printer.example:9000/", naming(["10.0.0.1"]))


def test_a_name_that_is_none_is_refused() -> None:
    """With its name; no resolver's words."""

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(AddressRefused, match=r"^the name missing\.example cannot be resolved$"):
        registered(Rules(), "https://missing.example/", resolve)


@pytest.mark.parametrize("text", ["8.8.8.8", PUBLIC, "52.239.0.1", "2001:4860:4860::8888", "2620:4f:8000::1"])
def test_what_is_public_is_public(text: str) -> None:
    """Otherwise nothing could be delivered."""
    assert is_public(ip_address(text))


@dataclass
class Tls:
    """What a TLS server saw."""

    port: int = 0
    names: list[str | None] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)


@contextmanager
def tls_server(certificate: trustme.LeafCert) -> Iterator[Tls]:
    """On loopback; answers one request with 204."""
    seen = Tls()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    context.sni_callback = lambda _socket, name, _context: seen.names.append(name)
    listener = socket.create_server(("127.0.0.1", 0))
    seen.port = listener.getsockname()[1]

    def serve() -> None:
        connection, _ = listener.accept()
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
            seen.requests.append(secured.recv(65_536))
            secured.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield seen
    finally:
        thread.join()
        listener.close()


@pytest.mark.parametrize("name", ["hooks.example", "other.example"])
def test_tls_is_with_the_name_and_not_with_the_address(name: str) -> None:
    """SNI, Host and the certificate are those of the URL, though the connection goes to a checked address."""
    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with tls_server(authority.issue_cert("hooks.example")) as server:
        origin = f"https://{name}:{server.port}"
        rules = Rules(local_origins=frozenset({origin}))
        sender = Sender(rules, 5, naming(["127.0.0.1"]), context)
        if name == "hooks.example":
            assert asyncio.run(sender.post(origin + "/in", {}, "{}")).status == 204
            assert f"\r\nHost: {name}:{server.port}\r\n".encode() in server.requests[0]
        else:
            assert sent(sender, origin + "/in") == "the certificate is not good for this name"
            assert server.requests == []
    assert server.names == [name]
