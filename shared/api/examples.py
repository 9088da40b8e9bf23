"""Examples of bodies and answers, put together from one value for each field."""

from collections.abc import Iterable, Mapping
from typing import Any

_ID = "2026013106000000-5b0c8e1f9d"
_API = "https://exports.example/api"
_EXPORT = f"{_API}/exports/{_ID}"
_REQUEST = {"exportType": "sessions", "format": "xlsx", "filters": {"status": ["active"]}}

_VALUES: Mapping[str, Any] = {
    "ExportRequest": _REQUEST,
    "StoredRequest": _REQUEST,
    "Problem": {
        "type": "urn:sluice:problem:validation-failed",
        "title": "Validation failed",
        "status": 400,
        "detail": "format: unknown format 'cvs'; did you mean 'csv'?",
        "errors": [{"field": "format", "message": "unknown format 'cvs'; did you mean 'csv'?"}],
    },
    "Health": {"status": "ok", "version": "0.1.0"},
    "ExportAccepted": {
        "id": _ID,
        "status": "Pending",
        "links": {
            "self": _EXPORT,
            "download": f"{_EXPORT}/download",
            "cancel": f"{_EXPORT}/cancel",
            "logs": f"{_EXPORT}/logs",
        },
    },
    "Progress": {"percent": 100, "rows": 2738, "totalRows": 2738, "parts": 3, "totalParts": 3, "etaSeconds": 0},
    "Export.phase": None,
    "Export.error": None,
    "Operation.error": None,
    "Export.status": "Completed",
    "Operation.status": "Succeeded",
    "HeldExport.status": "Completed",
    "Hold.status": "Completed",
    "RunningExport.status": "Processing",
    "RunningExport.phase": "exporting",
    "Workflow.instance": f"{_ID}-1",
    "Workflow.runtimeStatus": "Completed",
    "Notify": {"email": True, "graceSeconds": 300},
    "DateRange": {"from": "2026-01-01", "to": "2026-01-31"},
    "RunWindow": {"from": "2026-01-30T05:00:00Z", "to": "2026-01-31T05:00:00Z"},
    "Hold.reason": "case 2026-118",
    "HoldRequest.reason": "case 2026-118",
    "HeldExport.reason": "case 2026-118",
    "Pause.reason": "maintenance of the database until 18:00",
    "PauseState.reason": "maintenance of the database until 18:00",
    "PauseState.name": "acme",
    "RefusedRedrive.reason": "the export type is gone",
    "ExportTypeEntry.name": "sessions",
    "ExportTypeEntry.title": "Sessions",
    "ExportTypeEntry.summary": "Who signed in, from when to when.",
    "ExportTypeEntry.dateRange": True,
    "FormatEntry": {
        "name": "csv",
        "title": "CSV",
        "extension": "csv",
        "compressions": ["none", "gzip", "zip"],
        "maxRows": None,
    },
    "ColumnEntry": {"name": "startedAt", "title": "Started at", "type": "timestamp"},
    "FilterEntry": {
        "name": "status",
        "type": "text",
        "many": True,
        "choices": ["active", "expired"],
        "summary": "The state of the session.",
    },
    "Limits": {"maxRows": 5_000_000, "maxBytes": None},
    "Schedule.name": "Sessions of yesterday",
    "ScheduleRequest.name": "Sessions of yesterday",
    "ScheduleRequest": {
        "name": "Sessions of yesterday",
        "cron": "0 6 * * 1-5",
        "timeZone": "Europe/Paris",
        "request": _REQUEST,
        "period": "yesterday",
    },
    "ScheduleChanges": {"cron": "30 6 * * 1-5", "paused": False},
    "Schedule.summary": "At 06:00 from Monday to Friday",
    "Schedule.incremental": False,
    "Schedule.stopReason": None,
    "ScheduleRun.outcome": "Completed",
    "ScheduleRun.note": None,
    "ScheduleRun.window": None,
    "WebhookRequest": {
        "url": "https://receiver.example/sluice",
        "events": ["export.completed"],
        "description": "Loads the file into the warehouse.",
    },
    "WebhookChange": {"enabled": True},
    "Webhook.description": "Loads the file into the warehouse.",
    "WebhookWithSecret.description": "Loads the file into the warehouse.",
    "Webhook.url": "https://receiver.example/sluice",
    "WebhookWithSecret.url": "https://receiver.example/sluice",
    "Delivery.error": None,
    "DeliveryAttempt": {"time": "2026-01-31T06:00:04Z", "milliseconds": 120, "status": 204, "error": None},
    "Notification.subject": "Sessions is ready",
    "Notification.summary": "The file has 2,738 rows.",
    "RedriveRequest": {"failureClass": "source", "limit": 100},
    "Quotas": {"runningPerTenant": 5, "exportsPerUser": 100},
    "ServiceTokenRequest": {"service": "payroll", "tenant": "acme", "companyIds": ["123"]},
    "WorkflowProgress.phase": "exporting",
    "WorkflowEvent": {
        "time": "2026-01-31T06:00:02Z",
        "event": "TaskCompleted",
        "name": "export_part",
        "scheduledAt": "2026-01-31T06:00:01Z",
        "part": 1,
        "attempt": 1,
        "failure": None,
        "instance": None,
    },
    "Overview.exports": {"Completed": 412, "Failed": 3},
    "Overview.exportTypes": {"sessions": 300, "users": 115},
    "Overview.refusedExportTypes": {},
    "Overview.mails": {"sent": 97, "skipped": 315},
    "EventExport.error": None,
    "PartTime": {"part": 2, "seconds": 4.2, "done": False},
    "File": {
        "name": "sessions-2026-01-31.xlsx",
        "bytes": 184_320,
        "rows": 2738,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "contentType": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    },
    "ExportError": {"code": "source-unavailable", "message": "the database cannot be reached; retry the export"},
    "AuditLine.action": "downloaded",
    "AuditLine.outcome": "done",
    "AuditLine.subject": None,
    "AuditLine.status": 302,
    "DemoUser.name": "Ada",
    "SentLink.kind": "completed",
    "SentLink.channel": "email",
    "Durable.id": f"{_ID}-1",
    "LogLine": {
        "time": "2026-01-31T06:00:02Z",
        "level": "info",
        "action": "planned",
        "message": "Planned 2,738 rows in 3 parts.",
    },
    "id": _ID,
    "exportId": _ID,
    "export": _EXPORT,
    "self": _EXPORT,
    "download": f"{_EXPORT}/download",
    "cancel": f"{_EXPORT}/cancel",
    "logs": f"{_EXPORT}/logs",
    "redrive": f"{_API}/ops/dead-letters/{_ID}/redrive",
    "runs": f"{_API}/schedules/{_ID}/runs",
    "resourceLocation": _EXPORT,
    "url": f"{_EXPORT}/file",
    "webhook": _ID,
    "eventId": "evt_5b0c8e1f9d",
    "exportType": "sessions",
    "format": "xlsx",
    "tenant": "acme",
    "createdBy": "ada",
    "offboardedBy": "ada",
    "by": "ada",
    "user": "max",
    "name": "Max",
    "sentTo": "max",
    "email": "max@example.com",
    "to": "max@example.com",
    "agent": "Mozilla/5.0",
    "address": "198.51.100.7",
    "requestId": "8825b1d0",
    "operationId": f"{_ID}-completed",
    "subject": "Sessions is ready",
    "text": "The file has 2,738 rows.",
    "html": "<p>The file has 2,738 rows.</p>",
    "version": "0.1.0",
    "cron": "0 6 * * 1-5",
    "timeZone": "Europe/Paris",
    "nextCursor": None,
    "disabledAt": None,
    "disabledReason": None,
    "failingSince": None,
    "previousSecretExpiresAt": None,
    "revokedAt": None,
    "readAt": None,
    "token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl",
    "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "reason": "maintenance of the database until 18:00",
    "redriven": [_ID],
    "fileName": "sessions",
    "locale": "fr-FR",
}

_BY_FORMAT = {"date-time": "2026-01-31T06:00:00Z", "date": "2026-01-31"}
_BY_TYPE: Mapping[str, Any] = {"integer": 3, "number": 100, "boolean": True}


def with_examples(components: Mapping[str, Any], used: Iterable[str]) -> dict[str, Any]:
    """The components, those that are ``used`` as a body or an answer with an example."""
    found = dict(components)
    for name in used:
        found[name] = {**components[name], "examples": [example(name, components)]}
    return found


def example(name: str, components: Mapping[str, Any]) -> Any:
    """An example of a component. Raises ``LookupError`` for a text of which none is known."""
    return _VALUES[name] if name in _VALUES else _of(components[name], name, components)


def _of(schema: Mapping[str, Any], owner: str, components: Mapping[str, Any]) -> Any:
    if "$ref" in schema:
        return example(schema["$ref"].rpartition("/")[2], components)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return _of(schema[union][0], owner, components)
    if schema.get("type") == "array":
        return [_of(schema["items"], owner, components)]
    if "properties" in schema:
        found = {name: _field(name, one, owner, components) for name, one in schema["properties"].items()}
        return {name: value for name, value in found.items() if value is not None or name in schema["required"]}
    if schema.get("format") in _BY_FORMAT:
        return _BY_FORMAT[schema["format"]]
    if schema.get("type") in _BY_TYPE:
        return max(_BY_TYPE[schema["type"]], schema.get("minimum", 0))
    raise LookupError(f"{owner} needs an example; give one in {__name__}")


def _field(name: str, schema: Mapping[str, Any], owner: str, components: Mapping[str, Any]) -> Any:
    for known in (f"{owner}.{name}", name):
        if known in _VALUES:
            return _VALUES[known]
    return _of(schema, f"{owner}.{name}", components)
