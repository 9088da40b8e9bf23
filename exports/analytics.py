"""Events by day and kind: an export type over a SELECT, with a composite key.

The relation is a SELECT in parentheses with a name; columns, key and conditions refer to what it selects. Give it the
tenant's column, and group by it, so that the database can apply the tenant's condition before it counts. This one runs
on SQLite and PostgreSQL alike.
"""

from datetime import timedelta

from shared.catalog.columns import Column
from shared.catalog.export_types import Filter, Role, SqlExport

ANALYTICS = SqlExport(
    name="analytics",
    title="Analytics",
    titles={"fr": "Analyses", "de": "Auswertung"},
    summary="What your users did, counted by day (in UTC) and kind of event.",
    relation="""(
        select organisation_id, date(occurred_at) as day, kind, count(*) as events,
            count(distinct user_id) as users, avg(duration_ms) as average_ms, sum(duration_ms) as total_ms
        from events
        group by organisation_id, date(occurred_at), kind
    ) as daily""",
    key=("day", "kind"),
    tenant_sql="organisation_id",
    date_sql="day",
    date_type="date",
    columns=(
        Column("day", "Day", "date", titles={"fr": "Jour", "de": "Tag"}),
        Column("kind", "Kind", titles={"fr": "Genre", "de": "Art"}),
        Column("events", "Events", "integer", titles={"fr": "Événements", "de": "Ereignisse"}),
        Column("users", "Users", "integer", titles={"fr": "Utilisateurs", "de": "Benutzer"}),
        Column("averageMs", "Average duration (ms)", "float", sql="average_ms", titles={"fr": "Durée moyenne (ms)"}),
        Column("totalMs", "Total duration (ms)", "integer", sql="total_ms", titles={"fr": "Durée totale (ms)"}),
    ),
    filters=(
        Filter("kind", "kind", many=True, choices=("login", "logout", "search", "export", "upload", "error")),
        Filter("minEvents", "events", "integer", ">="),
    ),
    formats=("csv", "xlsx", "ndjson", "json", "parquet", "pdf"),
    roles=(Role.SUPER_ADMIN, Role.ADMIN, Role.MANAGER),
    retention_days=30,
    dedup_window=timedelta(hours=1),
    notify_after=timedelta(seconds=45),
)
