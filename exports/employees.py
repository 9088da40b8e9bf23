"""Employees: an export type that reaches no further than the caller's companies and operational scopes.

With ``Scope.OPERATIONAL`` every query is bound to both, on top of the tenant: to those in the request, which must be
the caller's own, or to all of the caller's. ``Scope.COMPANY`` binds the companies only.
"""

from datetime import timedelta

from shared.catalog.columns import Column
from shared.catalog.export_types import Filter, Role, Scope, SqlExport

EMPLOYEES = SqlExport(
    name="employees",
    title="Employees",
    titles={"fr": "Employés", "de": "Beschäftigte"},
    summary="The people of your companies and operational scopes.",
    scope=Scope.OPERATIONAL,
    relation="employees",
    key=("id",),
    tenant_sql="organisation_id",
    company_sql="company_id",
    operational_scope_sql="operational_scope_id",
    date_sql="hired_on",
    date_type="date",
    columns=(
        Column("id", "Id", "integer"),
        Column("number", "Number", titles={"fr": "Matricule", "de": "Personalnummer"}),
        Column("name", "Name", titles={"fr": "Nom"}),
        Column("email", "E-mail", titles={"fr": "Courriel", "de": "E-Mail"}),
        Column("companyId", "Company", sql="company_id", titles={"fr": "Société", "de": "Gesellschaft"}),
        Column("operationalScopeId", "Scope", sql="operational_scope_id", titles={"fr": "Périmètre", "de": "Bereich"}),
        Column("jobTitle", "Job title", sql="job_title", titles={"fr": "Poste", "de": "Stelle"}),
        Column("salary", "Salary", "decimal(12,2)", titles={"fr": "Salaire", "de": "Gehalt"}),
        Column("hiredOn", "Hired on", "date", "hired_on", titles={"fr": "Embauché le", "de": "Eingestellt am"}),
        Column("leftOn", "Left on", "date", "left_on", titles={"fr": "Parti le", "de": "Ausgeschieden am"}),
    ),
    filters=(
        Filter("hiredBefore", "hired_on", "date", "<"),
        Filter("name", "name", operator="contains", summary="Part of the name."),
    ),
    formats=("csv", "xlsx", "ndjson", "json", "parquet", "pdf"),
    roles=(Role.SUPER_ADMIN, Role.ADMIN, Role.MANAGER),
    retention_days=1,
    dedup_window=timedelta(minutes=10),
    notify_after=timedelta(seconds=45),
)
