"""``/ops/metrics``: the numbers of the whole service for Prometheus, for those who run it."""

import azure.functions as func

from shared.api.operations import Access, Answer
from shared.observability import metrics, prometheus
from shared.services import Services
from shared.timestamps import utc_now
from triggers.http.endpoint import in_thread, request_services
from triggers.http.operation import operation


@operation(
    "GET",
    "ops/metrics",
    summary="Get metrics",
    description="Returns the metrics of the service in the Prometheus text format.",
    access=Access.OPERATOR,
    audit=None,
    answers={200: Answer("The metrics.", media_type="text/plain")},
    tag="admin",
)
async def metrics_page(req: func.HttpRequest) -> func.HttpResponse:
    context = await request_services()
    page = await in_thread(scrape, context)
    return func.HttpResponse(page, headers={"Cache-Control": "no-store"}, mimetype="text/plain", charset="utf-8")


def scrape(context: Services) -> bytes:
    """What all processes have counted until two seconds ago, and what runs now. Raises ``StorageUnavailable``."""
    metrics.save()
    now = utc_now()
    live = list(context.usage.live())
    oldest = max(((now - export.since).total_seconds() for export in live), default=0.0)
    gauges = {
        "sluice_exports_running": ("Exports that have begun and not ended.", float(len(live))),
        "sluice_tenants_running": ("Tenants that have exports running.", float(len({e.tenant for e in live}))),
        "sluice_oldest_running_seconds": ("Since the oldest of the running exports began.", oldest),
    }
    return prometheus.text(context.counts.total(), gauges)
