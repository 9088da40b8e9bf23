"""Sessions of the tenant's users: the smallest complete export type. Copy this file to make your own.

1. ``relation`` is your table, ``key`` its unique, ordered columns: an index on (tenant, key) makes planning quick.
2. ``columns`` are what the file shows, in order. ``name`` is the API's name, ``sql`` the column in the database.
3. ``tenant_sql`` is compared with the caller's tenant in every query. There is no way around it.
4. Add the constant to ``EXPORT_TYPES`` in ``exports/__init__.py``. That is all.
"""

from datetime import timedelta

from shared.catalog.columns import Column
from shared.catalog.export_types import Filter, Role, SqlExport

SESSIONS = SqlExport(
    name="sessions",
    title="Sessions",
    titles={"fr": "Sessions", "de": "Sitzungen"},
    summary="Every session of your users, with what was billed for it.",
    relation="sessions",
    key=("id",),
    tenant_sql="organisation_id",
    date_sql="started_at",
    watermark_sql="started_at",
    columns=(
        Column("id", "Session", "integer"),
        Column("token", "Token", "uuid", titles={"fr": "Jeton"}),
        Column("email", "E-mail", titles={"fr": "Courriel", "de": "E-Mail"}),
        Column("userName", "Name", sql="user_name", titles={"fr": "Nom"}),
        Column("country", "Country", titles={"fr": "Pays", "de": "Land"}),
        Column("amount", "Amount", "decimal(12,2)", titles={"fr": "Montant", "de": "Betrag"}),
        Column("score", "Score", "float"),
        Column("mobile", "Mobile", "boolean", titles={"de": "Mobil"}),
        Column("billedOn", "Billed on", "date", sql="billed_on", titles={"fr": "Facturé le", "de": "Abgerechnet am"}),
        Column("startedAt", "Started at", "timestamp", sql="started_at", titles={"fr": "Début", "de": "Begonnen am"}),
        Column("notes", "Notes", titles={"fr": "Remarques", "de": "Notizen"}),
        Column("status", "Status", titles={"fr": "Statut"}),
    ),
    filters=(
        Filter("userId", "user_id", summary="Sessions of one user, such as u-17."),
        Filter("status", "status", many=True, choices=("active", "expired", "revoked", "pending")),
        Filter("country", "country", many=True, summary="ISO 3166 codes, such as FR."),
        Filter("companyId", "company_id", many=True),
        Filter("mobile", "mobile", "boolean"),
        Filter("minAmount", "amount", "decimal(12,2)", ">="),
        Filter("notes", "notes", operator="contains", summary="Text that the notes contain."),
    ),
    formats=("csv", "xlsx", "ndjson", "json", "parquet", "pdf"),
    roles=(Role.SUPER_ADMIN, Role.ADMIN, Role.MANAGER),
    retention_days=7,
    dedup_window=timedelta(minutes=10),
    notify_after=timedelta(seconds=45),
)
