"""What a schema cannot say, for schemathesis: which values go together, and which are the caller's."""

import os
from typing import Any
from urllib.parse import urlencode

import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, HookContext

from exports import EXPORT_TYPES
from shared.catalog.export_types import SqlExport

COMPANIES, SCOPES = os.environ["OWN_COMPANIES"].split(","), os.environ["OWN_SCOPES"].split(",")

DATED = {t.name for t in EXPORT_TYPES if isinstance(t, SqlExport) and t.date_sql}

_LONGEST_QUERY = 7_000


@schemathesis.hook
def before_load_schema(context: HookContext, raw_schema: dict[str, Any]) -> None:
    """Formats of our own stand under ``x-format``, for generators of clients warn of formats that they do not know."""
    name_formats(raw_schema)


def name_formats(node: Any) -> None:
    """Make ``x-format`` the ``format`` by which values are made, everywhere below ``node``."""
    if isinstance(node, list):
        for one in node:
            name_formats(one)
    elif isinstance(node, dict):
        if "x-format" in node:
            node["format"] = node.pop("x-format")
        for one in node.values():
            name_formats(one)


schemathesis.openapi.format("cron", st.sampled_from(["0 6 * * *", "*/15 * * * 1-5", "30 2 1 jan-mar *"]))
schemathesis.openapi.format("iana-time-zone", st.sampled_from(["UTC", "Europe/Paris", "America/New_York"]))


@schemathesis.hook
def filter_case(context: HookContext, case: Case) -> bool:
    """Servers refuse a longer line before an app sees it."""
    return len(urlencode(case.query or {}, doseq=True)) < _LONGEST_QUERY


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Mend what is meant to be right."""
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    if isinstance(case.body, dict) and "exportType" in case.body:
        mend(case.body)
    if isinstance(case.body, dict) and case.path.startswith("/webhooks"):
        mend_webhook(case.body)
    if isinstance(case.body, dict) and isinstance(request := case.body.get("request"), dict):
        mend(request)
        if request.get("exportType") != "sessions":  # the others have no watermark
            case.body.pop("incremental" if case.method == "POST" else "request", None)
        if case.body.get("incremental") or request.get("exportType") not in DATED:
            case.body.pop("period", None)
        if case.body.get("period"):
            request.pop("dateRange", None)
    if case.method == "PATCH" and isinstance(case.body, dict):  # who knows what the schedule asks for
        case.body.pop("period", None)


def mend_webhook(body: dict[str, Any]) -> None:
    """The local origin, for no name of chance can be resolved; disabled, so that nothing is sent."""
    if body.get("url"):
        body["url"] = "http://127.0.0.1:9/hook"
    body["enabled"] = False


def mend(body: dict[str, Any]) -> None:
    """Companies and scopes of the caller, a range from before to after, a decimal of up to 38 digits."""
    for name, own in (("companyIds", COMPANIES), ("operationalScopeIds", SCOPES)):
        if body.get(name):
            body[name] = own[: len(body[name])]
    days = body.get("dateRange", {})
    if days.get("from") and days.get("to"):
        days["from"], days["to"] = sorted((days["from"], days["to"]))
    for day in ("from", "to"):
        if days.get(day) and not "1900" < days[day] < "9000":
            days[day] = None
    amount = body.get("filters", {}).get("minAmount")
    if isinstance(amount, float):
        body["filters"]["minAmount"] = round(amount % 1_000_000, 2)
    options = body.get("formatOptions", {})
    options.pop("nullText", None)
    if options.get("decimalSeparator", "point") != "point":
        options.pop("delimiter", None)
