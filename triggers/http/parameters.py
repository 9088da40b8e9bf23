"""Parameters and headers that several operations declare."""

from typing import Any

from exports import EXPORT_TYPES
from shared.api.operations import Parameter
from shared.audit.log import ACTIONS, NOBODY
from shared.catalog.ownership import TENANT
from shared.formats import FORMATS
from shared.identity.caller import USER_LIMIT
from shared.jobs.status import Status

EXPORT_ID = Parameter("id", "The export's id.", {"type": "string"}, required=True)
TOKEN = Parameter("token", "The token in a mail's link.", {"type": "string"}, required=True)
WEBHOOK_ID = Parameter("id", "The webhook's id.", {"type": "string"}, required=True)
DELIVERY_ID = Parameter("delivery", "The delivery's id.", {"type": "string"}, required=True)
TENANT_NAME = Parameter("tenant", "The tenant.", {"type": "string", "pattern": f"^{TENANT.pattern}$"}, required=True)
USER_ID = Parameter(
    "user",
    "The user's id, percent-encoded; a slash in it is %2F.",
    {"type": "string", "minLength": 1, "maxLength": USER_LIMIT},
    required=True,
)
EXPORT_TYPE_NAME = Parameter(
    "name", "The export type.", {"type": "string", "enum": [t.name for t in EXPORT_TYPES]}, required=True
)
CURSOR = Parameter(
    "cursor",
    "Where a page ended.",
    {"type": "string", "maxLength": 1000, "pattern": "^([A-Za-z0-9-]*[A-Za-z0-9][A-Za-z0-9-]*)?$"},
)
POSITION = Parameter("cursor", "Where a page ended.", {"type": "string", "pattern": "^[0-9]{0,9}$"})
INSTANCE = {"type": "string", "maxLength": 100}
POLL = {"Retry-After": "Seconds until it is worth asking again, 2 to 10: a fifth of the time that is left."}
LOCATION = {"Location": "URL to continue with."}
FILE_HEADERS = {
    "Content-Length": "The file's size in bytes.",
    "Content-Disposition": "The file's name.",
    "Repr-Digest": "The sha-256 of the file's bytes (RFC 9530).",
}
ACCEPTED = {**LOCATION, "Operation-Location": "The export as an operation.", **POLL}


def limit(default: int) -> Parameter:
    return Parameter("limit", "Items of a page.", {"type": "integer", "minimum": 1, "maximum": 200, "default": default})


def one_of(values: Any) -> dict[str, Any]:
    return {"type": "string", "enum": [str(value) for value in values]}


MOMENT = {"type": "string", "format": "date-time"}
LIST_FILTERS = (
    Parameter("status", "Exports in this status.", one_of(Status)),
    Parameter("exportType", "Exports of this type.", one_of(t.name for t in EXPORT_TYPES)),
    Parameter("format", "Exports in this format.", one_of(FORMATS)),
    Parameter("createdBy", "Exports of this user.", {"type": "string", "maxLength": 200}),
    Parameter("createdFrom", "Exports of this time or later.", MOMENT),
    Parameter("createdTo", "Exports of before this time.", MOMENT),
    limit(50),
    CURSOR,
)
AUDIT_FILTERS = (
    Parameter("action", "Deeds of this kind.", one_of(ACTIONS)),
    Parameter("user", "Deeds of this user.", {"type": "string", "maxLength": 200}),
    Parameter("exportId", "Deeds about this export.", {"type": "string", "maxLength": 64}),
    Parameter("from", "Deeds of this time or later.", MOMENT),
    Parameter("to", "Deeds of before this time.", MOMENT),
    Parameter(
        "tenant",
        "For a SuperAdmin: another tenant's; `-` is what is about no tenant, such as failed sign-ins.",
        {"type": "string", "pattern": f"^({NOBODY}|{TENANT.pattern})$"},
    ),
    limit(50),
    CURSOR,
)
EXPORT_LINKS = {
    "status": "export_status",
    "operation": "export_operation",
    "download": "download_export",
    "cancel": "cancel_export",
    "logs": "export_logs",
    "workflow": "export_workflow",
}
WEBHOOK_LINKS = {
    "webhook": "webhook",
    "change": "change_webhook",
    "ping": "ping_webhook",
    "deliveries": "webhook_deliveries",
    "remove": "delete_webhook",
}
SCHEDULE_LINKS = {
    "schedule": "schedule_status",
    "change": "change_schedule",
    "runs": "schedule_runs",
    "delete": "delete_schedule",
}
