"""Every call of the API, described: the OpenAPI document, the refusal of other methods and the tests read it from here.

A new endpoint is not complete without its entry; a test compares this list with the app's functions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from exports import EXPORT_TYPES
from shared.api import schemas as r
from shared.api.openapi import Access, Answer, Call, Parameter
from shared.audit.log import ACTIONS, NOBODY
from shared.catalog.ownership import TENANT
from shared.formats import FORMATS
from shared.identity.caller import USER_LIMIT
from shared.jobs.dead_letters import FailureClass
from shared.jobs.status import Status
from shared.notifications.templates.catalogues import LANGUAGES
from shared.notifications.templates.mails import SAMPLES
from shared.requests.export_request import ExportRequest, Notify
from shared.requests.operator_requests import TENANT_PATTERN, HoldRequest, RedriveRequest
from shared.schedules.requests import ScheduleChanges, ScheduleRequest
from shared.settings import Settings
from triggers.http.dev import DevTokenRequest
from triggers.http.mail_links import LinkToken
from triggers.http.ops import Pause, Quotas
from triggers.http.service_tokens import ServiceTokenRequest
from triggers.http.swagger_ui import FILES
from triggers.http.webhooks import WebhookChange, WebhookRequest

_ID = Parameter("id", "The export's id.", {"type": "string"}, required=True)
_TOKEN = Parameter("token", "The token in a mail's link.", {"type": "string"}, required=True)
_WEBHOOK = Parameter("id", "The webhook's id.", {"type": "string"}, required=True)
_DELIVERY = Parameter("delivery", "The delivery's id.", {"type": "string"}, required=True)
_TENANT = Parameter("tenant", "The tenant.", {"type": "string", "pattern": f"^{TENANT.pattern}$"}, required=True)
_USER = Parameter(
    "user",
    "The user's id, percent-encoded; a slash in it is %2F.",
    {"type": "string", "minLength": 1, "maxLength": USER_LIMIT},
    required=True,
)
_TYPE = Parameter("name", "The export type.", {"type": "string", "enum": [t.name for t in EXPORT_TYPES]}, required=True)
_CURSOR = Parameter(
    "cursor",
    "Where a page ended.",
    {"type": "string", "maxLength": 1000, "pattern": "^([A-Za-z0-9-]*[A-Za-z0-9][A-Za-z0-9-]*)?$"},
)
_POSITION = Parameter("cursor", "Where a page ended.", {"type": "string", "pattern": "^[0-9]{0,9}$"})
_INSTANCE = {"type": "string", "maxLength": 100}
_POLL = {"Retry-After": "Seconds until it is worth asking again, 2 to 10: a fifth of the time that is left."}
_PLACE = {"Location": "Where to go on."}
_OF_FILE = {
    "Content-Length": "The file's size in bytes.",
    "Content-Disposition": "The file's name.",
    "Repr-Digest": "The sha-256 of the file's bytes (RFC 9530).",
}
_BEGUN = {**_PLACE, "Operation-Location": "The export as an operation.", **_POLL}


def _limit(default: int) -> Parameter:
    return Parameter("limit", "Items of a page.", {"type": "integer", "minimum": 1, "maximum": 200, "default": default})


def _one_of(values: Any) -> dict[str, Any]:
    return {"type": "string", "enum": [str(value) for value in values]}


_MOMENT = {"type": "string", "format": "date-time"}
_LIST = (
    Parameter("status", "Exports in this status.", _one_of(Status)),
    Parameter("exportType", "Exports of this type.", _one_of(t.name for t in EXPORT_TYPES)),
    Parameter("format", "Exports in this format.", _one_of(FORMATS)),
    Parameter("createdBy", "Exports of this user.", {"type": "string", "maxLength": 200}),
    Parameter("createdFrom", "Exports of this time or later.", _MOMENT),
    Parameter("createdTo", "Exports of before this time.", _MOMENT),
    _limit(50),
    _CURSOR,
)

_AUDIT = (
    Parameter("action", "Deeds of this kind.", _one_of(ACTIONS)),
    Parameter("user", "Deeds of this user.", {"type": "string", "maxLength": 200}),
    Parameter("exportId", "Deeds about this export.", {"type": "string", "maxLength": 64}),
    Parameter("from", "Deeds of this time or later.", _MOMENT),
    Parameter("to", "Deeds of before this time.", _MOMENT),
    Parameter(
        "tenant",
        "For a SuperAdmin: another tenant's; `-` is what is about no tenant, such as failed sign-ins.",
        {"type": "string", "pattern": f"^({NOBODY}|{TENANT.pattern})$"},
    ),
    _limit(50),
    _CURSOR,
)

_NEXT = {
    "status": "export_status",
    "operation": "operation",
    "download": "download_export",
    "cancel": "cancel_export",
    "logs": "export_logs",
    "workflow": "export_workflow",
}

_NEXT_OF_WEBHOOK = {
    "webhook": "webhook",
    "change": "change_webhook",
    "ping": "ping_webhook",
    "deliveries": "webhook_deliveries",
    "remove": "delete_webhook",
}

_SCHEDULE_NEXT = {
    "schedule": "schedule_status",
    "change": "change_schedule",
    "runs": "schedule_runs",
    "delete": "delete_schedule",
}

_WRITTEN: tuple[Call, ...] = (
    Call(
        "start_export",
        "POST",
        "exports",
        "Begin an export",
        Access.EXPORTER,
        {
            200: Answer("An earlier request has made it.", r.ExportAccepted, headers=_BEGUN, links=_NEXT),
            202: Answer("It has begun.", r.ExportAccepted, headers=_BEGUN, links=_NEXT),
        },
        body=ExportRequest,
        refuses=(409, 422, 429),
    ),
    Call(
        "estimate_export",
        "POST",
        "exports/estimate",
        "How large an export would be",
        Access.EXPORTER,
        {200: Answer("It.", r.Estimate)},
        body=ExportRequest,
        refuses=(422, 429),
    ),
    Call(
        "list_exports", "GET", "exports", "List exports", Access.EXPORTER, {200: Answer("A page.", r.ExportPage)}, _LIST
    ),
    Call(
        "export_status",
        "GET",
        "exports/{id}",
        "How an export is doing",
        Access.OWNER,
        {200: Answer("It.", r.Export)},
        (_ID,),
    ),
    Call(
        "cancel_export",
        "POST",
        "exports/{id}/cancel",
        "Stop an export",
        Access.OWNER,
        {202: Answer("Everything that runs for it stops within seconds.", r.ExportAccepted, headers=_BEGUN)},
        (_ID,),
        refuses=(409,),
    ),
    Call(
        "retry_export",
        "POST",
        "exports/{id}/retry",
        "Let a failed export go on from the parts that are there",
        Access.OWNER,
        {202: Answer("It goes on.", r.ExportAccepted, headers=_BEGUN)},
        (_ID,),
        refuses=(409, 429),
    ),
    Call(
        "delete_export",
        "DELETE",
        "exports/{id}",
        "Forget an export that has ended, with its file",
        Access.OWNER,
        {204: Answer("It is gone.")},
        (_ID,),
        refuses=(409,),
    ),
    Call(
        "revoke_links",
        "POST",
        "exports/{id}/revoke-links",
        "Make the links in mails worthless",
        Access.OWNER,
        {204: Answer("Those that are out lead to a page that says so; a mail that goes out later has a new one.")},
        (_ID,),
    ),
    Call(
        "list_links",
        "GET",
        "exports/{id}/links",
        "The links to the file that were sent",
        Access.OWNER,
        {200: Answer("All of them, oldest first.", r.SentLinks)},
        (_ID,),
    ),
    Call(
        "revoke_link",
        "DELETE",
        "exports/{id}/links/{link}",
        "Make one link worthless",
        Access.OWNER,
        {204: Answer("It leads to a page that says so.")},
        (_ID, Parameter("link", "The link's id.", {"type": "string"}, required=True)),
    ),
    Call(
        "operation",
        "GET",
        "operations/{id}",
        "An export as a long-running operation",
        Access.OWNER,
        {200: Answer("It.", r.Operation)},
        (_ID,),
    ),
    Call(
        "export_logs",
        "GET",
        "exports/{id}/logs",
        "What happened to an export",
        Access.OWNER,
        {200: Answer("A page.", r.LogPage)},
        (_ID, _limit(100), _CURSOR),
    ),
    Call(
        "export_workflow",
        "GET",
        "exports/{id}/workflow",
        "What the orchestration of an export has done: names, times and numbers",
        Access.OWNER,
        {200: Answer("It, with a page of its history.", r.Workflow)},
        (
            _ID,
            Parameter("instance", "Another orchestration of the same export: an item's `instance`.", _INSTANCE),
            _limit(100),
            _POSITION,
        ),
    ),
    *(
        Call(
            "download_export",
            method,
            "exports/{id}/download",
            summary,
            Access.OWNER,
            answers,
            (_ID, Parameter("redirect", "false: answer with the URL instead.", _one_of(("true", "false")))),
            refuses=(409, 410),
        )
        for method, summary, answers in (
            (
                "GET",
                "Get the file",
                {
                    200: Answer("With redirect=false: the URL.", r.DownloadUrl),
                    302: Answer("To a URL that reads the file for ten minutes.", headers=_PLACE),
                },
            ),
            (
                "HEAD",
                "What the file is. Gives no URL and changes nothing.",
                {200: Answer("Size, type, name and checksum.", headers=_OF_FILE)},
            ),
        )
    ),
    Call(
        "export_types",
        "GET",
        "export-types",
        "What the caller may export",
        Access.CALLER,
        {200: Answer("The catalogue.", r.Catalogue)},
    ),
    Call(
        "create_schedule",
        "POST",
        "schedules",
        "Let an export be made again and again",
        Access.EXPORTER,
        {201: Answer("The schedule.", r.Schedule, headers=_PLACE, links=_SCHEDULE_NEXT)},
        body=ScheduleRequest,
        refuses=(409,),
        tag="schedules",
    ),
    Call(
        "list_schedules",
        "GET",
        "schedules",
        "List schedules: one's own, and for an Admin those of the tenant",
        Access.EXPORTER,
        {200: Answer("A page.", r.SchedulePage)},
        (_limit(50), _CURSOR),
        tag="schedules",
    ),
    Call(
        "schedule_status",
        "GET",
        "schedules/{id}",
        "A schedule with its last run and its next",
        Access.OWNER,
        {200: Answer("It.", r.Schedule)},
        (_ID,),
        tag="schedules",
    ),
    Call(
        "change_schedule",
        "PATCH",
        "schedules/{id}",
        "Change, pause or resume a schedule",
        Access.OWNER,
        {200: Answer("As it is now.", r.Schedule)},
        (_ID,),
        body=ScheduleChanges,
        tag="schedules",
    ),
    Call(
        "delete_schedule",
        "DELETE",
        "schedules/{id}",
        "End a schedule; its exports stay",
        Access.OWNER,
        {204: Answer("It is gone.")},
        (_ID,),
        tag="schedules",
    ),
    Call(
        "schedule_runs",
        "GET",
        "schedules/{id}/runs",
        "The history of a schedule",
        Access.OWNER,
        {200: Answer("A page.", r.ScheduleRunPage)},
        (_ID, _limit(50), _CURSOR),
        tag="schedules",
    ),
    Call(
        "list_dead_letters",
        "GET",
        "ops/dead-letters",
        "What failed for good",
        Access.OPERATOR,
        {200: Answer("A page.", r.DeadLetterPage)},
        (
            Parameter("tenant", "Those of this tenant.", {"type": "string", "pattern": TENANT_PATTERN}),
            Parameter("exportType", "Those of this type.", _one_of(t.name for t in EXPORT_TYPES)),
            Parameter("failureClass", "Those whose cause is there.", _one_of(FailureClass)),
            _limit(50),
            _CURSOR,
        ),
        tag="operation",
    ),
    Call(
        "dead_letter",
        "GET",
        "ops/dead-letters/{id}",
        "A dead letter with its request and parts",
        Access.OPERATOR,
        {200: Answer("It.", r.DeadLetterDetail)},
        (_ID,),
        refuses=(404,),
        tag="operation",
    ),
    Call(
        "drop_dead_letter",
        "DELETE",
        "ops/dead-letters/{id}",
        "Take a dead letter off the list; the export stays Failed",
        Access.OPERATOR,
        {204: Answer("It is off the list.")},
        (_ID,),
        refuses=(404,),
        tag="operation",
    ),
    Call(
        "redrive_dead_letter",
        "POST",
        "ops/dead-letters/{id}/redrive",
        "Let an export go on from the parts that are there",
        Access.OPERATOR,
        {202: Answer("It goes on.", r.ExportAccepted, headers=_BEGUN)},
        (_ID,),
        refuses=(404, 409, 429),
        tag="operation",
    ),
    Call(
        "redrive_dead_letters",
        "POST",
        "ops/redrive",
        "Let all that fit go on",
        Access.OPERATOR,
        {200: Answer("What became of each.", r.Redriven)},
        body=RedriveRequest,
        tag="operation",
    ),
    Call(
        "list_holds",
        "GET",
        "ops/holds",
        "What is under a legal hold",
        Access.OPERATOR,
        {200: Answer("A page.", r.HoldPage)},
        (
            Parameter("tenant", "Those of this tenant.", {"type": "string", "pattern": TENANT_PATTERN}),
            _limit(50),
            _CURSOR,
        ),
        tag="operation",
    ),
    Call(
        "hold_export",
        "PUT",
        "ops/exports/{id}/hold",
        "Put an export under a legal hold: nothing of it is removed",
        Access.OPERATOR,
        {200: Answer("The hold.", r.Hold)},
        (_ID,),
        body=HoldRequest,
        refuses=(404, 409),
        tag="operation",
    ),
    Call(
        "release_export",
        "DELETE",
        "ops/exports/{id}/hold",
        "Lift a legal hold",
        Access.OPERATOR,
        {204: Answer("It is lifted.")},
        (_ID,),
        refuses=(404, 409),
        tag="operation",
    ),
    *(
        Call(
            "link_page",
            method,
            "d",
            "The page that a mail links to; the token stands behind the #, and is not sent",
            Access.PUBLIC,
            {200: Answer("The same page for everybody, with the script that reads the token.", media_type="text/html")},
            tag="mail",
        )
        for method in ("GET", "HEAD")
    ),
    Call(
        "look_up_link",
        "POST",
        "link",
        "What a link from a mail leads to. Changes nothing.",
        Access.PUBLIC,
        {
            200: Answer("A page with a button.", media_type="text/html"),
            **{s: Answer("A page that says so.", media_type="text/html") for s in (403, 404, 409, 410, 503)},
        },
        body=LinkToken,
        tag="mail",
    ),
    Call(
        "link_file",
        "POST",
        "link/file",
        "The button of the page that a mail links to",
        Access.PUBLIC,
        {
            200: Answer("A URL that reads the file for ten minutes.", r.DownloadUrl),
            **{s: Answer("A page that says so.", media_type="text/html") for s in (403, 404, 409, 410, 503)},
        },
        body=LinkToken,
        tag="mail",
    ),
    *(
        Call(
            "landing_page",
            method,
            "d/{token}",
            "The page that a mail of an older release links to",
            Access.PUBLIC,
            {
                200: Answer("A page with a button.", media_type="text/html"),
                **{s: Answer("A page that says so.", media_type="text/html") for s in (403, 404, 409, 410, 503)},
            },
            (_TOKEN,),
            tag="mail",
        )
        for method in ("GET", "HEAD")
    ),
    Call(
        "landing_download",
        "POST",
        "d/{token}",
        "The button of the page that a mail of an older release links to",
        Access.PUBLIC,
        {
            303: Answer("To a URL that reads the file for ten minutes.", headers=_PLACE),
            **{s: Answer("A page that says so.", media_type="text/html") for s in (403, 404, 409, 410, 503)},
        },
        (_TOKEN,),
        tag="mail",
    ),
    *(
        Call(
            "unsubscribe",
            method,
            "unsubscribe/{token}",
            summary,
            Access.PUBLIC,
            {
                200: Answer("A page.", media_type="text/html"),
                **{s: Answer("A page that says so.", media_type="text/html") for s in refused},
            },
            (_TOKEN,),
            tag="mail",
        )
        for method, summary, refused in (
            ("GET", "Where a mail's List-Unsubscribe leads a person", (404,)),
            ("POST", "No more mails (RFC 8058)", (400, 404)),
        )
    ),
    Call(
        "list_notifications",
        "GET",
        "notifications",
        "What the caller was told in the app",
        Access.CALLER,
        {200: Answer("A page.", r.NotificationPage)},
        (Parameter("unread", "true: only those that are unread.", _one_of(("true", "false"))), _limit(50), _CURSOR),
        tag="notifications",
    ),
    Call(
        "read_notification",
        "POST",
        "notifications/{id}/read",
        "Mark a notification as read",
        Access.RECIPIENT,
        {200: Answer("It.", r.Notification)},
        (Parameter("id", "The notification's id.", {"type": "string"}, required=True),),
        tag="notifications",
    ),
    Call(
        "preferences",
        "GET",
        "preferences",
        "How the caller wants to be told",
        Access.CALLER,
        {200: Answer("It.", Notify)},
        tag="notifications",
    ),
    Call(
        "change_preferences",
        "PUT",
        "preferences",
        "Say how the caller wants to be told",
        Access.CALLER,
        {200: Answer("As it is now.", Notify)},
        body=Notify,
        tag="notifications",
    ),
    Call(
        "create_webhook",
        "POST",
        "webhooks",
        "Add a webhook",
        Access.ADMIN,
        {201: Answer("It, with its secret.", r.WebhookWithSecret, headers=_PLACE, links=_NEXT_OF_WEBHOOK)},
        body=WebhookRequest,
        refuses=(422,),
        tag="webhooks",
    ),
    Call(
        "list_webhooks",
        "GET",
        "webhooks",
        "List the webhooks of the tenant",
        Access.ADMIN,
        {200: Answer("They.", r.Webhooks)},
        tag="webhooks",
    ),
    Call(
        "webhook",
        "GET",
        "webhooks/{id}",
        "A webhook",
        Access.ADMIN,
        {200: Answer("It.", r.Webhook)},
        (_WEBHOOK,),
        tag="webhooks",
    ),
    Call(
        "change_webhook",
        "PATCH",
        "webhooks/{id}",
        "Change, disable or enable a webhook",
        Access.ADMIN,
        {200: Answer("It, as it is now.", r.Webhook)},
        (_WEBHOOK,),
        body=WebhookChange,
        tag="webhooks",
    ),
    Call(
        "delete_webhook",
        "DELETE",
        "webhooks/{id}",
        "Remove a webhook with its deliveries",
        Access.ADMIN,
        {204: Answer("It is gone.")},
        (_WEBHOOK,),
        tag="webhooks",
    ),
    Call(
        "rotate_webhook_secret",
        "POST",
        "webhooks/{id}/rotate",
        "Give a webhook a new secret, beside which the old one stays good for a while",
        Access.ADMIN,
        {200: Answer("It, with its new secret.", r.WebhookWithSecret)},
        (_WEBHOOK,),
        refuses=(409,),
        tag="webhooks",
    ),
    Call(
        "ping_webhook",
        "POST",
        "webhooks/{id}/ping",
        "Send a webhook an event to try it",
        Access.ADMIN,
        {202: Answer("It is on its way.", r.Delivery)},
        (_WEBHOOK,),
        refuses=(409,),
        tag="webhooks",
    ),
    Call(
        "webhook_deliveries",
        "GET",
        "webhooks/{id}/deliveries",
        "What was sent to a webhook, and what became of it",
        Access.ADMIN,
        {200: Answer("A page.", r.DeliveryPage)},
        (_WEBHOOK, _limit(50), _CURSOR),
        tag="webhooks",
    ),
    Call(
        "redeliver",
        "POST",
        "webhooks/{id}/deliveries/{delivery}/redeliver",
        "Send an event again, with the same id",
        Access.ADMIN,
        {202: Answer("It is on its way.", r.Delivery)},
        (_WEBHOOK, _DELIVERY),
        refuses=(409,),
        tag="webhooks",
    ),
    Call(
        "audit_log",
        "GET",
        "ops/audit",
        "Who did what, from where",
        Access.ADMIN,
        {200: Answer("A page.", r.AuditPage)},
        _AUDIT,
        tag="admin",
    ),
    Call(
        "overview",
        "GET",
        "ops/overview",
        "What the service does now",
        Access.OPERATOR,
        {200: Answer("It.", r.Overview)},
        tag="admin",
    ),
    Call(
        "tenants",
        "GET",
        "ops/tenants",
        "What each tenant uses and may use",
        Access.OPERATOR,
        {200: Answer("They.", r.TenantUses)},
        tag="admin",
    ),
    Call(
        "running",
        "GET",
        "ops/running",
        "The exports that have been running for longest, with their slowest parts",
        Access.OPERATOR,
        {200: Answer("They.", r.RunningExports)},
        (_limit(20),),
        tag="admin",
    ),
    Call(
        "pauses",
        "GET",
        "ops/pauses",
        "What is paused",
        Access.OPERATOR,
        {200: Answer("It.", r.Pauses)},
        tag="admin",
    ),
    *(
        Call(
            function,
            "POST",
            route,
            summary,
            Access.OPERATOR,
            {200: Answer("As it is now.", r.PauseState)},
            (parameter,),
            body=Pause if "pause_" in function else None,
            refuses=(404,),
            tag="admin",
        )
        for function, route, summary, parameter in (
            ("pause_tenant", "ops/tenants/{tenant}/pause", "Begin no export of a tenant", _TENANT),
            ("resume_tenant", "ops/tenants/{tenant}/resume", "Begin exports of a tenant again", _TENANT),
            ("pause_export_type", "ops/export-types/{name}/pause", "Begin no export of a type", _TYPE),
            ("resume_export_type", "ops/export-types/{name}/resume", "Begin exports of a type again", _TYPE),
        )
    ),
    Call(
        "put_quotas",
        "PUT",
        "ops/tenants/{tenant}/quotas",
        "Give a tenant quotas of its own",
        Access.OPERATOR,
        {200: Answer("Those that it has now.", r.QuotasInForce)},
        (_TENANT,),
        body=Quotas,
        refuses=(404,),
        tag="admin",
    ),
    *(
        Call(
            function,
            method,
            route,
            summary,
            access,
            answers,
            parameters,
            refuses=refuses,
            tag="admin",
        )
        for route, access, of, parameters in (
            ("users/{user}/offboard", Access.ADMIN, "", (_USER,)),
            ("ops/users/{tenant}/{user}/offboard", Access.OPERATOR, "_of", (_TENANT, _USER)),
        )
        for function, method, summary, answers, refuses in (
            (
                f"offboard_user{of}",
                "POST",
                "Shut out a person who has left, and stop what acts for them",
                {200: Answer("What was stopped.", r.Offboarded)},
                (404, 409),
            ),
            (
                f"reinstate_user{of}",
                "DELETE",
                "Let such a person in again; what was stopped stays so",
                {204: Answer("They may come in.")},
                (404,),
            ),
        )
    ),
    Call(
        "metrics_page",
        "GET",
        "ops/metrics",
        "The numbers of the service for Prometheus",
        Access.OPERATOR,
        {200: Answer("They.", media_type="text/plain")},
        tag="admin",
    ),
    Call(
        "health",
        "GET",
        "health",
        "Can the service work?",
        Access.PUBLIC,
        {200: Answer("It can.", r.Health)},
        tag="service",
    ),
    Call(
        "live",
        "GET",
        "health/live",
        "Does the process answer?",
        Access.PUBLIC,
        {200: Answer("It does, whatever else is wrong.", r.Health)},
        tag="service",
    ),
    Call(
        "openapi_document",
        "GET",
        "openapi.json",
        "This document",
        Access.PUBLIC,
        {200: Answer("It.", media_type="application/json")},
        tag="service",
    ),
    Call(
        "docs_page",
        "GET",
        "docs",
        "This document for people",
        Access.PUBLIC,
        {200: Answer("A page.", media_type="text/html")},
        tag="service",
    ),
    Call(
        "docs_file",
        "GET",
        "docs/{file}",
        "A script or a style sheet of that page",
        Access.PUBLIC,
        {200: Answer("It.", media_type="*/*")},
        (Parameter("file", "Its name.", _one_of(FILES), required=True),),
        refuses=(404,),
        tag="service",
    ),
    Call(
        "service_token_for",
        "POST",
        "service/token",
        "A token for a service",
        Access.FUNCTION_KEY,
        {200: Answer("The token.", r.ServiceToken)},
        body=ServiceTokenRequest,
        refuses=(404,),
        tag="service",
    ),
    Call(
        "dev_token_for",
        "POST",
        "dev/token",
        "A token for a demo user",
        Access.PUBLIC,
        {200: Answer("The token.", r.Token)},
        body=DevTokenRequest,
        tag="dev",
    ),
    Call(
        "dev_users", "GET", "dev/users", "The demo users", Access.PUBLIC, {200: Answer("They.", r.DemoUsers)}, tag="dev"
    ),
    Call(
        "mail_previews",
        "GET",
        "dev/mails",
        "Every mail as it looks",
        Access.PUBLIC,
        {200: Answer("A page that lists them.", media_type="text/html")},
        tag="dev",
    ),
    Call(
        "mail_preview",
        "GET",
        "dev/mails/{kind}",
        "A mail as it looks",
        Access.PUBLIC,
        {200: Answer("It.", media_type="text/html")},
        (
            Parameter("kind", "What it tells.", _one_of(tuple(SAMPLES)), required=True),
            Parameter("locale", "Its language.", _one_of(LANGUAGES)),
        ),
        refuses=(404,),
        tag="dev",
    ),
    Call(
        "dev_outbox",
        "GET",
        "dev/outbox",
        "The local outbox",
        Access.PUBLIC,
        {200: Answer("Its mails.", r.Mails)},
        tag="dev",
    ),
    Call(
        "dev_outbox",
        "DELETE",
        "dev/outbox",
        "Empty the local outbox",
        Access.PUBLIC,
        {204: Answer("It is empty.")},
        tag="dev",
    ),
)


def _with_head(calls: Sequence[Call]) -> Iterator[Call]:
    """HEAD for whatever has GET (RFC 9110, section 9.3.2), unless it is described by itself."""
    own = {call.route for call in calls if call.method == "HEAD"}
    for call in calls:
        yield call
        if call.method == "GET" and call.route not in own:
            yield replace(call, method="HEAD", summary=f"{call.summary}: the headers only")


CALLS: tuple[Call, ...] = tuple(_with_head(_WRITTEN))


def offered(settings: Settings) -> tuple[Call, ...]:
    """The calls that these settings offer."""
    return tuple(
        call
        for call in CALLS
        if (settings.auth_mode == "dev" or call.tag != "dev")
        and (settings.service_tokens or call.access is not Access.FUNCTION_KEY)
    )
