"""``/export-types``: what the caller may export, with everything needed to ask for it."""

from typing import Any

import azure.functions as func

from shared.api import schemas
from shared.api.operations import Access, Answer
from shared.catalog.export_types import ExportType, SqlExport
from shared.catalog.limits import max_bytes
from shared.catalog.tenancy import offered
from shared.formats import get_format
from shared.settings import Settings, settings
from triggers.http.endpoint import caller_of, json_response
from triggers.http.middleware import REVALIDATE
from triggers.http.operation import operation


@operation(
    "GET",
    "export-types",
    summary="List export types",
    description=(
        "Lists the export types that the caller may use, with columns, filters, formats and an example request."
    ),
    access=Access.CALLER,
    audit=None,
    answers={200: Answer("The catalogue of export types.", schemas.Catalogue)},
    tag="exports",
)
async def export_types(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    current = settings()
    return json_response(
        {"items": [describe(t, caller.locale, current) for t in offered(current) if caller.may_use(t)]},
        headers={"Cache-Control": REVALIDATE},
    )


def describe(export_type: ExportType, locale: str, settings: Settings) -> dict[str, Any]:
    """An export type as the API shows it, titles in the caller's locale."""
    columns = export_type.columns if isinstance(export_type, SqlExport) else ()
    dated = isinstance(export_type, SqlExport) and bool(export_type.date_sql)
    return {
        "name": export_type.name,
        "title": export_type.titles.get(locale, export_type.title),
        "summary": export_type.summary,
        "scope": export_type.scope,
        "formats": [
            {
                "name": name,
                "title": get_format(name).title,
                "extension": get_format(name).extension,
                "compressions": list(get_format(name).compressions),
                "maxRows": get_format(name).max_rows,
            }
            for name in export_type.formats
        ],
        "columns": [{"name": c.name, "title": c.title_in(locale), "type": c.type} for c in columns],
        "filters": [
            {
                "name": f.name,
                "type": f.type,
                "many": f.many,
                "choices": list(f.choices) or None,
                "summary": f.summary,
            }
            for f in export_type.filters
        ],
        "dateRange": dated,
        "limits": {"maxRows": export_type.max_rows, "maxBytes": max_bytes(export_type, settings)},
        "example": {"exportType": export_type.name, "format": export_type.formats[0]},
    }
