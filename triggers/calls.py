"""Every call of the API, described: the OpenAPI document, the refusal of other methods and the tests read it from here.

A new endpoint is not complete without its entry; a test compares this list with the app's functions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from exports import EXPORT_TYPES
from shared import resources as r
from shared.formats import FORMATS
from shared.notices.catalogues import LANGUAGES
from shared.openapi import Access, Answer, Call, Parameter
from shared.requests import ExportRequest, Notify
from shared.settings import Settings
from shared.transitions import Status
from triggers.dev import DevTokenRequest
from triggers.mail_preview import KINDS
from triggers.service_tokens import ServiceTokenRequest
from triggers.swagger_ui import FILES

_ID = Parameter("id", "The export's id.", {"type": "string"}, required=True)
_TOKEN = Parameter("token", "The token in a mail's link.", {"type": "string"}, required=True)
_CURSOR = Parameter(
    "cursor",
    "Where a page ended.",
    {"type": "string", "maxLength": 64, "pattern": "^([A-Za-z0-9-]*[A-Za-z0-9][A-Za-z0-9-]*)?$"},
)
_POLL = {"Retry-After": "Seconds until it is worth asking again."}
_PLACE = {"Location": "Where to go on."}
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

_NEXT = {
    "status": "export_status",
    "operation": "operation",
    "download": "download_export",
    "cancel": "cancel_export",
    "logs": "export_logs",
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
        refuses=(422, 429),
    ),
    Call(
        "estimate_export",
        "POST",
        "exports/estimate",
        "How large an export would be",
        Access.EXPORTER,
        {200: Answer("It.", r.Estimate)},
        body=ExportRequest,
        refuses=(422,),
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
    *(
        Call(
            "download_export",
            method,
            "exports/{id}/download",
            summary,
            Access.OWNER,
            {
                200: Answer("With redirect=false: the URL.", r.DownloadUrl),
                302: Answer("To a URL that reads the file for ten minutes.", headers=_PLACE),
            },
            (_ID, Parameter("redirect", "false: answer with the URL instead.", _one_of(("true", "false")))),
            refuses=(409, 410),
        )
        for method, summary in (("GET", "Get the file"), ("HEAD", "Is there a file? Changes nothing."))
    ),
    Call(
        "export_types",
        "GET",
        "export-types",
        "What the caller may export",
        Access.CALLER,
        {200: Answer("The catalogue.", r.Catalogue)},
    ),
    *(
        Call(
            "landing_page",
            method,
            "d/{token}",
            "The page that a mail links to",
            Access.PUBLIC,
            {
                200: Answer("A page with a button.", media_type="text/html"),
                **{s: Answer("A page that says so.", media_type="text/html") for s in (404, 409, 410, 503)},
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
        "The button of the page that a mail links to",
        Access.PUBLIC,
        {
            303: Answer("To a URL that reads the file for ten minutes.", headers=_PLACE),
            **{s: Answer("A page that says so.", media_type="text/html") for s in (404, 409, 410, 503)},
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
        "health",
        "GET",
        "health",
        "Can the service work?",
        Access.PUBLIC,
        {200: Answer("It can.", r.Health)},
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
            Parameter("kind", "What it tells.", _one_of(KINDS), required=True),
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
