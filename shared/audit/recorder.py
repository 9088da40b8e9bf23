"""The audit recorder: one entry for what a call did, written where every call passes (``triggers/http/endpoint.py``).

A call's function says nothing of it, but whose data it is about (``about``): the caller, the address, and how it ended
are known here.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace

import azure.functions as func

from shared.audit.log import AuditEntry
from shared.catalog.export_types import Role
from shared.errors import StorageUnavailable
from shared.identity.caller import Caller
from shared.observability.logging import logger
from shared.services import services
from shared.settings import settings
from shared.timestamps import from_iso, iso, utc_now

ACTIONS: Mapping[str, str] = {
    "start_export": "requested",
    "estimate_export": "estimated",
    "list_exports": "listed",
    "export_status": "seen",
    "export_logs": "seen",
    "operation": "seen",
    "export_workflow": "seen",
    "download_export": "downloaded",
    "look_up_link": "seen",
    "link_file": "downloaded",
    "landing_page": "seen",
    "landing_download": "downloaded",
    "cancel_export": "cancelled",
    "retry_export": "retried",
    "delete_export": "deleted",
    "service_token_for": "token-given",
    "audit_log": "listed",
    "overview": "listed",
    "tenants": "listed",
    "running": "listed",
    "pauses": "listed",
    "pause_tenant": "changed",
    "resume_tenant": "changed",
    "pause_export_type": "changed",
    "resume_export_type": "changed",
    "put_quotas": "changed",
    "offboard_user": "changed",
    "reinstate_user": "changed",
    "offboard_user_of": "changed",
    "reinstate_user_of": "changed",
    "revoke_links": "changed",
    "list_links": "listed",
    "revoke_link": "changed",
    "unsubscribe": "changed",
    "list_notifications": "listed",
    "read_notification": "seen",
    "preferences": "seen",
    "change_preferences": "changed",
    "create_webhook": "changed",
    "list_webhooks": "listed",
    "webhook": "seen",
    "change_webhook": "changed",
    "delete_webhook": "deleted",
    "rotate_webhook_secret": "changed",
    "ping_webhook": "changed",
    "webhook_deliveries": "listed",
    "redeliver": "changed",
    "create_schedule": "changed",
    "list_schedules": "listed",
    "schedule_status": "seen",
    "change_schedule": "changed",
    "delete_schedule": "deleted",
    "schedule_runs": "listed",
    "list_dead_letters": "listed",
    "dead_letter": "seen",
    "drop_dead_letter": "deleted",
    "redrive_dead_letter": "retried",
    "redrive_dead_letters": "retried",
    "list_holds": "listed",
    "hold_export": "changed",
    "release_export": "changed",
}
"""What each function does, in the words of ``shared/audit/log.py``; HEAD only looks, whatever the function."""

NOT_AUDITED = frozenset(
    {
        "export_types",
        "metrics_page",
        "health",
        "live",
        "link_page",
        "openapi_document",
        "docs_page",
        "docs_file",
        "elsewhere",
        "dev_token_for",
        "dev_users",
        "dev_outbox",
        "mail_previews",
        "mail_preview",
    }
)
"""Functions that show and change nobody's data."""

_LOOKS = frozenset({"seen", "listed"})
_LOOK_AGAIN_SECONDS = 3600
_REMEMBERED = 10_000
_MALFORMED = frozenset({400, 405, 413})


@dataclass
class Trail:
    """What is known of a call while it runs; ``refusal`` is why nobody is signed in, where somebody had to be.

    ``role_refused`` is the entry of a role that the caller claims and does not have. ``handed_out``: the call hands a
    file out, and is in the log already.
    """

    function: str
    request: func.HttpRequest
    request_id: str
    user: str = ""
    name: str = ""
    tenant: str = ""
    export_id: str = ""
    subject: str = ""
    refusal: str = ""
    role_refused: AuditEntry | None = None
    handed_out: bool = False


_trail: ContextVar[Trail | None] = ContextVar("trail", default=None)
_looks: OrderedDict[tuple[str, ...], float] = OrderedDict()


def begin(function: str, request: func.HttpRequest, request_id: str) -> Trail:
    """Follow a call from here on."""
    trail = Trail(function, request, request_id)
    _trail.set(trail)
    return trail


def called_by(caller: Caller) -> None:
    """Note who calls."""
    if trail := _trail.get():
        trail.user, trail.name, trail.tenant = caller.user, caller.name, caller.tenant
        if caller.not_operator_from:
            _role_refused(trail, f"{Role.SUPER_ADMIN} from {caller.not_operator_from}")


def not_signed_in(reason: str) -> None:
    """Note why nobody calls."""
    if trail := _trail.get():
        trail.refusal = reason


def about(tenant: str, export_id: str = "", subject: str = "", *, by: str = "") -> None:
    """Note whose data the call is about; ``by`` names those who call without being known."""
    if trail := _trail.get():
        trail.tenant, trail.export_id, trail.subject = tenant, export_id, subject
        if by and not trail.user:
            trail.user = trail.name = by


def hand_out(status: int) -> None:
    """Write down that the call hands a file out, before it does; ``status`` is what it will be answered with.

    Raises ``StorageUnavailable``: then there is no entry, and the file stays where it is.
    """
    trail = _trail.get()
    entry = entry_of(trail, status) if trail else None
    if trail is None or entry is None:
        raise RuntimeError("a file is handed out only by a call that is audited, to somebody who is known")
    services("request").audit.add(entry)
    trail.handed_out = True


def entry_of(trail: Trail, status: int) -> AuditEntry | None:
    """The entry of a call that was answered with this status; None when there is nothing to tell, or it was told.

    Somebody who polls is noted once an hour, by each worker. Nobody is noted who is not known, nor a request that makes
    no sense, nor one that we failed to answer: with storage away, there is nowhere to note it.
    """
    if trail.function in NOT_AUDITED or not trail.user or status in _MALFORMED or status >= 500:
        return None
    if trail.handed_out:
        return None
    entry = _entry(trail, "seen" if trail.request.method == "HEAD" else ACTIONS[trail.function], status)
    return None if entry.action in _LOOKS and _looked_before(entry) else entry


def _role_refused(trail: Trail, subject: str) -> None:
    """Note a role that does not count, as a look: once an hour, by each worker."""
    logger.warning("a role does not count: %s", subject, extra={"action": "role-refused"})
    entry = replace(_entry(trail, "role-refused", 403), subject=subject)
    trail.role_refused = None if _looked_before(entry) else entry


def _entry(trail: Trail, action: str, status: int) -> AuditEntry:
    return AuditEntry(
        tenant=trail.tenant,
        time=iso(utc_now()),
        action=action,
        status=status,
        user=trail.user,
        name=trail.name,
        address=address_of(trail.request.headers, settings().trusted_proxies),
        agent=trail.request.headers.get("user-agent", ""),
        request_id=trail.request_id,
        export_id=trail.export_id,
        subject=trail.subject,
    )


def write_down(entry: AuditEntry) -> None:
    """Add the entry of what was done to the log; one that cannot be written goes to the application's log."""
    try:
        services("request").audit.add(entry)
    except StorageUnavailable:
        logger.exception("not in the audit log: %s", entry, extra={"action": "audit-lost"})


def address_of(headers: Mapping[str, str], proxies: int) -> str:
    """The caller's address (``X-Forwarded-For``): the last entry, which the platform wrote itself; empty when unknown.

    ``proxies`` of ours stand before the platform, each of which added an entry. Whatever is further left, anybody can
    have sent.
    """
    entries = [entry.strip() for entry in headers.get("x-forwarded-for", "").split(",")]
    entry = entries[-1 - proxies] if len(entries) > proxies else ""
    for text in (entry, entry.rpartition(":")[0], entry.partition("]")[0].lstrip("[")):
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            continue
    return ""


def _looked_before(entry: AuditEntry) -> bool:
    now = from_iso(entry.time).timestamp()
    key = (entry.tenant, entry.user, entry.action, entry.export_id, entry.outcome, entry.address, entry.agent)
    before = _looks.get(key)
    if before is not None and now - before < _LOOK_AGAIN_SECONDS:
        return True
    _looks[key] = now
    _looks.move_to_end(key)
    while len(_looks) > _REMEMBERED:
        _looks.popitem(last=False)
    return False
