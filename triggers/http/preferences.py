"""``/preferences``: how the caller wants to be told about their exports."""

import azure.durable_functions as df
import azure.functions as func

from shared.requests.export_request import Notify, parse_body
from triggers.http.endpoint import caller_of, endpoint, in_thread, json_response, request_services
from triggers.http.middleware import REVALIDATE

bp = df.Blueprint()


@bp.route(route="preferences", methods=["GET", "HEAD"])
@endpoint
async def preferences(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    return _resource(await in_thread(context.preferences.get, caller.tenant, caller.user))


@bp.route(route="preferences", methods=["PUT"])
@endpoint
async def change_preferences(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    wanted = parse_body(Notify, req.get_body(), '{"email": false}')
    context = await request_services()
    await in_thread(context.preferences.put, caller.tenant, caller.user, wanted)
    return _resource(wanted)


def _resource(chosen: Notify) -> func.HttpResponse:
    return json_response(chosen.model_dump(mode="json", by_alias=True), headers={"Cache-Control": REVALIDATE})
