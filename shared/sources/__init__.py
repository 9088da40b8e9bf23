"""The data sources. A new one is one file here and one line in ``SOURCES``; what it must do is in ``base.py``."""

from collections.abc import Callable, Mapping

from shared.errors import SettingsError, unknown
from shared.sources.base import Source
from shared.sources.postgresql import PostgresqlSource
from shared.sources.sqlite import SqliteSource

SOURCES: Mapping[str, Callable[[str], Source]] = {
    "sqlite": SqliteSource.from_url,
    "postgresql": PostgresqlSource.from_url,
    "postgres": PostgresqlSource.from_url,
}
"""What opens a URL, by its scheme."""


def open_source(url: str) -> Source:
    """The source that a URL names: ``sqlite:///path`` or ``postgresql://user:password@host/database``.

    Does not connect. Raises ``SettingsError``, which never shows the URL, for it may hold a password.
    """
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise SettingsError("the source's URL has no scheme; give sqlite:///path or postgresql://user:password@host/db")
    if scheme not in SOURCES:
        raise SettingsError(unknown("source", scheme, list(SOURCES)))
    return SOURCES[scheme](url)
