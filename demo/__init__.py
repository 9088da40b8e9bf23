"""The demo's databases: one schema for SQLite and PostgreSQL, and a generator of realistic rows."""
