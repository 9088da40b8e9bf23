"""The signing key of a machine where somebody develops: made once per data folder, when no setting gives one."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from shared.errors import SettingsError

_ROOT = Path(__file__).resolve().parents[2]


def data_folder(environment: Mapping[str, str]) -> Path:
    """Where local state lives: ``SLUICE_HOME``, or ``.sluice`` in the project."""
    return Path(environment.get("SLUICE_HOME") or _ROOT / ".sluice").resolve()


def development_key(home: Path) -> str:
    """The key in this folder, made unless it is there, for this user alone.

    Processes that come at the same time get the same key. Raises ``SettingsError`` where the folder cannot be used.
    """
    path = home / "signing-key"
    try:
        if not path.exists():
            _make(path)
        return path.read_text()
    except OSError as error:
        raise SettingsError(
            f"LINK_SIGNING_KEY is not set, and none can be kept in {path} ({error.strerror}); set LINK_SIGNING_KEY"
        ) from error


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(32))
    try:
        os.link(own, path)  # the whole key at once, and only for the first who comes
    except FileExistsError:
        pass
    finally:
        own.unlink()
