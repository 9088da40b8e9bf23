"""``/d``: where the button of a mail leads. The token stands behind the ``#``, which no browser sends.

The page is the same for everybody. Its script asks ``/link`` what the token is for, which changes nothing, and its
button asks ``/link/file`` for the file; both have the token in the body, where no host, proxy or telemetry records it.
"""

import asyncio

import azure.durable_functions as df
import azure.functions as func
from pydantic import Field

from shared.api import schemas
from shared.api.operations import Access, Answer
from shared.notifications.links import is_accepted, is_token
from shared.notifications.templates.pages import page, policy, preferred_locale
from shared.requests.export_request import Body, parse_body
from shared.services import Services
from triggers.http.endpoint import json_response
from triggers.http.link_access import Target, TargetOf, downloaded, shown
from triggers.http.operation import operation
from triggers.http.pages import html_response
from triggers.http.rate_limits import count_token


class LinkToken(Body):
    """The body of ``POST /link`` and ``POST /link/file``: what stands behind the ``#`` of the link in a mail."""

    token: str = Field(min_length=1, max_length=2_000, description="The token: what follows the # in the link.")


@operation(
    "GET",
    "d",
    summary="Open the page of a mail link",
    description=(
        "Returns the same page to everybody. Its script reads the token behind the `#`, which no browser sends."
    ),
    access=Access.PUBLIC,
    audit=None,
    answers={200: Answer("The page.", media_type="text/html")},
    tag="mail",
)
async def link_page(req: func.HttpRequest) -> func.HttpResponse:
    locale = preferred_locale(req.headers.get("Accept-Language", ""))
    return html_response(200, page("link", {}, locale), policy(script=True))


@operation(
    "POST",
    "link",
    summary="Look up a mail link",
    description="Returns the page that a link from a mail leads to. It changes nothing.",
    access=Access.PUBLIC,
    audit="seen",
    answers={
        200: Answer("A page with a button.", media_type="text/html"),
        **{s: Answer("A page that says so.", media_type="text/html") for s in (403, 404, 409, 410, 503)},
    },
    body=LinkToken,
    refuses=(429,),
    tag="mail",
)
async def look_up_link(req: func.HttpRequest) -> func.HttpResponse:
    return await shown(req, _target_of(req), by_form=False)


@operation(
    "POST",
    "link/file",
    summary="Download by a mail link",
    description="Returns a URL that reads the file for ten minutes. The download is recorded in the audit log first.",
    access=Access.PUBLIC,
    audit="downloaded",
    answers={
        200: Answer("The URL of the file.", schemas.DownloadUrl),
        **{s: Answer("A page that says so.", media_type="text/html") for s in (403, 404, 409, 410, 503)},
    },
    body=LinkToken,
    refuses=(429,),
    tag="mail",
)
async def link_file(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    return await downloaded(
        req, client, _target_of(req), 200, lambda url, expires: json_response({"url": url, "expiresAt": expires})
    )


def _target_of(req: func.HttpRequest) -> TargetOf:
    """Raises ``TooManyRequests`` for who has sent too many tokens that nobody knows."""
    token = parse_body(LinkToken, req.get_body(), '{"token": "..."}').token
    if not is_token(token):
        return lambda _: None
    was_known, loop = count_token(req), asyncio.get_running_loop()

    def target(context: Services) -> Target | None:
        found = _target(token, context)
        if found is not None:
            loop.call_soon_threadsafe(was_known)
        return found

    return target


def _target(token: str, context: Services) -> Target | None:
    link = context.links.find(token)
    if link is None or not is_accepted(link.key, context.settings):
        return None
    return Target(link.tenant, link.export_id, link.generation, link.id, bool(link.revoked_at))
