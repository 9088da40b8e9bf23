"""``/dev``: tokens for the demo users and the local mail outbox. All of it answers 404 outside dev mode."""

import azure.functions as func
from pydantic import Field

from shared.api import schemas
from shared.api.operations import Access, Answer
from shared.errors import NotFound
from shared.identity.caller import demo_caller, dev_token
from shared.identity.demo_users import DEMO_USERS
from shared.notifications.mail.eml_folder import Outbox
from shared.requests.export_request import Body, parse_body
from shared.settings import Settings, settings
from triggers.http.endpoint import in_thread, json_response
from triggers.http.operation import operation


class DevTokenRequest(Body):
    """The body of ``POST /dev/token``: which demo user."""

    user: str = Field(json_schema_extra={"enum": list(DEMO_USERS)}, description="The id of the demo user.")


@operation(
    "POST",
    "dev/token",
    summary="Issue a development token",
    description="Signs a token for a demo user. Available in development only.",
    access=Access.PUBLIC,
    audit=None,
    answers={200: Answer("The token.", schemas.Token)},
    body=DevTokenRequest,
    tag="dev",
)
async def dev_token_for(req: func.HttpRequest) -> func.HttpResponse:
    current = dev_settings()
    wanted = parse_body(DevTokenRequest, req.get_body(), '{"user": "ada"}')
    return json_response({"token": dev_token(wanted.user, current)})


@operation(
    "GET",
    "dev/users",
    summary="List demo users",
    description="Lists the people of the demo. Available in development only.",
    access=Access.PUBLIC,
    audit=None,
    answers={200: Answer("The demo users.", schemas.DemoUsers)},
    tag="dev",
)
async def dev_users(req: func.HttpRequest) -> func.HttpResponse:
    dev_settings()
    callers = [demo_caller(user) for user in DEMO_USERS]
    items = [{"user": c.user, "name": c.name, "email": c.email, "tenant": c.tenant, "roles": c.roles} for c in callers]
    return json_response({"items": items})


@operation(
    "GET",
    "dev/outbox",
    summary="List the local outbox",
    description="Lists the mails that were written to the local outbox. Available in development only.",
    access=Access.PUBLIC,
    audit=None,
    answers={200: Answer("The mails.", schemas.Mails)},
    tag="dev",
)
async def dev_outbox(req: func.HttpRequest) -> func.HttpResponse:
    current = dev_settings()
    outbox = Outbox(current.mail_outbox_dir, current.mail_from)
    return json_response({"items": await in_thread(outbox.mails)})


@operation(
    "DELETE",
    "dev/outbox",
    summary="Empty the local outbox",
    description="Removes the mails of the local outbox. Available in development only.",
    access=Access.PUBLIC,
    audit=None,
    answers={204: Answer("The outbox is empty.")},
    tag="dev",
)
async def empty_dev_outbox(req: func.HttpRequest) -> func.HttpResponse:
    current = dev_settings()
    await in_thread(Outbox(current.mail_outbox_dir, current.mail_from).clear)
    return func.HttpResponse(status_code=204)


def dev_settings() -> Settings:
    """The settings in dev mode. Raises ``NotFound`` in any other."""
    current = settings()
    if current.auth_mode != "dev":
        raise NotFound("there is nothing here")
    return current
