"""The demo's tables, once for both databases: multi-tenant, with what an export has to cope with in real life.

An organisation is a tenant. Tenants share their tables and are interleaved in them; every table that is exported has an
index that starts with the tenant and goes on with the key, so that planning reads an index and nothing else.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

VERSION = 4
"""Raised whenever the schema or the rows change; a database with another version is made again."""

Dialect = Literal["sqlite", "postgresql"]

# SQLite has no types of its own for these: dates and times are ISO text (time stamps in UTC), booleans are 0 and 1.
_SQLITE_TYPES = {
    "bigint": "integer",
    "uuid": "text",
    "numeric(12,2)": "decimal(12,2)",
    "double precision": "real",
    "timestamptz": "timestamp",
}


@dataclass(frozen=True)
class Table:
    """A table: its columns with their PostgreSQL types, its primary key, and the columns of each further index."""

    name: str
    columns: dict[str, str]
    primary_key: str
    indexes: tuple[str, ...] = ()

    def create(self, dialect: Dialect) -> str:
        """The statement that creates the table, without its further indexes."""
        columns = ", ".join(f"{name} {_sql_type(type_, dialect)}" for name, type_ in self.columns.items())
        return f"create table {self.name} ({columns}, primary key ({self.primary_key}))"

    def numerics_as(self, type_: str) -> Iterator[str]:
        """PostgreSQL's statements that make the numeric columns ``text``, or ``numeric`` again."""
        for name, declared in self.columns.items():
            plain = declared.split(" not null")[0]
            if plain.startswith("numeric"):
                wanted = plain if type_ == "numeric" else type_
                yield f"alter table {self.name} alter {name} type {wanted} using {name}::{wanted}"

    def create_indexes(self) -> Iterator[str]:
        """The statements that create the further indexes; cheaper after the rows are in."""
        for columns in self.indexes:
            name = "_".join([self.name, "by", *columns.split(", ")])
            yield f"create index {name} on {self.name} ({columns})"


def _sql_type(type_: str, dialect: Dialect) -> str:
    if dialect == "postgresql":
        return type_
    plain, *constraint = type_.split(" not null")
    return _SQLITE_TYPES.get(plain, plain) + (" not null" if constraint else "")


TABLES = (
    Table(
        "organisations",
        {"id": "text not null", "name": "text not null", "created_at": "timestamptz not null"},
        primary_key="id",
    ),
    Table(
        "companies",
        {"id": "text not null", "organisation_id": "text not null", "name": "text not null"},
        primary_key="id",
        indexes=("organisation_id, id",),
    ),
    Table(
        "operational_scopes",
        {"organisation_id": "text not null", "id": "text not null", "name": "text not null"},
        primary_key="organisation_id, id",
    ),
    Table(
        "users",
        {
            "id": "text not null",
            "organisation_id": "text not null",
            "email": "text not null",
            "name": "text not null",
            "role": "text not null",
            "language": "text not null",
            "country": "text",
            "active": "boolean not null",
            "created_at": "timestamptz not null",
            "last_seen_at": "timestamptz",
        },
        primary_key="id",
        indexes=("organisation_id, id",),
    ),
    Table(
        "sessions",
        {
            "id": "bigint not null",
            "organisation_id": "text not null",
            "company_id": "text not null",
            "user_id": "text not null",
            "token": "uuid not null",
            "email": "text not null",
            "user_name": "text not null",
            "country": "text",
            "amount": "numeric(12,2)",
            "score": "double precision",
            "mobile": "boolean not null",
            "billed_on": "date",
            "started_at": "timestamptz not null",
            "notes": "text",
            "status": "text not null",
        },
        primary_key="id",
        indexes=("organisation_id, id, started_at", "organisation_id, user_id, id"),
    ),
    Table(
        "events",
        {
            "id": "bigint not null",
            "organisation_id": "text not null",
            "user_id": "text not null",
            "kind": "text not null",
            "duration_ms": "bigint",
            "occurred_at": "timestamptz not null",
        },
        primary_key="id",
        indexes=("organisation_id, occurred_at",),
    ),
    Table(
        "employees",
        {
            "id": "bigint not null",
            "organisation_id": "text not null",
            "company_id": "text not null",
            "operational_scope_id": "text not null",
            "number": "text not null",
            "name": "text not null",
            "email": "text",
            "job_title": "text not null",
            "salary": "numeric(12,2)",
            "hired_on": "date not null",
            "left_on": "date",
        },
        primary_key="id",
        indexes=("organisation_id, company_id, operational_scope_id, id",),
    ),
    Table(
        "exemptions",
        {
            "id": "bigint not null",
            "organisation_id": "text not null",
            "company_id": "text not null",
            "operational_scope_id": "text not null",
            "employee_id": "bigint not null",
            "kind": "text not null",
            "reason": "text",
            "starts_on": "date not null",
            "ends_on": "date",
            "approved": "boolean not null",
        },
        primary_key="id",
        indexes=("organisation_id, company_id, operational_scope_id, id",),
    ),
)
