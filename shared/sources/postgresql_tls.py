"""How a PostgreSQL server elsewhere is reached: over TLS, by a certificate that is good for its name, or not at all.

libpq's own default (``sslmode=prefer``) goes on in clear text when a server, or somebody on the way, says that it has
no TLS; ``require`` takes whatever certificate is shown (PostgreSQL documentation, "SSL Support", table "SSL Mode
Descriptions"). Which servers a URL means is found out as libpq does it (section "Connection URIs", and
"Environment Variables").
"""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from shared.errors import SettingsError

ALLOWED_BY = "SOURCE_TLS"
"""The setting: with ``optional`` the URL alone decides."""

_VERIFIED = "verify-full"
_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:]*))(?::[0-9]*)?")
_UNCLEAR = "?"
"""In the place of hosts that are written in no usual way: they count as elsewhere, wherever libpq finds them."""

_OWN_ROOTS = Path("~/.postgresql/root.crt")


def secured(location: str, options: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """The options of a URL, with ``sslmode=verify-full`` when the server is elsewhere and they name no mode.

    ``location`` is what stands before the options. Without ``sslrootcert`` the authorities are those of certifi.
    Sockets and the loopback are left alone. Raises ``SettingsError`` for a mode that verifies less.
    """
    known = dict(options)
    if not _elsewhere(location, known, environment) or environment.get(ALLOWED_BY, "").strip().lower() == "optional":
        return known
    if known.get("ssl") == "true":  # as JDBC has it; libpq would take it for sslmode=require
        del known["ssl"]
    mode = known.get("sslmode") or _VERIFIED
    own_roots = bool(known.get("sslrootcert") or environment.get("PGSSLROOTCERT") or _OWN_ROOTS.expanduser().exists())
    if mode != _VERIFIED and not (mode == "verify-ca" and own_roots):
        raise SettingsError(
            f"the source's URL has sslmode={mode[:40]} for a server that is not on this machine: others could read its "
            "rows, or make some up; give sslmode=verify-full (and sslrootcert=<file> for an authority of your own), "
            f"or set {ALLOWED_BY}=optional to allow it"
        )
    if not own_roots:
        import certifi

        known["sslrootcert"] = certifi.where()
    return {**known, "sslmode": mode}


def _elsewhere(location: str, options: Mapping[str, str], environment: Mapping[str, str]) -> bool:
    """Whether one of the servers is not on this machine."""
    if options.get("service", environment.get("PGSERVICE")) is not None:
        return True  # what it names is in a file, and may change
    addresses = options.get("hostaddr", environment.get("PGHOSTADDR", ""))
    if addresses:
        return not all(map(_is_loopback, addresses.split(",")))
    hosts = options.get("host", _hosts(location))
    if hosts is None:
        hosts = environment.get("PGHOST", "")
    return not all(map(_is_here, hosts.split(",")))


def _hosts(location: str) -> str | None:
    """The hosts before the database's name, with commas; None when there are none."""
    _, _, rest = location.partition("://")
    authority = rest.partition("/")[0]
    if "@" in authority:
        authority = authority.partition("@")[2]
    hosts = [_HOST.fullmatch(part) for part in authority.split(",")]
    if not all(hosts):
        return _UNCLEAR
    return unquote(",".join(host[1] or host[2] or "" for host in hosts if host)) or None


def _is_here(host: str) -> bool:
    """Whether it is the local socket, a socket's folder or abstract name, or the loopback."""
    return host in ("", "localhost") or host.startswith(("/", "@")) or _is_loopback(host)


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return found in _LOOPBACK if found.version == 4 else found == ipaddress.IPv6Address("::1")
