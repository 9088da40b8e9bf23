"""``/health``: whether the service can do its work now; ``/health/live``: whether the process answers at all.

A platform takes an instance out of traffic by the first, and starts it anew by the second: a wrong setting, or storage
that is away, is mended by no restart. The database is looked at by neither: exports wait for it by themselves.
"""

import azure.durable_functions as df
import azure.functions as func

from shared.catalog.tenancy import refused
from shared.sources import open_source
from shared.version import VERSION
from triggers.http.endpoint import endpoint, in_thread, json_response, liveness, request_services

bp = df.Blueprint()


@bp.route(route="health", methods=["GET", "HEAD"])
@endpoint
async def health(req: func.HttpRequest) -> func.HttpResponse:
    context = await request_services()
    open_source(context.settings.source_url)  # connects to nothing; refuses a URL of no known database
    await in_thread(context.records.reachable)
    out = refused(context.settings)
    body = {"status": "ok", "version": VERSION, **({"refusedExportTypes": out} if out else {})}
    return json_response(body)


@bp.route(route="health/live", methods=["GET", "HEAD"])
@liveness
async def live(req: func.HttpRequest) -> func.HttpResponse:
    return json_response({"status": "ok", "version": VERSION})
