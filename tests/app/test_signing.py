"""Signing keys: which are taken, where one comes from in local development, and how one follows another."""

import base64
import secrets
import stat
import string
import subprocess
import sys
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import jwt
import pytest

from demo.stack import bare_settings
from shared.errors import NotAuthenticated, NotFound, SettingsError
from shared.identity.caller import caller_from, dev_token, service_token
from shared.identity.own_tokens import key_id, sign
from shared.notifications.links import signed_file_ref, signed_unsubscribe_ref
from shared.settings import Settings, settings_from
from shared.settings.development_key import data_folder
from shared.settings.key_strength import MINIMUM_BITS, strength

ROOT = Path(__file__).resolve().parents[2]
RIGHT = bare_settings("UseDevelopmentStorage=true")
SAMPLE = "change-me: 32 characters or more, the same on every instance"
"""What ``local.settings.sample.json`` contained in earlier releases."""


def random_letters() -> str:
    """32 lower-case letters: 150 bits."""
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(32))


GENERATORS: dict[str, Callable[[], str]] = {
    "token_urlsafe(32)": lambda: secrets.token_urlsafe(32),
    "token_urlsafe(24)": lambda: secrets.token_urlsafe(24),
    "token_hex(32)": lambda: secrets.token_hex(32),
    "token_hex(16)": lambda: secrets.token_hex(16),
    "TOKEN_HEX(16)": lambda: secrets.token_hex(16).upper(),
    "openssl rand -base64 32": lambda: base64.b64encode(secrets.token_bytes(32)).decode(),
    "base32": lambda: base64.b32encode(secrets.token_bytes(20)).decode(),
    "base85": lambda: base64.b85encode(secrets.token_bytes(32)).decode(),
    "uuid4": lambda: str(uuid.uuid4()),
    "two uuid4": lambda: f"{uuid.uuid4()}{uuid.uuid4()}",
    "letters": random_letters,
}


@pytest.mark.parametrize("generator", GENERATORS)
def test_what_a_generator_makes_is_taken(generator: str) -> None:
    """Every time: the least of 500 keys has more than what is needed."""
    assert min(strength(GENERATORS[generator]()) for _ in range(500)) > MINIMUM_BITS


@pytest.mark.parametrize(
    "key",
    [
        SAMPLE,
        SAMPLE.upper(),
        SAMPLE.replace(" ", "-"),
        SAMPLE.replace(" ", ""),
        SAMPLE.replace("a", "4").replace("e", "3"),
        SAMPLE.replace("32", "64") + "!",
        f"x{SAMPLE}123",
        f"acme-{SAMPLE}-acme",
        SAMPLE[:40],
        SAMPLE[::-1],
        "changed: 32 characters or more, the same on every instance #1",
        "change me 32 characters or more the same on all instances 2026",
        SAMPLE * 4,
        base64.b64encode(SAMPLE.encode()).decode(),
        SAMPLE.encode().hex(),
        "a" * 32,
        "a" * 400,
        "a" * 31 + "b",
        "aA" * 20,
        "ab" * 32,
        "abc123" * 10,
        "password" * 4,
        "password" * 40,
        "Password1!" * 4,
        "p4ssw0rd-P@ssw0rd-p4ssw0rd-P@ssw0rd",
        "0123456789abcdef" * 2,
        "9876543210" * 4,
        "abcdefghijklmnopqrstuvwxyz0123456789",
        "qwertyuiopasdfghjklzxcvbnm1234567890",
        "00000000-0000-0000-0000-000000000000",
        "deadbeef" * 4,
        "a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6",
        "aaaaaaaabbbbbbbbccccccccdddddddd",
        "changeme" * 5,
        "this is my secret signing key for sluice",
        "the secret key must be changed before the service goes to production",
        "correct horse battery staple correct horse battery staple",
        " " * 40,
    ],
)
def test_a_key_that_can_be_guessed_is_refused(key: str) -> None:
    """Everywhere, in local development too, and also among those that only verify; the key itself is not told."""
    with pytest.raises(SettingsError, match="LINK_SIGNING_KEY can be guessed: it is worth") as caught:
        settings_from(RIGHT | {"LINK_SIGNING_KEY": key})
    assert key not in str(caught.value)
    if not set(" ,") & set(key):
        with pytest.raises(SettingsError, match="LINK_SIGNING_KEYS_ACCEPTED can be guessed"):
            settings_from(RIGHT | {"LINK_SIGNING_KEYS_ACCEPTED": f"{secrets.token_hex(16)}, {key}"})


def test_a_short_key_is_refused() -> None:
    """Whatever is in it."""
    with pytest.raises(SettingsError, match="LINK_SIGNING_KEYS_ACCEPTED has 31 characters and needs at least 32"):
        settings_from(RIGHT | {"LINK_SIGNING_KEYS_ACCEPTED": secrets.token_hex(16)[:31]})


def test_the_sample_has_no_key() -> None:
    """Nobody can copy one into a deployment."""
    assert "KEY" not in (ROOT / "local.settings.sample.json").read_text().replace("AccountKey", "")


def keyless(home: Path) -> dict[str, str]:
    """Local development without a key, in this data folder."""
    return {name: value for name, value in RIGHT.items() if name != "LINK_SIGNING_KEY"} | {"SLUICE_HOME": str(home)}


def test_local_development_makes_its_key_once(tmp_path: Path) -> None:
    """For this user alone; every process of the data folder has the same, another folder another."""
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: settings_from(keyless(tmp_path / "a")).link_signing_key, range(24)))
    assert len(keys) == 1
    assert settings_from(keyless(tmp_path / "b")).link_signing_key not in keys
    files = list((tmp_path / "a").iterdir())
    assert [f.name for f in files] == ["signing-key"]
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600


def test_processes_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    """As the workers of a host do."""
    script = "import sys; from pathlib import Path; from shared.settings.development_key import development_key as d; "
    command = [sys.executable, "-c", f"{script} print(d(Path(sys.argv[1])))", str(tmp_path)]
    started = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert {p.communicate(timeout=60)[0].strip() for p in started} == {(tmp_path / "signing-key").read_text()}


def test_elsewhere_no_key_is_made(tmp_path: Path) -> None:
    """It would be another on each instance."""
    with pytest.raises(SettingsError, match="LINK_SIGNING_KEY has 0 characters"):
        settings_from(keyless(tmp_path) | {"AZURE_FUNCTIONS_ENVIRONMENT": "Production"})
    assert not list(tmp_path.iterdir())


def test_local_state_lives_in_the_project() -> None:
    """Beside the function app, wherever the process was started; unless SLUICE_HOME names another folder."""
    assert data_folder({}) == ROOT / ".sluice"
    assert data_folder({"SLUICE_HOME": "/tmp/elsewhere"}) == Path("/tmp/elsewhere")


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """With the setting to give instead."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"none can be kept in .*signing-key .*; set LINK_SIGNING_KEY"):
        settings_from(keyless(tmp_path / "file"))


def ring(*keys: str) -> Settings:
    """Settings whose first key signs, and whose others verify; services get tokens."""
    return settings_from(
        RIGHT
        | {"LINK_SIGNING_KEY": keys[0], "LINK_SIGNING_KEYS_ACCEPTED": ", ".join(keys[1:]), "SERVICE_TOKENS": "true"}
    )


OLD, NEW, OTHER = (secrets.token_urlsafe(32) for _ in range(3))


def bearer(token: str) -> dict[str, str]:
    """The header that carries it."""
    return {"authorization": f"Bearer {token}"}


def in_a_minute() -> datetime:
    """When tokens of these tests end."""
    return datetime.now(UTC) + timedelta(minutes=1)


OFF = {"sub": "ada", "tenant": "acme", "aud": "sluice-unsubscribe"}
"""What a link says that switches mail off, in mails of earlier releases."""


def test_a_key_is_rotated_without_breaking_a_link_or_a_token() -> None:
    """Accept the new one, sign with it, drop the old one; meanwhile each instance is at a step or at the next."""
    steps = [ring(OLD), ring(OLD, NEW), ring(NEW, OLD), ring(NEW)]
    for now, then in pairwise(steps):
        pairs = [(now, then), (then, now)]
        for signs, verifies in pairs:
            assert signed_unsubscribe_ref(sign(OFF, signs), verifies) == ("acme", "ada")
            assert caller_from(bearer(dev_token("ada", signs)), verifies).user == "ada"
            token = service_token("billing", "acme", (), (), in_a_minute(), signs)
            assert caller_from(bearer(token), verifies).user == "service:billing"
    with pytest.raises(NotFound):
        signed_unsubscribe_ref(sign(OFF, ring(OLD)), ring(NEW))
    with pytest.raises(NotAuthenticated):
        caller_from(bearer(dev_token("ada", ring(OLD))), ring(NEW))


def test_tokens_that_name_no_key_are_still_good() -> None:
    """Links in mails of earlier releases, with whichever key of the ring signed them."""
    claims = {"sub": "e-1", "tenant": "acme", "aud": "sluice-landing", "links": 2}
    for key in (OLD, NEW):
        ref, generation = signed_file_ref(jwt.encode(claims, key, algorithm="HS256"), ring(NEW, OLD))
        assert (ref.tenant, ref.export_id, generation) == ("acme", "e-1", 2)
    with pytest.raises(NotFound):
        signed_file_ref(jwt.encode(claims, OTHER, algorithm="HS256"), ring(NEW, OLD))


@pytest.mark.parametrize(
    ("key", "headers"),
    [
        (NEW, {"kid": key_id(OLD)}),
        (OLD, {"kid": key_id(NEW)}),
        (OTHER, {"kid": key_id(NEW)}),
        (OTHER, {"kid": key_id(OTHER)}),
        (NEW, {"kid": ""}),
        (NEW, {"kid": "../../signing-key"}),
    ],
    ids=["new-as-old", "old-as-new", "other-as-new", "other", "empty", "path"],
)
def test_a_token_whose_key_is_another_than_it_says_is_refused(key: str, headers: dict[str, str]) -> None:
    """The name only chooses among our keys."""
    claims = {"sub": "e-1", "tenant": "acme", "aud": "sluice-landing"}
    with pytest.raises(NotFound):
        signed_file_ref(jwt.encode(claims, key, algorithm="HS256", headers=headers), ring(NEW, OLD))


def test_a_token_tells_which_key_signed_it_and_nothing_of_the_key() -> None:
    """By an id that is the same everywhere."""
    named = jwt.get_unverified_header(dev_token("ada", ring(NEW, OLD)))
    assert named == {"alg": "HS256", "typ": "JWT", "kid": key_id(NEW)}
    assert key_id(NEW) != key_id(OLD)
    assert key_id(NEW) not in NEW


def test_an_old_token_says_that_it_is_old() -> None:
    """Whichever key signed it."""
    past = datetime.now(UTC) - timedelta(seconds=1)
    token = service_token("billing", "acme", (), (), past, ring(OLD))
    with pytest.raises(NotAuthenticated, match="has expired"):
        caller_from(bearer(token), ring(NEW, OLD))
