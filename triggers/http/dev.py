"""``/dev``: tokens for the demo users and the local mail outbox. All of it answers 404 outside dev mode."""

import azure.durable_functions as df
import azure.functions as func
from pydantic import Field

from shared.errors import NotFound
from shared.identity.caller import demo_caller, dev_token
from shared.identity.demo_users import DEMO_USERS
from shared.notifications.mail.eml_folder import Outbox
from shared.requests.export_request import Body, parse_body
from shared.settings import Settings, settings
from triggers.http.endpoint import endpoint, in_thread, json_response

bp = df.Blueprint()


class DevTokenRequest(Body):
    """The body of ``POST /dev/token``: which demo user."""

    user: str = Field(json_schema_extra={"enum": list(DEMO_USERS)})


@bp.route(route="dev/token", methods=["POST"])
@endpoint
async def dev_token_for(req: func.HttpRequest) -> func.HttpResponse:
    current = dev_settings()
    wanted = parse_body(DevTokenRequest, req.get_body(), '{"user": "ada"}')
    return json_response({"token": dev_token(wanted.user, current)})


@bp.route(route="dev/users", methods=["GET", "HEAD"])
@endpoint
async def dev_users(req: func.HttpRequest) -> func.HttpResponse:
    dev_settings()
    callers = [demo_caller(user) for user in DEMO_USERS]
    items = [{"user": c.user, "name": c.name, "email": c.email, "tenant": c.tenant, "roles": c.roles} for c in callers]
    return json_response({"items": items})


@bp.route(route="dev/outbox", methods=["GET", "HEAD", "DELETE"])
@endpoint
async def dev_outbox(req: func.HttpRequest) -> func.HttpResponse:
    current = dev_settings()
    outbox = Outbox(current.mail_outbox_dir, current.mail_from)
    if req.method == "DELETE":
        await in_thread(outbox.clear)
        return func.HttpResponse(status_code=204)
    return json_response({"items": await in_thread(outbox.mails)})


def dev_settings() -> Settings:
    """The settings in dev mode. Raises ``NotFound`` in any other."""
    current = settings()
    if current.auth_mode != "dev":
        raise NotFound("there is nothing here")
    return current
