"""``/d``: where the button of a mail leads. The token stands behind the ``#``, which no browser sends.

The page is the same for everybody. Its script asks ``/link`` what the token is for, which changes nothing, and its
button asks ``/link/file`` for the file; both have the token in the body, where no host, proxy or telemetry records it.
"""

import azure.durable_functions as df
import azure.functions as func
from pydantic import Field

from shared.errors import StorageUnavailable
from shared.jobs.file_access import file_url
from shared.notifications.links import is_accepted
from shared.notifications.templates.pages import page, policy, preferred_locale
from shared.requests.export_request import Body, parse_body
from shared.services import Services
from triggers.http.endpoint import endpoint, json_response, request_services
from triggers.http.link_access import Found, Target, file_page, find, no_file_page
from triggers.http.pages import html_response

bp = df.Blueprint()


class LinkToken(Body):
    """The body of ``POST /link`` and ``POST /link/file``: what stands behind the ``#`` of the link in a mail."""

    token: str = Field(min_length=1, max_length=2_000)


@bp.route(route="d", methods=["GET", "HEAD"])
@endpoint
async def link_page(req: func.HttpRequest) -> func.HttpResponse:
    locale = preferred_locale(req.headers.get("Accept-Language", ""))
    return html_response(200, page("link", {}, locale), policy(script=True))


@bp.route(route="link", methods=["POST"])
@endpoint
async def look_up_link(req: func.HttpRequest) -> func.HttpResponse:
    found = await _find(req)
    if found.reason or found.record is None:
        return no_file_page(found, req)
    return file_page(found.record, by_form=False)


@bp.route(route="link/file", methods=["POST"])
@bp.durable_client_input(client_name="client")
@endpoint
async def link_file(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    found = await _find(req)
    if found.reason or found.record is None:
        return no_file_page(found, req)
    try:
        context = await request_services()
        url, expires = await file_url(found.record, context, client, status=200, who=found.who)
    except StorageUnavailable:
        return no_file_page(Found("busy"), req)
    return json_response({"url": url, "expiresAt": expires})


async def _find(req: func.HttpRequest) -> Found:
    token = parse_body(LinkToken, req.get_body(), '{"token": "..."}').token
    return await find(req, lambda context: _target(token, context))


def _target(token: str, context: Services) -> Target | None:
    link = context.links.find(token)
    if link is None or not is_accepted(link.key, context.settings):
        return None
    return Target(link.tenant, link.export_id, link.generation, link.id, bool(link.revoked_at))
