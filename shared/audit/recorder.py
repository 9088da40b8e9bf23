"""The audit recorder: one entry for what a call did, written where every call passes (``triggers/http/endpoint.py``).

A call's function says nothing of it, but whose data it is about (``about``): the caller, the address, and how it ended
are known here.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

import azure.functions as func

from shared.audit.log import AuditEntry
from shared.catalog.export_types import Role
from shared.errors import StorageUnavailable
from shared.identity.caller import Caller
from shared.observability.logging import logger
from shared.services import services
from shared.settings import settings
from shared.timestamps import from_iso, iso, utc_now

_LOOKS = frozenset({"seen", "listed"})
_LOOK_AGAIN_SECONDS = 3600
_REMEMBERED = 10_000
_REFUSED_ONE_BY_ONE = 100
"""Of a person, in an hour; of further ones the 200th, 400th, 800th and so on."""

_MALFORMED = frozenset({400, 405, 413})


@dataclass
class Trail:
    """What is known of a call while it runs; ``refusal`` is why nobody is signed in, where somebody had to be.

    ``audit`` is the action that the operation declares, None where nothing is to be written down. ``asked_for`` is the
    subject of a call that does not say by itself what it is about. ``others``: tenant, export and subject of further
    things that it was about. ``role_refused`` is the entry of a role that the caller claims and does not have.
    ``handed_out``: the call hands a file out, and is in the log already. ``owner_checked``: it was looked whether what
    is asked for belongs to the caller.
    """

    audit: str | None
    request: func.HttpRequest
    request_id: str
    operation: str = ""
    asked_for: str = ""
    user: str = ""
    name: str = ""
    tenant: str = ""
    export_id: str = ""
    subject: str = ""
    named: bool = False
    others: list[tuple[str, str, str]] = field(default_factory=list)
    refusal: str = ""
    role_refused: AuditEntry | None = None
    handed_out: bool = False
    owner_checked: bool = False


_trail: ContextVar[Trail | None] = ContextVar("trail", default=None)
_looks: OrderedDict[tuple[str, ...], float] = OrderedDict()
_refused: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()


def begin(audit: str | None, request: func.HttpRequest, request_id: str) -> Trail:
    """Follow a call from here on."""
    trail = Trail(audit, request, request_id)
    _trail.set(trail)
    return trail


def called_by(caller: Caller) -> None:
    """Note who calls."""
    if trail := _trail.get():
        trail.user, trail.name, trail.tenant = caller.user, caller.name, caller.tenant
        if caller.not_operator_from:
            _role_refused(trail, f"{Role.SUPER_ADMIN} from {caller.not_operator_from}")


def owner_checked() -> None:
    """Note that it was looked whether what is asked for belongs to the caller."""
    if trail := _trail.get():
        trail.owner_checked = True


def owner_was_checked() -> bool:
    """Whether the call has noted that."""
    trail = _trail.get()
    return trail is not None and trail.owner_checked


def not_signed_in(reason: str) -> None:
    """Note why nobody calls."""
    if trail := _trail.get():
        trail.refusal = reason


def about(tenant: str, export_id: str = "", subject: str = "", *, by: str = "") -> None:
    """Note whose data the call is about; ``by`` names those who call without being known."""
    if trail := _trail.get():
        trail.tenant, trail.export_id, trail.subject = tenant, export_id, subject
        trail.named = trail.named or bool(export_id or subject)
        if by and not trail.user:
            trail.user = trail.name = by


def also_about(tenant: str, export_id: str, subject: str) -> None:
    """Note one of many things that the call did, which has an entry of its own, in its tenant."""
    if trail := _trail.get():
        trail.others.append((tenant, export_id, subject))


def asks_for(operation: str, what: str) -> None:
    """Note which operation is called, and what its address names."""
    if trail := _trail.get():
        trail.operation, trail.asked_for = operation, what


def was_named() -> bool:
    """Whether the call has said what it is about."""
    trail = _trail.get()
    return trail is not None and trail.named


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

    Somebody who polls is noted once an hour, by each worker, whatever program they say they use; and who is refused
    again and again is not noted each time. Nobody is noted who is not known, nor a request that makes
    no sense, nor one that we failed to answer: with storage away, there is nowhere to note it.
    """
    if trail.audit is None or not trail.user or status in _MALFORMED or status >= 500:
        return None
    if trail.handed_out:
        return None
    entry = _entry(trail, "seen" if trail.request.method == "HEAD" else trail.audit, status)
    if entry.action in _LOOKS and _looked_before(trail.operation, entry):
        return None
    return _bounded(entry) if entry.outcome == "refused" else entry


def further_entries(trail: Trail, status: int) -> list[AuditEntry]:
    """The entries of the many things that a call did (``also_about``)."""
    if trail.audit is None or not trail.others:
        return []
    whole = _entry(trail, trail.audit, status)
    return [replace(whole, tenant=t, export_id=export_id, subject=subject) for t, export_id, subject in trail.others]


def _role_refused(trail: Trail, subject: str) -> None:
    """Note a role that does not count, as a look: once an hour, by each worker."""
    logger.warning("a role does not count: %s", subject, extra={"action": "role-refused"})
    entry = replace(_entry(trail, "role-refused", 403), subject=subject)
    trail.role_refused = None if _looked_before("", entry) else entry


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
        subject=trail.subject or ("" if trail.export_id else trail.asked_for),
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


def network_of(address: str) -> str:
    """What one client may have all of: the address, or of IPv6 its network of 64 bits; empty for what is neither."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return ""
    return str(ipaddress.ip_network((known, 64), strict=False)) if known.version == 6 else address


def _looked_before(operation: str, entry: AuditEntry) -> bool:
    now = from_iso(entry.time).timestamp()
    what = (operation, entry.action, entry.export_id, entry.subject, entry.outcome)
    key = (entry.tenant, entry.user, *what, network_of(entry.address))
    before = _looks.get(key)
    if before is not None and now - before < _LOOK_AGAIN_SECONDS:
        return True
    _looks[key] = now
    _looks.move_to_end(key)
    while len(_looks) > _REMEMBERED:
        _looks.popitem(last=False)
    return False


def _bounded(entry: AuditEntry) -> AuditEntry | None:
    """The entry of a refusal, unless the person was refused very often within the hour: nobody can fill the log."""
    now, key = from_iso(entry.time).timestamp(), (entry.tenant, entry.user)
    began, count = _refused.get(key, (now, 0))
    began, count = (now, 1) if now - began >= _LOOK_AGAIN_SECONDS else (began, count + 1)
    _refused[key] = began, count
    _refused.move_to_end(key)
    while len(_refused) > _REMEMBERED:
        _refused.popitem(last=False)
    if count <= _REFUSED_ONE_BY_ONE:
        return entry
    times, rest = divmod(count, _REFUSED_ONE_BY_ONE)
    if rest or times & (times - 1):
        return None
    return replace(entry, subject=f"refused {count:,} times within the hour, of which few are here; {entry.subject}")
