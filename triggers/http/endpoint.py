"""What every HTTP endpoint has in common: the caller, JSON answers, and problem documents for whatever goes wrong."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any, TypeVar

import azure.functions as func

from shared.audit.failed_sign_ins import note_failed
from shared.audit.log import AuditEntry
from shared.audit.recorder import (
    address_of,
    begin,
    called_by,
    entry_of,
    further_entries,
    not_signed_in,
    write_down,
)
from shared.errors import (
    FieldError,
    IssuerUnavailable,
    MethodNotAllowed,
    NotAuthenticated,
    RequestError,
    SettingsError,
    SluiceError,
    SourceUnavailable,
    StorageUnavailable,
    TryLater,
    ValidationFailed,
)
from shared.identity.caller import Caller, caller_from, require_served
from shared.identity.presence import is_fresh, look
from shared.observability.logging import about, logger, note
from shared.observability.telemetry import span
from shared.services import Services, services
from shared.settings import settings
from shared.settings.access_rules import check_request
from triggers.http.cross_site import check_site
from triggers.http.middleware import finish, request_id
from triggers.http.query_params import is_id
from triggers.http.rate_limits import count_failed_sign_in, count_request

_services_are_made = threading.Event()
_caller: ContextVar[Caller | None] = ContextVar("caller", default=None)
"""Who makes the call that is being answered, once that was looked at."""

T = TypeVar("T")
Endpoint = Callable[..., Awaitable[func.HttpResponse]]


def endpoint(
    function: Endpoint, *, audit: str | None, needs_settings: bool = True, takes_forms: bool = False
) -> Endpoint:
    """Turn whatever an endpoint raises into a problem document (RFC 9457); nothing else leaves the service.

    ``audit`` is the action of its audit entry. With ``needs_settings`` nothing is answered but 503 where a setting is
    wrong, and in local development when the request is not local. Without ``takes_forms`` a page of another site cannot
    ask for a change.
    """

    @wraps(function)
    async def guarded(req: func.HttpRequest, **kwargs: Any) -> func.HttpResponse:
        identity = request_id(req.headers)
        with (
            about(request_id=identity, **_export_of(req)),
            span(function.__name__, req.headers.get("traceparent", ""), "SERVER") as current,
        ):
            trail = begin(audit, req, identity)
            _caller.set(None)
            answered = await answer(identity, lambda: permitted(req, **kwargs))
            if trail.refusal:
                answered = await answer(identity, lambda: refused(answered, req, trail.refusal, identity))
            elif entry := entry_of(trail, answered.status_code):
                answered = await answer(identity, lambda: audited(answered, entry))
            for further in further_entries(trail, answered.status_code):
                answered = await answer(identity, partial(audited, answered, further))
            if also := trail.role_refused:
                answered = await answer(identity, lambda: audited(answered, also))
            current.note(export_id=trail.export_id, tenant=trail.tenant, status=answered.status_code)
            return finish(req, answered, identity)

    async def permitted(req: func.HttpRequest, **kwargs: Any) -> func.HttpResponse:
        if not takes_forms:
            check_site(req)
        if needs_settings:
            check_request(lower_case(req.headers), settings())
        return await function(req=req, **kwargs)

    async def answer(identity: str, work: Callable[[], Awaitable[func.HttpResponse]]) -> func.HttpResponse:
        try:
            return await work()
        except RequestError as error:
            return problem_of(error)
        except StorageUnavailable as error:
            logger.warning("storage unavailable: %s", error, extra={"action": error.code}, exc_info=error)
            detail = "the storage account cannot be reached; nothing was changed; try again soon"
            return problem(503, "Storage is not available", detail, error.code, headers={"Retry-After": "10"})
        except SourceUnavailable as error:
            logger.warning("source unavailable: %s", error, extra={"action": error.code}, exc_info=error)
            detail = "the database cannot be reached; try again soon"
            return problem(503, "The database is not available", detail, error.code, headers={"Retry-After": "10"})
        except IssuerUnavailable as error:
            logger.warning("issuer unavailable: %s", error, extra={"action": error.code}, exc_info=error)
            detail = "your token cannot be checked, because the identity provider does not answer; try again soon"
            return problem(503, "Sign-in is not available", detail, error.code, headers={"Retry-After": "10"})
        except SettingsError as error:
            logger.error("settings: %s", error, extra={"action": error.code})
            return problem(503, "The service is not set up", str(error), error.code)
        except Exception as error:  # the last line: a traceback must not reach a caller
            logger.exception("unexpected error %s", identity, extra={"action": "unexpected-error"})
            code = error.code if isinstance(error, SluiceError) else "internal-error"
            return problem(500, "Something went wrong here", f"the operators find it in the log under {identity}", code)

    return guarded


def _export_of(req: func.HttpRequest) -> dict[str, str]:
    given = req.route_params.get("id", "")
    return {"export_id": given} if is_id(given) else {}


async def audited(answered: func.HttpResponse, entry: AuditEntry) -> func.HttpResponse:
    """The answer, once what was done is in the audit log."""
    await in_thread(write_down, entry)
    return answered


async def refused(answered: func.HttpResponse, req: func.HttpRequest, reason: str, identity: str) -> func.HttpResponse:
    """The answer to somebody who is not signed in, once that is noted."""
    await note_failed(req, reason, identity)
    return answered


def problem_of(error: RequestError) -> func.HttpResponse:
    """The problem document of what the caller can mend."""
    errors = _entries(error) if isinstance(error, ValidationFailed) else ()
    return problem(error.status, error.title, str(error), error.code, errors=errors, headers=_headers_of(error))


def _entries(failed: ValidationFailed) -> Sequence[FieldError]:
    """The wrong fields that an answer names; the last entry says how many there are beside them."""
    return (*failed.errors, FieldError("", failed.rest)) if failed.more else failed.errors


def _headers_of(error: RequestError) -> dict[str, str]:
    if isinstance(error, TryLater):
        return {"Retry-After": str(error.retry_after)}
    if isinstance(error, MethodNotAllowed):
        return {"Allow": ", ".join(error.allowed)}
    return {}


def problem(
    status: int,
    title: str,
    detail: str,
    code: str,
    *,
    errors: Any = (),
    headers: Mapping[str, str] | None = None,
) -> func.HttpResponse:
    """A problem document (RFC 9457). ``errors`` is a sequence of ``FieldError``."""
    body: dict[str, Any] = {
        "type": f"urn:sluice:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
    }
    if errors:
        body["errors"] = [{"field": e.field, "message": e.message} for e in errors]
    extra = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return json_response(body, status, {**extra, **(headers or {})}, "application/problem+json")


def json_response(
    body: Any, status: int = 200, headers: Mapping[str, str] | None = None, media_type: str = "application/json"
) -> func.HttpResponse:
    """A JSON answer that no cache keeps. What UTF-8 cannot hold (``writable``) is a question mark there."""
    data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    return func.HttpResponse(
        data, status_code=status, headers={"Cache-Control": "no-store", **(headers or {})}, mimetype=media_type
    )


async def caller_of(request: func.HttpRequest) -> Caller:
    """Who calls; looked at once in a call.

    Raises ``NotAuthenticated``, ``IssuerUnavailable``, ``TooManyRequests``, ``StorageUnavailable``, and ``NotAllowed``
    for people who were offboarded, and for a tenant that is not served here.
    """
    if known := _caller.get():
        return known
    current = settings()
    headers = lower_case(request.headers)
    try:
        if current.auth_mode == "jwt":  # may have to fetch the issuer's keys
            caller = await in_thread(caller_from, headers, current)
        else:
            caller = caller_from(headers, current)
    except NotAuthenticated as error:
        not_signed_in(error.reason)
        count_failed_sign_in(address_of(request.headers, current.trusted_proxies))
        raise
    note(tenant=caller.tenant)
    count_request(caller)  # before the audit log knows of it: what is refused is not written down one by one
    called_by(caller)
    require_served(caller.tenant, current)
    if not is_fresh(caller):
        await in_thread(look, caller, await request_services())
    _caller.set(caller)
    return caller


def lower_case(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers by their names in lower case."""
    return {name.lower(): value for name, value in headers.items()}


async def in_thread(work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Do blocking work beside the event loop."""
    return await asyncio.to_thread(work, *args, **kwargs)


async def request_services() -> Services:
    """The services, with the patience of somebody who waits for an answer; the first call makes the tables."""
    if not _services_are_made.is_set():
        await in_thread(services, "request")
        _services_are_made.set()
    return services("request")
