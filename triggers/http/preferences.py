"""``/preferences``: how the caller wants to be told about their exports."""

import azure.functions as func

from shared.api.operations import Access, Answer
from shared.audit.recorder import about
from shared.requests.export_request import Notify, parse_body
from triggers.http.endpoint import caller_of, in_thread, json_response, request_services
from triggers.http.middleware import REVALIDATE
from triggers.http.operation import operation


@operation(
    "GET",
    "preferences",
    summary="Get notification preferences",
    description="Returns the channels through which the caller is notified.",
    access=Access.CALLER,
    audit="seen",
    answers={200: Answer("The preferences.", Notify)},
    tag="notifications",
)
async def preferences(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    return _resource(await in_thread(context.preferences.get, caller.tenant, caller.user))


@operation(
    "PUT",
    "preferences",
    summary="Change notification preferences",
    description="Sets the channels through which the caller is notified.",
    access=Access.CALLER,
    audit="changed",
    answers={200: Answer("The changed preferences.", Notify)},
    body=Notify,
    tag="notifications",
)
async def change_preferences(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    wanted = parse_body(Notify, req.get_body(), '{"email": false}')
    about(caller.tenant, subject=f"preferences: {wanted.model_dump_json(by_alias=True, exclude_none=True)}")
    context = await request_services()
    await in_thread(context.preferences.put, caller.tenant, caller.user, wanted)
    return _resource(wanted)


def _resource(chosen: Notify) -> func.HttpResponse:
    return json_response(chosen.model_dump(mode="json", by_alias=True), headers={"Cache-Control": REVALIDATE})
