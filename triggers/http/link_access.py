"""What a token from a mail gives: the file of an export, or a page that says why there is none.

The rules, in this order: the token is known; the export is there; where links ask for sign-in, the caller is signed in
and may have the file; elsewhere who asked for it may have it still (``shared/jobs/rights.py``); neither the link nor
all links are revoked; and there is a file (``shared/jobs/file_access.py``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import azure.durable_functions as df
import azure.functions as func

from shared.audit.recorder import about
from shared.catalog.registry import export_type_named
from shared.errors import NotAllowed, NotAuthenticated, PermanentError, StorageUnavailable
from shared.identity.caller import Caller
from shared.identity.easy_auth import PRINCIPAL_HEADER
from shared.jobs.file_access import file_url, why_no_file
from shared.jobs.records import ExportRecord
from shared.jobs.rights import check_file_of
from shared.notifications.message import locale_of, time_zone_of, title_in
from shared.notifications.templates.pages import page, policy, preferred_locale
from shared.services import Services
from shared.settings import Settings, settings
from shared.timestamps import from_iso
from triggers.http.endpoint import caller_of, in_thread, request_services
from triggers.http.exports import may_see
from triggers.http.pages import html_response

_STATUS = {"unknown": 404, "failed": 409, "running": 409, "busy": 503, "sign-in": 403, "forbidden": 403}
"""Of the page that says why there is no file; 410 for all other reasons."""

BY_LINK = "Somebody with the link from the mail"
"""How the export's log calls a person who is not signed in."""


@dataclass(frozen=True)
class Target:
    """What a token stands for: the export, the generation of its links, and the link's id in the audit log.

    ``revoked``: the link was made worthless by itself, or with all links of its person.
    """

    tenant: str
    export_id: str
    generation: int
    link: str
    revoked: bool


@dataclass(frozen=True)
class Found:
    """What a link leads to. ``reason``: why there is no file, empty when there is one. ``who`` fetches it.

    ``caller`` is None where links ask for no sign-in.
    """

    reason: str
    record: ExportRecord | None = None
    who: str = BY_LINK
    caller: Caller | None = None


TargetOf = Callable[[Services], Target | None]
"""What the token of a request stands for; None when nobody knows it. Raises ``StorageUnavailable``."""


async def shown(req: func.HttpRequest, target_of: TargetOf, *, by_form: bool) -> func.HttpResponse:
    """The page with the button, or the one that says why there is none; ``by_form``: see ``file_page``."""
    found = await find(req, target_of)
    if found.reason or found.record is None:
        return no_file_page(found, req)
    return file_page(found.record, by_form=by_form)


async def downloaded(
    req: func.HttpRequest,
    client: df.DurableOrchestrationClient,
    target_of: TargetOf,
    status: int,
    answer: Callable[[str, str], func.HttpResponse],
) -> func.HttpResponse:
    """``answer(url, end)`` with a URL of the file, or the page that says why there is none; ``status`` is the answer's.

    Raises what ``file_url`` raises when the file goes at this moment.
    """
    found = await find(req, target_of)
    if found.reason or found.record is None:
        return no_file_page(found, req)
    try:
        context = await request_services()
        return answer(*await file_url(found.record, found.caller, context, client, status=status, who=found.who))
    except StorageUnavailable:
        return no_file_page(Found("busy"), req)


async def find(req: func.HttpRequest, target_of: TargetOf) -> Found:
    """What the link leads to that the request brings; it changes nothing."""
    try:
        context = await request_services()
        target = await in_thread(target_of, context)
        if target is None:
            return Found("unknown")
        record = await in_thread(context.records.get, target.tenant, target.export_id)
        if record is None:
            return Found("deleted")
        about(record.tenant, record.id, f"link {target.link}")
        who, caller = BY_LINK, None
        if context.link_asks_for_sign_in(record.tenant, record.export_type):
            caller = await _signed_in(req)
            if caller is None:
                about(record.tenant, record.id, f"link {target.link}", by="link")
                return Found("sign-in")
            if not may_see(caller, record):
                about(caller.tenant, record.id, f"link {target.link}")
                return Found("forbidden")
            who = caller.name
            await in_thread(check_file_of, record, caller, context)
        about(record.tenant, record.id, f"link {target.link}", by="link")
        if target.revoked or record.links != target.generation or not (caller or await _is_owners(record, context)):
            return Found("revoked", record, who)
        return Found(why_no_file(record) or "", record, who, caller)
    except NotAllowed:  # such as somebody who was offboarded
        return Found("forbidden")
    except StorageUnavailable:
        return Found("busy")


async def _is_owners(record: ExportRecord, context: Services) -> bool:
    """Whether who asked may have the file still, as far as is known."""
    try:
        await in_thread(check_file_of, record, None, context)
    except NotAllowed:
        return False
    return True


async def _signed_in(req: func.HttpRequest) -> Caller | None:
    """Who calls; None when nobody is signed in, which is noted as a failed sign-in only where somebody tried."""
    if not any(req.headers.get(name) for name in (PRINCIPAL_HEADER, "authorization")):
        return None
    try:
        return await caller_of(req)
    except NotAuthenticated:
        return None


def file_page(record: ExportRecord, *, by_form: bool) -> func.HttpResponse:
    """The page with the button. ``by_form``: the button sends a form, for it is on a page of its own."""
    values = _about(record) | {"file_name": record.file_name, "rows": record.file_rows, "bytes": record.file_bytes}
    text = page("landing", values | {"by_form": by_form}, locale_of(record))
    return html_response(200, text, policy(forms=by_form))


def no_file_page(found: Found, req: func.HttpRequest) -> func.HttpResponse:
    """The page that says why there is no file, and what to do."""
    values: dict[str, Any] = {"reason": found.reason, **_sign_in(settings())}
    locale = preferred_locale(req.headers.get("Accept-Language", ""))
    if found.record:
        values |= _about(found.record) | {"error": found.record.error_message.rstrip(".")}
        locale = locale_of(found.record)
    return html_response(_STATUS.get(found.reason, 410), page("no-file", values, locale))


def _about(record: ExportRecord) -> dict[str, Any]:
    try:
        title = title_in(export_type_named(record.export_type), locale_of(record))
    except PermanentError:  # the type is gone since
        title = record.export_type
    expires_at = from_iso(record.expires_at) if record.expires_at else None
    shown = None if record.hold else expires_at
    return {"title": title, "expires_at": shown, "time_zone": time_zone_of(record)}


def _sign_in(current: Settings) -> dict[str, str]:
    """Where App Service authentication signs people in and out; both come back to the page of links."""
    if current.auth_mode != "easyauth":
        return {"sign_in": "", "sign_out": ""}
    back = quote(f"{urlsplit(current.public_url).path.rstrip('/')}/api/d", safe="")
    return {
        "sign_in": f"/.auth/login/{current.sign_in_provider}?post_login_redirect_uri={back}",
        "sign_out": f"/.auth/logout?post_logout_redirect_uri={back}",
    }
