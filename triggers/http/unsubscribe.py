"""``/unsubscribe/{token}``: no more mails (RFC 8058). Looking changes nothing, and exports go on as before."""

from urllib.parse import parse_qs

import azure.functions as func

from shared.api.operations import Access, Answer
from shared.audit.recorder import about
from shared.errors import NotFound
from shared.notifications.links import is_token, signed_unsubscribe_ref
from shared.notifications.templates.pages import page, policy, preferred_locale
from shared.settings import settings
from triggers.http.endpoint import in_thread, request_services
from triggers.http.operation import operation
from triggers.http.pages import html_response
from triggers.http.parameters import TOKEN
from triggers.http.rate_limits import count_token

_ONE_CLICK = ("List-Unsubscribe", "One-Click")


@operation(
    "GET",
    "unsubscribe/{token}",
    summary="Open the unsubscribe page",
    description="Shows the page that a mail's List-Unsubscribe header leads a person to. It changes nothing.",
    access=Access.PUBLIC,
    audit=None,
    answers={
        200: Answer("A page with a button.", media_type="text/html"),
        404: Answer("A page that says so.", media_type="text/html"),
    },
    parameters=(TOKEN,),
    refuses=(429,),
    tag="mail",
)
async def unsubscribe_page(req: func.HttpRequest) -> func.HttpResponse:
    locale = preferred_locale(req.headers.get("Accept-Language", ""))
    if await _person(req) is None:
        return html_response(404, page("unsubscribe", {"step": "unknown"}, locale))
    return html_response(200, page("unsubscribe", {"step": "asked"}, locale), policy(forms=True))


@operation(
    "POST",
    "unsubscribe/{token}",
    summary="Unsubscribe from mails",
    description="Switches off mails about exports for one person, in one click as RFC 8058 defines it.",
    access=Access.PUBLIC,
    audit="changed",
    answers={
        200: Answer("A page.", media_type="text/html"),
        **{s: Answer("A page that says so.", media_type="text/html") for s in (400, 404)},
    },
    parameters=(TOKEN,),
    refuses=(429,),
    tag="mail",
    takes_forms=True,
)
async def unsubscribe(req: func.HttpRequest) -> func.HttpResponse:
    locale = preferred_locale(req.headers.get("Accept-Language", ""))
    person = await _person(req)
    if person is None:
        return html_response(404, page("unsubscribe", {"step": "unknown"}, locale))
    if not _is_one_click(req):
        return html_response(400, page("unsubscribe", {"step": "asked"}, locale), policy(forms=True))
    tenant, user = person
    about(tenant, subject=f"mails to {user} switched off", by="link")
    context = await request_services()
    await in_thread(context.preferences.switch_mail_off, tenant, user)
    return html_response(200, page("unsubscribe", {"step": "done"}, locale))


async def _person(req: func.HttpRequest) -> tuple[str, str] | None:
    """Whose mail the token of a request switches off; those of older releases are signed."""
    token = req.route_params["token"]
    if not is_token(token):
        try:
            return signed_unsubscribe_ref(token, settings())
        except NotFound:
            return None
    was_known = count_token(req)
    context = await request_services()
    known = await in_thread(context.links.unsubscribes, token)
    if known is not None:
        was_known()
    return known


def _is_one_click(req: func.HttpRequest) -> bool:
    """RFC 8058, section 3.2: the pair comes as a form, in either of its encodings."""
    name, value = _ONE_CLICK
    body = req.get_body()[:10_000].decode(errors="replace")
    if req.headers.get("Content-Type", "").lower().startswith("multipart/form-data"):
        return f'name="{name}"' in body and value in body
    return parse_qs(body.strip()).get(name) == [value]
