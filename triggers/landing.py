"""``/d/{token}``: where the link in a mail leads. Looking changes nothing; the button starts the download."""

from html import escape

import azure.durable_functions as df
import azure.functions as func

from shared.catalogue import export_type_named
from shared.errors import Conflict, Gone, NotFound, RequestError
from shared.links import landing_ref
from shared.records import ExportRecord, from_iso
from shared.services import Services
from shared.words import moment, size
from triggers.downloads import file_url, note_download
from triggers.http import endpoint, in_thread, request_services
from triggers.trail import about

bp = df.Blueprint()

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:1.1rem/1.5 sans-serif;max-width:36rem;margin:4rem auto;padding:0 1rem;overflow-wrap:anywhere}"
    "button{font:inherit;padding:.6em 1.2em;border:0;border-radius:4px;background:#0b57d0;color:#fff;cursor:pointer}"
)


@bp.route(route="d/{token}", methods=["GET", "HEAD"])
@endpoint
async def landing_page(req: func.HttpRequest) -> func.HttpResponse:
    context = await request_services()
    try:
        record = await in_thread(_record, req.route_params["token"], context)
        await in_thread(file_url, record, context)
    except (Conflict, Gone, NotFound) as error:
        return _page(error.status, error.title, f"<p>{escape(str(error))}</p>")
    title = export_type_named(record.export_type).title
    facts = f"{escape(record.file_name)}, {record.file_rows:,} rows, {size(record.file_bytes)}"
    until = moment(from_iso(record.expires_at))
    button = '<form method="post"><button autofocus>Download</button></form>'
    return _page(200, title, f"<p>{facts}</p>{button}<p>It can be downloaded until {until}.</p>")


@bp.route(route="d/{token}", methods=["POST"])
@bp.durable_client_input(client_name="client")
@endpoint
async def landing_download(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    context = await request_services()
    try:
        record = await in_thread(_record, req.route_params["token"], context)
        url, _ = await in_thread(file_url, record, context)
    except RequestError as error:
        return _page(error.status, error.title, f"<p>{escape(str(error))}</p>")
    await note_download(record, context, client, "Somebody with the link from the mail")
    return func.HttpResponse(status_code=303, headers={"Location": url, "Cache-Control": "no-store"})


def _record(token: str, context: Services) -> ExportRecord:
    ref = landing_ref(token, context.settings)
    record = context.records.get(ref.tenant, ref.export_id)
    if record is None:
        raise Gone("the export was deleted; ask for it again")
    about(record.tenant, record.id, by="link")
    return record


def _page(status: int, title: str, content: str) -> func.HttpResponse:
    text = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta name="robots" content="noindex"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f"<body><main><h1>{escape(title)}</h1>{content}</main></body></html>"
    )
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return func.HttpResponse(text, status_code=status, headers=headers, mimetype="text/html", charset="utf-8")
