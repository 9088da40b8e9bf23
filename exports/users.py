"""Users of the tenant: an export type with a text key."""

from datetime import timedelta

from shared.catalog.columns import Column
from shared.catalog.export_types import Filter, Role, SqlExport

USERS = SqlExport(
    name="users",
    title="Users",
    titles={"fr": "Utilisateurs", "de": "Benutzer"},
    summary="Everybody who has an account, with role and language.",
    relation="users",
    key=("id",),
    tenant_sql="organisation_id",
    date_sql="created_at",
    columns=(
        Column("id", "User"),
        Column("email", "E-mail", titles={"fr": "Courriel", "de": "E-Mail"}),
        Column("name", "Name", titles={"fr": "Nom"}),
        Column("role", "Role", titles={"fr": "Rôle", "de": "Rolle"}),
        Column("language", "Language", titles={"fr": "Langue", "de": "Sprache"}),
        Column("country", "Country", titles={"fr": "Pays", "de": "Land"}),
        Column("active", "Active", "boolean", titles={"fr": "Actif", "de": "Aktiv"}),
        Column("createdAt", "Created at", "timestamp", "created_at", titles={"fr": "Créé le", "de": "Angelegt am"}),
        Column("lastSeenAt", "Last seen at", "timestamp", "last_seen_at", titles={"fr": "Vu le", "de": "Gesehen am"}),
    ),
    filters=(
        Filter("role", "role", many=True, choices=("Admin", "Manager", "Viewer")),
        Filter("active", "active", "boolean"),
        Filter("email", "email", operator="contains", summary="Part of the address."),
    ),
    formats=("csv", "xlsx", "ndjson", "json", "parquet", "pdf"),
    roles=(Role.SUPER_ADMIN, Role.ADMIN),
    retention_days=3,
    dedup_window=timedelta(minutes=10),
    notify_after=timedelta(seconds=45),
)
