"""``/service/token``: a short-lived bearer token for a service that has a function key of this app.

The host checks the key (header ``x-functions-key``) before the function is called. Whoever has it may work in every
tenant, which is why the endpoint answers 404 unless ``SERVICE_TOKENS`` is on.
"""

import azure.functions as func
from pydantic import Field

from shared.api import schemas
from shared.api.operations import Access, Answer
from shared.audit.recorder import about
from shared.catalog.ownership import TENANT
from shared.errors import NotFound
from shared.identity.caller import SERVICE_LIFETIME, require_served, service_token
from shared.requests.export_request import Body, Names, parse_body
from shared.settings import settings
from shared.timestamps import iso, utc_now
from triggers.http.endpoint import json_response
from triggers.http.operation import operation


class ServiceTokenRequest(Body):
    """The body of ``POST /service/token``: who calls, in which tenant, for which companies and scopes."""

    service: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,49}$", description="The name of the service that calls.")
    tenant: str = Field(pattern=f"^{TENANT.pattern}$", description="The tenant in which it calls.")
    company_ids: Names = Field(default=(), description="The companies whose rows it may export.")
    operational_scope_ids: Names = Field(default=(), description="The operational scopes whose rows it may export.")


@operation(
    "POST",
    "service/token",
    summary="Issue a service token",
    description="Exchanges a function key for a bearer token of fifteen minutes in one tenant.",
    access=Access.FUNCTION_KEY,
    audit="token-given",
    answers={200: Answer("The token.", schemas.ServiceToken)},
    body=ServiceTokenRequest,
    refuses=(404,),
    tag="service",
)
async def service_token_for(req: func.HttpRequest) -> func.HttpResponse:
    current = settings()
    if not current.service_tokens:
        raise NotFound("there is nothing here")
    wanted = parse_body(ServiceTokenRequest, req.get_body(), '{"service": "billing", "tenant": "acme"}')
    about(wanted.tenant, subject=f"service:{wanted.service}", by="function-key")
    require_served(wanted.tenant, current)
    until = utc_now() + SERVICE_LIFETIME
    token = service_token(
        wanted.service, wanted.tenant, wanted.company_ids, wanted.operational_scope_ids, until, current
    )
    return json_response({"token": token, "expiresAt": iso(until)})
