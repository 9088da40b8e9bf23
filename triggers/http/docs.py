"""``/openapi.json``, and ``/docs``, which renders it with Swagger UI, from files that we serve ourselves."""

import azure.functions as func

from shared.api.openapi import document
from shared.api.operations import Access, Answer, Parameter
from shared.catalog import tenancy
from shared.errors import NotFound
from shared.settings import settings
from triggers.http.endpoint import in_thread, json_response
from triggers.http.middleware import REVALIDATE
from triggers.http.operation import offered, operation
from triggers.http.parameters import one_of
from triggers.http.swagger_ui import FILES, HEADERS, PAGE, content


@operation(
    "GET",
    "openapi.json",
    summary="Get the OpenAPI document",
    description="Returns this document.",
    access=Access.PUBLIC,
    audit=None,
    answers={200: Answer("The OpenAPI document.", media_type="application/json")},
    tag="service",
)
async def openapi_document(req: func.HttpRequest) -> func.HttpResponse:
    current = settings()
    base_url = f"{current.public_url.rstrip('/')}/api"
    return json_response(
        await in_thread(document, offered(current), tenancy.offered(current), base_url),
        headers={"Cache-Control": REVALIDATE},
    )


@operation(
    "GET",
    "docs",
    summary="Open the API documentation",
    description="Renders this document for people.",
    access=Access.PUBLIC,
    audit=None,
    answers={200: Answer("The page.", media_type="text/html")},
    tag="service",
)
async def docs_page(req: func.HttpRequest) -> func.HttpResponse:
    headers = {**HEADERS, "Cache-Control": "no-cache"}
    return func.HttpResponse(PAGE, headers=headers, mimetype="text/html", charset="utf-8")


@operation(
    "GET",
    "docs/{file}",
    summary="Get a file of the API documentation",
    description="Returns a script or style sheet of the documentation page.",
    access=Access.PUBLIC,
    audit=None,
    answers={200: Answer("The file.", media_type=", ".join(sorted(set(FILES.values()))))},
    parameters=(Parameter("file", "Its name.", one_of(FILES), required=True),),
    refuses=(404,),
    tag="service",
)
async def docs_file(req: func.HttpRequest) -> func.HttpResponse:
    name = req.route_params["file"]
    if name not in FILES:
        raise NotFound("there is nothing here")
    found, tag = await in_thread(content, name)
    headers = {**HEADERS, "Cache-Control": "public, max-age=86400", "ETag": tag}
    if req.headers.get("if-none-match") == tag:
        return func.HttpResponse(status_code=304, headers=headers)
    return func.HttpResponse(found, headers=headers, mimetype=FILES[name], charset="utf-8")
