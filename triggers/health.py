"""``/health``: whether the service can do its work now."""

import azure.durable_functions as df
import azure.functions as func

from shared.version import VERSION
from triggers.http import endpoint, in_thread, json_response, request_services

bp = df.Blueprint()


@bp.route(route="health", methods=["GET", "HEAD"])
@endpoint
async def health(req: func.HttpRequest) -> func.HttpResponse:
    context = await request_services()
    await in_thread(context.records.reachable)
    return json_response({"status": "ok", "version": VERSION})
