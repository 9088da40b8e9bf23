"""``/webhooks``: where the tenant's events go. For its Admins."""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

import azure.functions as func
from pydantic import Field

from shared.api import schemas
from shared.api.operations import Access, Answer
from shared.audit.recorder import about
from shared.errors import Conflict, FieldError, NotFound, OverTheLimit, ValidationFailed, unknown
from shared.events.outbox import EventType
from shared.identity.caller import Caller
from shared.requests.export_request import Body, parse_body
from shared.services import Services
from shared.settings import Settings
from shared.timestamps import from_iso, iso, utc_now
from shared.webhooks.addresses import AddressRefused, Rules, system_resolve
from shared.webhooks.endpoints import SECRETS_AT_ONCE, Endpoint, new_endpoint_id
from shared.webhooks.payload import SUBSCRIBED
from shared.webhooks.signing import new_secret
from triggers.http.endpoint import caller_of, in_thread, json_response, request_services
from triggers.http.operation import operation
from triggers.http.parameters import LOCATION, WEBHOOK_ID, WEBHOOK_LINKS
from triggers.http.query_params import is_id

_MISSING = "there is no webhook of this id that you may see"

Url = Annotated[str, Field(max_length=2000, json_schema_extra={"format": "uri", "pattern": "^https?://[^ #@]+$"})]
Events = Annotated[
    tuple[str, ...],
    Field(
        min_length=1,
        max_length=100,
        json_schema_extra={"items": {"type": "string", "enum": [str(e) for e in SUBSCRIBED]}},
    ),
]
Description = Annotated[str, Field(max_length=200)]


class WebhookRequest(Body):
    """The body of ``POST /webhooks``: where events go (https, port 443 or 8443), which, and what for."""

    url: Url = Field(description="The address to which events are sent: https, port 443 or 8443.")
    events: Events = Field(default=SUBSCRIBED, description="The events that are sent.")
    description: Description = Field(default="", description="What the webhook is for.")
    enabled: bool = Field(default=True, description="Whether events are sent.")


class WebhookChange(Body):
    """The body of ``PATCH /webhooks/{id}``: what is null or left out stays as it is."""

    url: Url | None = Field(default=None, description="The address to which events are sent: https, port 443 or 8443.")
    events: Events | None = Field(default=None, description="The events that are sent.")
    description: Description | None = Field(default=None, description="What the webhook is for.")
    enabled: bool | None = Field(
        default=None, description="Whether events are sent; true also resumes a webhook that Sluice disabled."
    )


@operation(
    "POST",
    "webhooks",
    summary="Create a webhook",
    description=(
        "Registers a URL that receives the tenant's events. The signing secret is returned only here and "
        "after a rotation."
    ),
    access=Access.ADMIN,
    audit="changed",
    answers={
        201: Answer("The webhook with its secret.", schemas.WebhookWithSecret, headers=LOCATION, links=WEBHOOK_LINKS)
    },
    body=WebhookRequest,
    refuses=(422,),
    tag="webhooks",
)
async def create_webhook(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    wanted = parse_body(WebhookRequest, req.get_body(), _EXAMPLE)
    context = await request_services()
    url = await _checked(wanted.url, wanted.events, context.webhook_rules)
    now, secret = utc_now(), new_secret()
    made = Endpoint(
        tenant=caller.tenant,
        id=new_endpoint_id(),
        url=url,
        events=_sorted(wanted.events),
        created_by=caller.user,
        created_at=iso(now),
        secrets=(),
        owner=caller.to_json(),
        description=wanted.description,
    )
    about(made.tenant, subject=f"webhook {made.id} to {_host(url)}")
    made = made.rotated(context.sealer.seal(secret, made.place), now, timedelta(0))
    if not wanted.enabled:
        made = _switched_off(made, caller, now)
    limit = context.settings.max_webhooks_per_tenant
    if not await in_thread(context.endpoints.create, made, limit):
        raise OverTheLimit(f"your organisation has {limit:,} webhooks, which is the limit; remove one first")
    return json_response(with_secret(made, secret, now), 201, {"Location": _place(made, context.settings)})


@operation(
    "GET",
    "webhooks",
    summary="List webhooks",
    description="Lists the webhooks of the tenant.",
    access=Access.ADMIN,
    audit="listed",
    answers={200: Answer("The webhooks.", schemas.Webhooks)},
    tag="webhooks",
)
async def list_webhooks(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    found = await in_thread(context.endpoints.of_tenant, caller.tenant)
    return json_response({"items": [resource(one, utc_now()) for one in found]})


@operation(
    "GET",
    "webhooks/{id}",
    summary="Get a webhook",
    description="Returns one webhook with its state.",
    access=Access.ADMIN,
    audit="seen",
    answers={200: Answer("The webhook.", schemas.Webhook)},
    parameters=(WEBHOOK_ID,),
    tag="webhooks",
)
async def webhook(req: func.HttpRequest) -> func.HttpResponse:
    found, _, _ = await visible_endpoint(req)
    return json_response(resource(found, utc_now()))


@operation(
    "PATCH",
    "webhooks/{id}",
    summary="Change a webhook",
    description="Changes, disables or enables a webhook. Omitted fields keep their values.",
    access=Access.ADMIN,
    audit="changed",
    answers={200: Answer("The changed webhook.", schemas.Webhook)},
    parameters=(WEBHOOK_ID,),
    body=WebhookChange,
    tag="webhooks",
)
async def change_webhook(req: func.HttpRequest) -> func.HttpResponse:
    found, caller, context = await visible_endpoint(req)
    wanted = parse_body(WebhookChange, req.get_body(), '{"enabled": true}')
    about(found.tenant, subject=f"webhook {found.id}: {_told(wanted)}")
    url = await _checked(wanted.url, wanted.events, context.webhook_rules)
    now = utc_now()

    def how(present: Endpoint) -> Endpoint:
        if url and url != present.url:
            present = replace(present, url=url, failing_since="")
        if wanted.events is not None:
            present = replace(present, events=_sorted(wanted.events))
        if wanted.description is not None:
            present = replace(present, description=wanted.description)
        if wanted.enabled is False:
            return _switched_off(present, caller, now)
        return present.enabled_again() if wanted.enabled and not present.enabled else present

    return json_response(resource(await _changed(found, how, context), now))


@operation(
    "DELETE",
    "webhooks/{id}",
    summary="Delete a webhook",
    description="Removes a webhook and its deliveries.",
    access=Access.ADMIN,
    audit="deleted",
    answers={204: Answer("The webhook was deleted.")},
    parameters=(WEBHOOK_ID,),
    tag="webhooks",
)
async def delete_webhook(req: func.HttpRequest) -> func.HttpResponse:
    found, _, context = await visible_endpoint(req)
    now = iso(utc_now())
    with suppress(NotFound):  # somebody else was faster
        await _changed(found, lambda e: replace(e, deleted_at=now, secrets=()), context)
    return func.HttpResponse(status_code=204)


@operation(
    "POST",
    "webhooks/{id}/rotate",
    summary="Rotate the secret of a webhook",
    description="Creates a new signing secret. The previous one stays valid for WEBHOOK_SECRET_OVERLAP_SECONDS.",
    access=Access.ADMIN,
    audit="changed",
    answers={200: Answer("The webhook with its new secret.", schemas.WebhookWithSecret)},
    parameters=(WEBHOOK_ID,),
    refuses=(409,),
    tag="webhooks",
)
async def rotate_webhook_secret(req: func.HttpRequest) -> func.HttpResponse:
    found, _, context = await visible_endpoint(req)
    about(found.tenant, subject=f"webhook {found.id}: new secret")
    now, secret = utc_now(), new_secret()
    sealed = context.sealer.seal(secret, found.place)
    overlap = timedelta(seconds=context.settings.webhook_secret_overlap_seconds)

    def how(present: Endpoint) -> Endpoint:
        if len(present.signing(now)) >= SECRETS_AT_ONCE:
            next_end = min(s.expires_at for s in present.secrets if s.expires_at and now < from_iso(s.expires_at))
            raise Conflict(f"{SECRETS_AT_ONCE} secrets are good at present, which is the limit; wait until {next_end}")
        return present.rotated(sealed, now, overlap)

    return json_response(with_secret(await _changed(found, how, context), secret, now))


async def visible_endpoint(req: func.HttpRequest) -> tuple[Endpoint, Caller, Services]:
    """The webhook that a request names, who asks, and the services.

    A foreign id and a missing one raise the same ``NotFound``; who is no Admin gets ``NotAllowed`` for either.
    """
    caller = await caller_of(req)
    endpoint_id = req.route_params["id"]
    if not is_id(endpoint_id):
        raise NotFound(_MISSING)
    context = await request_services()
    if caller.all_tenants:
        found = await in_thread(context.endpoints.find, endpoint_id)
    else:
        found = await in_thread(context.endpoints.get, caller.tenant, endpoint_id)
    if found is None:
        raise NotFound(_MISSING)
    about(found.tenant, subject=f"webhook {found.id}")
    return found, caller, context


def resource(endpoint: Endpoint, now: datetime) -> dict[str, Any]:
    """A webhook as the API shows it."""
    before = [s.expires_at for s in endpoint.secrets if s.expires_at and now < from_iso(s.expires_at)]
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "events": list(endpoint.events),
        "description": endpoint.description,
        "enabled": endpoint.enabled,
        "disabledAt": endpoint.disabled_at or None,
        "disabledReason": endpoint.disabled_reason or None,
        "failingSince": endpoint.failing_since or None,
        "previousSecretExpiresAt": max(before, default=None),
        "createdBy": endpoint.created_by,
        "createdAt": endpoint.created_at,
    }


def with_secret(endpoint: Endpoint, secret: str, now: datetime) -> dict[str, Any]:
    """The same, with the secret that is new: the only time that it leaves the service."""
    return {**resource(endpoint, now), "secret": secret}


_EXAMPLE = '{"url": "https://hooks.example.com/sluice"}'


async def _changed(found: Endpoint, how: Any, context: Services) -> Endpoint:
    changed = await in_thread(context.endpoints.change, found, how)
    if changed is None:
        raise NotFound(_MISSING)
    return changed


async def _checked(url: str | None, events: tuple[str, ...] | None, rules: Rules) -> str:
    """The canonical URL, when webhooks may go there. Raises ``ValidationFailed`` for whatever is wrong."""
    errors = [
        FieldError(f"events.{position}", unknown("event", name, SUBSCRIBED))
        for position, name in enumerate(events or ())
        if name not in SUBSCRIBED
    ]
    found = ""
    if url is not None:
        try:
            target = rules.target(url)
            await rules.addresses(target, system_resolve)
            found = target.url
        except AddressRefused as refused:
            errors.append(FieldError("url", str(refused)))
    if errors:
        raise ValidationFailed(errors)
    return found


def _told(wanted: WebhookChange) -> str:
    """What is to change, for the audit log; of an address the host alone, for the rest may be a secret."""
    given = wanted.model_dump(exclude_none=True)
    said = {name: str(value).lower() for name, value in given.items() if name == "enabled"}
    if wanted.url:
        said["url"] = _host(wanted.url)
    return ", ".join(f"{name} {said[name]}" if name in said else name for name in given) or "nothing"


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _sorted(events: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(event) for event in EventType if event in events)


def _switched_off(endpoint: Endpoint, caller: Caller, now: datetime) -> Endpoint:
    return endpoint.disabled(now, f"switched off by {caller.name}")


def _place(endpoint: Endpoint, settings: Settings) -> str:
    return f"{settings.public_url.rstrip('/')}/api/webhooks/{endpoint.id}"
