"""``/exports/estimate``: how large an export would be, and whether it may be so large, before it is started."""

from functools import partial

import azure.functions as func

from shared.api import schemas
from shared.api.operations import Access, Answer
from shared.audit.recorder import about
from shared.catalog.tenancy import wanted_type
from shared.jobs.estimate_pool import counting_pool
from shared.jobs.estimates import estimate
from shared.jobs.ownership_check import check_owned
from shared.requests.export_request import ExportRequest, parse_request
from shared.settings import settings
from shared.sources.deadline import Deadline
from triggers.http.endpoint import caller_of, json_response, request_services
from triggers.http.operation import operation


@operation(
    "POST",
    "exports/estimate",
    summary="Estimate an export",
    description="Counts the rows that the request would export and estimates the size of the file. Nothing is started.",
    access=Access.EXPORTER,
    audit="estimated",
    answers={200: Answer("The estimate.", schemas.Estimate)},
    body=ExportRequest,
    refuses=(422, 429),
    tag="exports",
)
async def estimate_export(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    request = parse_request(req.get_body())
    export_type = wanted_type(request, caller, settings())
    await check_owned(request, export_type, caller)
    about(caller.tenant, subject=f"{export_type.name} as {request.format}")
    context = await request_services()
    deadline = Deadline.after(context.settings.estimate_seconds)
    counting = partial(estimate, request, caller, export_type, context.settings, deadline)
    return json_response(await counting_pool().run(caller, counting, deadline))
