"""``/dev/mails``: every mail as it looks, in every language. Answers 404 outside dev mode."""

import azure.functions as func

from shared.api.operations import Access, Answer, Parameter
from shared.errors import FieldError, NotFound, ValidationFailed, unknown
from shared.notifications.templates.catalogues import LANGUAGES
from shared.notifications.templates.mails import SAMPLES, MailKind, words
from triggers.http.dev import dev_settings
from triggers.http.operation import operation
from triggers.http.pages import html_response
from triggers.http.parameters import one_of

_STYLED = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
"""Mails carry their style in their elements, as mail programs want it; this policy is for their previews alone."""


@operation(
    "GET",
    "dev/mails",
    summary="List mail previews",
    description="Lists every mail that the service can send. Available in development only.",
    access=Access.PUBLIC,
    audit=None,
    answers={200: Answer("The list of previews.", media_type="text/html")},
    tag="dev",
)
async def mail_previews(req: func.HttpRequest) -> func.HttpResponse:
    dev_settings()
    entries = "".join(
        f"<li>{kind}: {', '.join(_link(kind, language) for language in LANGUAGES)}</li>" for kind in SAMPLES
    )
    return html_response(200, f'<!doctype html><html lang="en"><title>Mails</title><h1>Mails</h1><ul>{entries}</ul>')


@operation(
    "GET",
    "dev/mails/{kind}",
    summary="Preview a mail",
    description="Renders one mail in one language. Available in development only.",
    access=Access.PUBLIC,
    audit=None,
    answers={200: Answer("The mail.", media_type="text/html")},
    parameters=(
        Parameter("kind", "What it tells.", one_of(tuple(SAMPLES)), required=True),
        Parameter("locale", "Its language.", one_of(LANGUAGES)),
    ),
    refuses=(404,),
    tag="dev",
)
async def mail_preview(req: func.HttpRequest) -> func.HttpResponse:
    dev_settings()
    kind = next((k for k in SAMPLES if k == req.route_params["kind"]), None)
    if kind is None:
        raise NotFound(unknown("mail", req.route_params["kind"][:40], tuple(SAMPLES)))
    language = req.params.get("locale", LANGUAGES[0])
    if language not in LANGUAGES:
        raise ValidationFailed([FieldError("locale", unknown("locale", language[:40], LANGUAGES))])
    return html_response(200, words(kind, SAMPLES[kind], language).html, _STYLED)


def _link(kind: MailKind, language: str) -> str:
    return f'<a href="mails/{kind}?locale={language}">{language}</a>'
