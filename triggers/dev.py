"""``/dev``: tokens for the demo users and the local mail outbox. All of it answers 404 outside dev mode."""

import azure.durable_functions as df
import azure.functions as func
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.demo_users import DEMO_USERS
from shared.errors import NotFound, RequestError
from shared.identity import demo_caller, dev_token
from shared.mail.outbox import Outbox
from shared.settings import Settings, settings
from triggers.http import endpoint, in_thread, json_response

bp = df.Blueprint()


class _TokenRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    user: str


@bp.route(route="dev/token", methods=["POST"])
@endpoint
async def dev_token_for(req: func.HttpRequest) -> func.HttpResponse:
    current = _dev_settings()
    try:
        wanted = _TokenRequest.model_validate_json(req.get_body())
    except ValidationError:
        raise RequestError('the body must be JSON such as {"user": "ada"}') from None
    return json_response({"token": dev_token(wanted.user, current)})


@bp.route(route="dev/users", methods=["GET"])
@endpoint
async def dev_users(req: func.HttpRequest) -> func.HttpResponse:
    _dev_settings()
    callers = [demo_caller(user) for user in DEMO_USERS]
    items = [{"user": c.user, "name": c.name, "email": c.email, "tenant": c.tenant, "roles": c.roles} for c in callers]
    return json_response({"items": items})


@bp.route(route="dev/outbox", methods=["GET", "DELETE"])
@endpoint
async def dev_outbox(req: func.HttpRequest) -> func.HttpResponse:
    current = _dev_settings()
    outbox = Outbox(current.mail_outbox_dir, current.mail_from)
    if req.method == "DELETE":
        await in_thread(outbox.clear)
        return func.HttpResponse(status_code=204)
    return json_response({"items": await in_thread(outbox.mails)})


def _dev_settings() -> Settings:
    current = settings()
    if current.auth_mode != "dev":
        raise NotFound("there is nothing here")
    return current
