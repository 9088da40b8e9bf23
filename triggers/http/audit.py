"""``/ops/audit``: who did what to a tenant's exports, for those who administer it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import azure.functions as func

from shared.api import schemas
from shared.api.operations import Access, Answer
from shared.audit.log import ACTIONS, NOBODY, AuditEntry, AuditQuery
from shared.audit.recorder import about
from shared.errors import NotAllowed
from shared.identity.caller import Caller
from triggers.http.endpoint import caller_of, in_thread, json_response, request_services
from triggers.http.operation import operation
from triggers.http.parameters import AUDIT_FILTERS
from triggers.http.query_params import checked, choice_of, cursor_of, instant_of, limit_of, short_of, tenant_named


@operation(
    "GET",
    "ops/audit",
    summary="List audit entries",
    description="Lists who did what to a tenant's exports, newest first.",
    access=Access.ADMIN,
    audit="listed",
    answers={200: Answer("One page of audit entries.", schemas.AuditPage)},
    parameters=AUDIT_FILTERS,
    tag="admin",
)
async def audit_log(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    tenant = tenant_of(req.params.get("tenant"), caller)
    about(tenant, subject="audit")
    query, limit, after = audit_query(req.params)
    context = await request_services()
    entries, cursor = await in_thread(context.audit.page, tenant, query, limit, after)
    return json_response({"items": [line(entry) for entry in entries], "nextCursor": cursor or None})


def tenant_of(given: str | None, caller: Caller) -> str:
    """The tenant whose log is wanted: the caller's own; for a SuperAdmin any, and nobody's. Raises ``NotAllowed``."""
    if given is None or given == caller.tenant:
        return caller.tenant
    if not caller.all_tenants:
        raise NotAllowed("the log of another organisation is for SuperAdmins")
    return given if given == NOBODY else tenant_named(given)


def audit_query(params: Mapping[str, str]) -> tuple[AuditQuery, int, str]:
    """The checked query, how many, and after which entry. Raises ``ValidationFailed``."""
    found = checked(params, _CHECKS)
    query = AuditQuery(*(found.get(name, "") for name in ("action", "user", "exportId", "from", "to")))
    return query, found.get("limit", _ITEMS), found.get("cursor", "")


_ITEMS = 50

_CHECKS: Mapping[str, Callable[[str], Any]] = {
    "action": lambda text: choice_of("action", text, ACTIONS),
    "user": lambda text: short_of("user", text, 200),
    "exportId": lambda text: short_of("exportId", text, 64),
    "from": partial(instant_of, "from"),
    "to": partial(instant_of, "to"),
    "limit": lambda text: limit_of(text, _ITEMS),
    "cursor": cursor_of,
    "tenant": str,  # see tenant_of
}


def line(entry: AuditEntry) -> dict[str, Any]:
    """An entry as the API shows it."""
    return {
        "time": entry.time,
        "action": entry.action,
        "outcome": entry.outcome,
        "status": entry.status,
        "user": entry.user,
        "name": entry.name,
        "exportId": entry.export_id or None,
        "subject": entry.subject or None,
        "address": entry.address or None,
        "agent": entry.agent or None,
        "requestId": entry.request_id,
    }
