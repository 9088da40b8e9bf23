"""Secrets in settings: long enough, and hard to guess."""

from collections.abc import Sequence

from shared.settings.fields import wrong
from shared.settings.key_strength import MINIMUM_BITS, MINIMUM_LENGTH, strength


def checked_key(key: str) -> str:
    """The key, unless it is short or can be guessed."""
    mend = 'make one with: python -c "import secrets; print(secrets.token_urlsafe(32))"'
    if len(key) < MINIMUM_LENGTH:
        raise wrong(f"has {len(key)} characters and needs at least {MINIMUM_LENGTH}; {mend}")
    if (bits := strength(key)) < MINIMUM_BITS:
        raise wrong(
            f"can be guessed: it is worth {bits:.0f} bits at most, and needs {MINIMUM_BITS} "
            f"(shared/settings/key_strength.py says how that is counted); {mend}"
        )
    return key


def checked_keys(keys: Sequence[str]) -> tuple[str, ...]:
    """The keys, unless one of them is short or can be guessed."""
    return tuple(checked_key(key) for key in keys)
