"""Where a table keeps what belongs to a person."""

from hashlib import sha256


def person_key(user: str) -> str:
    """A user's id as a table's key takes it: keys hold neither slashes nor control characters."""
    return sha256(user.encode()).hexdigest()
