"""``/health``: whether the service can do its work now; ``/health/live``: whether the process answers at all.

A platform takes an instance out of traffic by the first, and starts it anew by the second: a wrong setting, or storage
that is away, is mended by no restart. The database is looked at by neither: exports wait for it by themselves.
"""

import azure.functions as func

from shared.api import schemas
from shared.api.operations import Access, Answer
from shared.catalog.tenancy import refused
from shared.sources import open_source
from shared.version import VERSION
from triggers.http.endpoint import in_thread, json_response, request_services
from triggers.http.operation import operation


@operation(
    "GET",
    "health",
    summary="Check readiness",
    description="Tells whether storage and settings allow the service to work.",
    access=Access.PUBLIC,
    audit=None,
    answers={200: Answer("The service is ready.", schemas.Health)},
    tag="service",
)
async def health(req: func.HttpRequest) -> func.HttpResponse:
    context = await request_services()
    open_source(context.settings.source_url)  # connects to nothing; refuses a URL of no known database
    await in_thread(context.records.reachable)
    out = list(refused(context.settings))  # names alone: anybody may ask, and the reasons are for operators
    body = {"status": "ok", "version": VERSION, **({"refusedExportTypes": out} if out else {})}
    return json_response(body)


@operation(
    "GET",
    "health/live",
    summary="Check liveness",
    description="Tells whether the process answers, whatever else is wrong.",
    access=Access.PUBLIC,
    audit=None,
    answers={200: Answer("The process is alive.", schemas.Health)},
    tag="service",
    needs_settings=False,
)
async def live(req: func.HttpRequest) -> func.HttpResponse:
    return json_response({"status": "ok", "version": VERSION})
