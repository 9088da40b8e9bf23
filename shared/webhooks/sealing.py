"""Secrets of others, encrypted before they are stored: AES-256-GCM (NIST SP 800-38D) under a ring of keys.

The first key encrypts, all of them decrypt. A key is any text that nobody can guess; what encrypts is derived from it
(HKDF with SHA-256, RFC 5869), and so is its id, which stands before what it encrypted. What a secret belongs to is
authenticated with it: moved to another row, it cannot be read.
"""

import binascii
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

from shared.errors import PermanentError

_MARK = "sealed.v1"
_NONCE_BYTES = 12
_KEY_BYTES = 32
_ID_BYTES = 4


class Unreadable(PermanentError):
    """A stored secret cannot be decrypted: its key is gone, or somebody changed or moved it."""

    code = "secret-unreadable"


class Sealer:
    """The ring. ``keys`` are texts, the one that encrypts first.

    With ``plain`` nothing is encrypted any more, for release 0.1.0 signs with what is stored as it is; what is
    encrypted is stale then.
    """

    def __init__(self, keys: Sequence[str], *, plain: bool = False) -> None:
        self._plain = plain
        derived = [(_derive(key, b"id", _ID_BYTES).hex(), _derive(key, b"key", _KEY_BYTES)) for key in keys]
        self._first = derived[0][0]
        self._keys = dict(derived)

    def seal(self, secret: str, owner: str) -> str:
        """A secret as it is stored for its owner."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if self._plain:
            return secret
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self._keys[self._first]).encrypt(nonce, secret.encode(), owner.encode())
        return f"{_MARK}.{self._first}.{urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, stored: str, owner: str) -> str:
        """The secret that is stored for this owner, in plain text too, as of old. Raises ``Unreadable``."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if not is_sealed(stored):
            return stored
        key_id, _, text = stored.removeprefix(f"{_MARK}.").partition(".")
        if key_id not in self._keys:
            raise Unreadable(f"a stored secret needs the key {key_id}, which is not among those of this service")
        try:
            raw = urlsafe_b64decode(text)
            return AESGCM(self._keys[key_id]).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], owner.encode()).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise Unreadable("a stored secret was changed, or belongs to somebody else") from None

    def is_stale(self, stored: str) -> bool:
        """Whether a stored secret is in plain text, or under a key of the ring that is not the first.

        With ``plain``, whether it is under any key of the ring.
        """
        if not is_sealed(stored):
            return not self._plain
        key_id = stored.removeprefix(f"{_MARK}.").partition(".")[0]
        return key_id in self._keys and (self._plain or key_id != self._first)

    def anew(self, stored: str, owner: str) -> str:
        """The same secret as it is to be stored now. Raises ``Unreadable``."""
        return self.seal(self.open(stored, owner), owner) if self.is_stale(stored) else stored


def is_sealed(stored: str) -> bool:
    """Whether it is encrypted at all."""
    return stored.startswith(f"{_MARK}.")


def _derive(key: str, purpose: bytes, size: int) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), size, None, b"sluice/sealing/v1/" + purpose).derive(key.encode())
