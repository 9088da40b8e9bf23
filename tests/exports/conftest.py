"""The sources' databases, for the exports that read them."""

from tests.sources.conftest import database, postgresql, postgresql_server, sqlite

__all__ = ["database", "postgresql", "postgresql_server", "sqlite"]
