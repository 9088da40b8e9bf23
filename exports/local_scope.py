"""Headcount in an application's own scope: one class, registered once for each application that offers it.

An application that has exports of its own extends ``AsyncExportsDependency`` and registers an instance in
``APPLICATIONS`` in ``exports/__init__.py``; its constructor takes whatever differs between applications. The export
type is then ``<application>-headcount``.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import repeat
from typing import Any

from shared.catalog.columns import Column
from shared.catalog.export_types import AsyncExportsDependency, FunctionExport, GeneratedExportData, Role, Scope
from shared.catalog.functions import Condition, PermanentError, Query, csv_file, open_source, unknown


class Headcount(AsyncExportsDependency):
    """How many people each company and scope has. Payroll counts those who have left too; a roster does not."""

    def __init__(self, *, with_leavers: bool) -> None:
        self._with_leavers = with_leavers

    def generate_export(
        self,
        filters: Mapping[str, Any],
        file_format: str,
        company_ids: Sequence[str],
        operational_scope_ids: Sequence[str],
        *,
        tenant: str,
    ) -> GeneratedExportData:
        """See ``AsyncExportsDependency``; the tenant is bound in the query.

        Raises ``PermanentError`` for another format than csv.
        """
        if file_format != "csv":
            raise PermanentError(unknown("format", file_format, ["csv"]))
        where = [
            Condition("organisation_id", "text", "=", (tenant,)),
            Condition("company_id", "text", "in", tuple(company_ids)),
            Condition("operational_scope_id", "text", "in", tuple(operational_scope_ids)),
        ]
        if not self._with_leavers:
            where.append(Condition("left_on", "date", "=", (None,)))
        columns = (Column("company", "Company", sql="company_id"), Column("scope", "Scope", sql="operational_scope_id"))
        query = Query("employees", columns, key=(Column("id", "Id", "integer"),), where=tuple(where))

        people: Counter[tuple[str, str]] = Counter()
        source = open_source(os.environ.get("SOURCE_URL", ""))
        for key_range in source.plan(query, repeat(50_000)):
            with source.read(query, key_range) as batches:
                for batch in batches:
                    people.update(zip(*(column.to_pylist() for column in batch.columns), strict=True))

        places = sorted(people)
        return csv_file(
            {
                "Company": [company for company, _ in places],
                "Scope": [scope for _, scope in places],
                "People": [people[place] for place in places],
            }
        )


def local_scope_export(application: str, dependency: AsyncExportsDependency) -> FunctionExport:
    """The export type that an application offers."""
    return FunctionExport(
        name=f"{application}-headcount",
        title=f"Headcount ({application})",
        summary=f"How many people there are, as {application} counts them.",
        scope=Scope.OPERATIONAL,
        formats=("csv",),
        roles=(Role.SUPER_ADMIN, Role.ADMIN, Role.MANAGER),
        retention_days=7,
        dedup_window=timedelta(minutes=5),
        notify_after=timedelta(seconds=45),
        generate_export=dependency.generate_export,
    )
