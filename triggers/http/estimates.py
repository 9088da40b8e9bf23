"""``/exports/estimate``: how large an export would be, and whether it may be so large, before it is started."""

from functools import partial

import azure.durable_functions as df
import azure.functions as func

from shared.audit.recorder import about
from shared.catalog.tenancy import wanted_type
from shared.jobs.estimate_pool import counting_pool
from shared.jobs.estimates import estimate
from shared.jobs.ownership_check import check_owned
from shared.requests.export_request import parse_request
from shared.settings import settings
from triggers.http.endpoint import caller_of, endpoint, json_response, request_services

bp = df.Blueprint()


@bp.route(route="exports/estimate", methods=["POST"])
@endpoint
async def estimate_export(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    caller.require_exporter()
    request = parse_request(req.get_body())
    export_type = wanted_type(request, caller, settings())
    await check_owned(request, export_type, caller)
    about(caller.tenant, subject=f"{export_type.name} as {request.format}")
    context = await request_services()
    counting = partial(estimate, request, caller, export_type, context.settings)
    return json_response(await counting_pool().run(caller, counting))
