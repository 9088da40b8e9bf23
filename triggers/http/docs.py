"""``/openapi.json``, and ``/docs``, which renders it with Swagger UI, from files that we serve ourselves."""

import azure.durable_functions as df
import azure.functions as func

from shared.api.openapi import document
from shared.catalog import tenancy
from shared.errors import NotFound
from shared.settings import settings
from triggers.http.endpoint import endpoint, in_thread, json_response
from triggers.http.middleware import REVALIDATE
from triggers.http.operations_table import offered
from triggers.http.swagger_ui import FILES, HEADERS, PAGE, content

bp = df.Blueprint()


@bp.route(route="openapi.json", methods=["GET", "HEAD"])
@endpoint
async def openapi_document(req: func.HttpRequest) -> func.HttpResponse:
    current = settings()
    base_url = f"{current.public_url.rstrip('/')}/api"
    return json_response(
        await in_thread(document, offered(current), tenancy.offered(current), base_url),
        headers={"Cache-Control": REVALIDATE},
    )


@bp.route(route="docs", methods=["GET", "HEAD"])
@endpoint
async def docs_page(req: func.HttpRequest) -> func.HttpResponse:
    headers = {**HEADERS, "Cache-Control": "no-cache"}
    return func.HttpResponse(PAGE, headers=headers, mimetype="text/html", charset="utf-8")


@bp.route(route="docs/{file}", methods=["GET", "HEAD"])
@endpoint
async def docs_file(req: func.HttpRequest) -> func.HttpResponse:
    name = req.route_params["file"]
    if name not in FILES:
        raise NotFound("there is nothing here")
    found, tag = await in_thread(content, name)
    headers = {**HEADERS, "Cache-Control": "public, max-age=86400", "ETag": tag}
    if req.headers.get("if-none-match") == tag:
        return func.HttpResponse(status_code=304, headers=headers)
    return func.HttpResponse(found, headers=headers, mimetype=FILES[name], charset="utf-8")
