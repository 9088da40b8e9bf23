"""``/notifications``: what the caller was told in the app. Poll it with its entity tag."""

from collections.abc import Callable, Mapping
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from shared.api import schemas
from shared.api.operations import Access, Answer, Parameter
from shared.audit.recorder import about, owner_checked
from shared.errors import FieldError, NotFound, ValidationFailed
from shared.identity.caller import Caller
from shared.notifications.inbox import Notification
from shared.notifications.read_receipts import note_seen
from shared.services import Services
from shared.settings import Settings
from shared.timestamps import iso, utc_now
from triggers.http.endpoint import caller_of, in_thread, json_response, request_services
from triggers.http.exports import links
from triggers.http.middleware import REVALIDATE
from triggers.http.operation import operation
from triggers.http.parameters import CURSOR, limit, one_of
from triggers.http.query_params import checked, cursor_of, limit_of

_MISSING = "you have no notification of this id"


@operation(
    "GET",
    "notifications",
    summary="List notifications",
    description="Lists the caller's in-app notifications, newest first.",
    access=Access.CALLER,
    audit="listed",
    answers={200: Answer("One page of notifications.", schemas.NotificationPage)},
    parameters=(Parameter("unread", "true: only those that are unread.", one_of(("true", "false"))), limit(50), CURSOR),
    tag="notifications",
)
async def list_notifications(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    unread, limit, after = _query(req.params)
    context = await request_services()
    body = await in_thread(_page, caller, unread, limit, after, context)
    return json_response(body, headers={"Cache-Control": REVALIDATE})


@operation(
    "POST",
    "notifications/{id}/read",
    summary="Mark a notification as read",
    description="Marks one notification of the caller as read.",
    access=Access.RECIPIENT,
    audit="seen",
    answers={200: Answer("The notification.", schemas.Notification)},
    parameters=(Parameter("id", "The notification's id.", {"type": "string"}, required=True),),
    tag="notifications",
)
async def read_notification(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    told = await in_thread(_read, caller, req.route_params["id"], context)
    about(caller.tenant, told.export_id, f"notification {told.id}")
    record = await in_thread(context.records.get, caller.tenant, told.export_id)
    if record:
        await note_seen(record, caller, context, client)
    return json_response(resource(told, context.settings))


def resource(told: Notification, settings: Settings) -> dict[str, Any]:
    """A notification as the API shows it."""
    return {
        "id": told.id,
        "kind": told.kind,
        "exportId": told.export_id,
        "subject": told.subject,
        "summary": told.summary,
        "createdAt": told.created_at,
        "readAt": told.read_at or None,
        "links": {"export": links(told.export_id, settings)["self"]},
    }


def _page(caller: Caller, unread: bool, limit: int, after: str, context: Services) -> dict[str, Any]:
    items, cursor = context.notifications.page(caller, limit, after, unread=unread)
    return {
        "items": [resource(told, context.settings) for told in items],
        "nextCursor": cursor or None,
        "unread": context.notifications.unread(caller),
    }


def _read(caller: Caller, notification: str, context: Services) -> Notification:
    if not (notification.replace("-", "").isalnum() and notification.isascii() and len(notification) <= 64):
        raise NotFound(_MISSING)
    owner_checked()  # a person's notifications are in a partition of their own
    told = context.notifications.get(caller, notification)
    if told is None:
        raise NotFound(_MISSING)
    if told.read_at:
        return told
    context.notifications.read_one(caller, notification, iso(utc_now()))
    return context.notifications.get(caller, notification) or told


def _query(params: Any) -> tuple[bool, int, str]:
    found = checked(params, _CHECKS)
    return found.get("unread", False), found.get("limit", _ITEMS), found.get("cursor", "")


def _unread(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValidationFailed([FieldError("unread", f"takes true or false, got '{text[:20]}'")])
    return text == "true"


_ITEMS = 50

_CHECKS: Mapping[str, Callable[[str], Any]] = {
    "unread": _unread,
    "limit": lambda text: limit_of(text, _ITEMS),
    "cursor": cursor_of,
}
