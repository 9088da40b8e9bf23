"""The OpenAPI 3.1 document: made from the models that check requests, those of answers, and the lists of what there is.

https://spec.openapis.org/oas/v3.1.1; schemas are JSON Schema 2020-12.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from shared.api.enum_names import name_values
from shared.api.examples import with_examples
from shared.api.operations import Access, Answer, Operation, Parameter
from shared.api.request_schemas import SCHEMAS, pascal, request_schemas
from shared.api.schemas import Event, ExportEvent, PingEvent, Problem
from shared.catalog.export_types import ExportType
from shared.events.outbox import EventType
from shared.requests.export_request import ExportRequest
from shared.version import VERSION

_JSON, _PROBLEM = "application/json", "application/problem+json"


_ABOUT = """Start an export with `POST /exports`, poll the address in `Location` no more often than `Retry-After` says,
and download the file when the status is `Completed`.

Send `Authorization: Bearer <token>`, a token of the issuer that the service is set up with. Every error is a problem
document (RFC 9457): its `type` is stable, and `errors` names each wrong field."""

_REASONS = {
    400: "Something in the request is wrong; each wrong field is named.",
    401: "No token, or one that is not good.",
    403: "The caller's role does not allow it, or a page of another site asks.",
    404: "There is nothing here that the caller may see; the same for a foreign id and for a missing one.",
    409: "Not possible in the present state, or paused by an operator.",
    410: "The file is gone.",
    413: "The body is over 64 KiB.",
    422: "More than a limit takes, which is named, or an Idempotency-Key of another request.",
    415: "The body is not JSON. A call with a session cookie needs a JSON body.",
    429: "Too many requests, or a quota is reached; Retry-After tells when to come again.",
    503: "Storage, the database or the issuer of tokens cannot be reached; or a setting is wrong.",
}


def document(operations: Sequence[Operation], export_types: Sequence[ExportType], base_url: str) -> dict[str, Any]:
    """The whole document, as plain JSON values."""
    models: dict[type[BaseModel], None] = {Problem: None, ExportEvent: None, PingEvent: None}
    for one in operations:
        models |= {a.model: None for a in one.answers.values() if a.model}
        if one.body and one.body is not ExportRequest:
            models[one.body] = None
    modes = [(model, "serialization" if issubclass(model, _answers(operations)) else "validation") for model in models]
    _, whole = models_json_schema(modes, by_alias=True, ref_template=SCHEMAS + "{model}")  # type: ignore[arg-type]
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(f"/{one.route}", {})[one.method.lower()] = _operation(one)
    defined = whole["$defs"]
    events = _event_schemas(defined)
    for model in (ExportEvent, PingEvent):  # which the components of the events are made of
        del defined[model.__name__]
    schemas = {**defined, **dict(request_schemas(export_types)), **events}
    plain = {name: _plain(schema) for name, schema in sorted(schemas.items())}
    bodies = [*(model.__name__ for model in models if model.__name__ in plain), *events, "ExportRequest"]
    found = {
        "openapi": "3.1.1",
        "info": {
            "title": "Sluice",
            "version": VERSION,
            "summary": "Exports of large data sets without waiting for them.",
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": base_url}],
        "paths": paths,
        "webhooks": {event: {"post": _webhook(event)} for event in EventType},
        "components": {
            "schemas": with_examples(plain, bodies),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "functionKey": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
            },
        },
    }
    name_values(found)
    return found


def _plain(schema: Any) -> Any:
    """A schema without the titles that pydantic makes up, which some generators take for names of classes.

    A default is said in the description: to generators of TypeScript a property with a default is always there.
    """
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _plain(value) for name, value in schema.items() if name not in ("title", "default", "properties")}
    if "properties" in schema:
        found["properties"] = {name: _plain(value) for name, value in schema["properties"].items()}
    if schema.get("default") not in (None, "", {}, []) and "description" in found and "$ref" not in found:
        found["description"] += f" The default is {json.dumps(schema['default'])}."
    return found


def _answers(operations: Sequence[Operation]) -> tuple[type[BaseModel], ...]:
    return (Problem, Event, *(a.model for operation in operations for a in operation.answers.values() if a.model))


def _operation(declared: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": declared.operation_id,
        "summary": declared.summary,
        "description": f"{declared.description} For {declared.access}.",
        "tags": [declared.tag],
        "security": [],
        "responses": {str(status): _answer(answer, declared.method) for status, answer in declared.answers.items()},
    }
    if declared.access is Access.FUNCTION_KEY:
        found["security"] = [{"functionKey": []}]
        found["responses"]["401"] = {"description": "No function key, or a wrong one; the host answers."}
    elif declared.access is not Access.PUBLIC:
        found["security"] = [{"bearer": []}]
    if declared.parameters:
        found["parameters"] = [_parameter(parameter) for parameter in declared.parameters]
    if declared.body:
        schema = {"$ref": f"{SCHEMAS}{declared.body.__name__}"}
        found["requestBody"] = {"required": True, "content": {_JSON: {"schema": schema}}}
    for status in declared.problems:
        content = {_PROBLEM: {"schema": {"$ref": f"{SCHEMAS}Problem"}}}
        answer: dict[str, Any] = {"description": _REASONS[status]}
        if declared.method != "HEAD":
            answer["content"] = content
        if status == 401:
            answer["headers"] = {"WWW-Authenticate": {"required": True, "schema": {"const": "Bearer"}}}
        found["responses"].setdefault(str(status), answer)
    return found


def _event_schemas(known: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What is sent for each event: with its type, and with what it is about."""
    found = {}
    for event in EventType:
        model = PingEvent if event is EventType.WEBHOOK_PING else ExportEvent
        schema = known[model.__name__]
        narrowed = {"type": "string", "const": str(event), "description": "The type of the event."}
        found[f"{pascal(event)}Event"] = {
            **schema,
            "description": f"What is sent for the event {event}.",
            "properties": {**schema["properties"], "type": narrowed},
        }
    return found


def _webhook(event: EventType) -> dict[str, Any]:
    """What a receiver gets (Standard Webhooks); docs/how-to/webhooks.md says how it knows that it is from us."""
    headers = {
        "webhook-id": "The event's id: the same however often it is sent.",
        "webhook-timestamp": "When it was sent, in seconds since 1970.",
        "webhook-signature": "v1,<base64> for each secret that is good.",
    }
    return {
        "operationId": event.replace(".", "_"),
        "summary": f"The event {event}",
        "tags": ["webhooks"],
        "security": [],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": summary, "schema": {"type": "string"}}
            for name, summary in headers.items()
        ],
        "requestBody": {
            "required": True,
            "content": {_JSON: {"schema": {"$ref": f"{SCHEMAS}{pascal(event)}Event"}}},
        },
        "responses": {
            "2XX": {"description": "It is received, and is not sent again."},
            "410": {"description": "Nothing more is wanted: the webhook is disabled."},
            "default": {"description": "It is sent again later; a redirect is not followed."},
        },
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "path" if parameter.required else "query",
        "required": parameter.required,
        "description": parameter.summary,
        "schema": dict(parameter.schema),
    }


def _answer(answer: Answer, method: str) -> dict[str, Any]:
    found: dict[str, Any] = {"description": answer.summary}
    if answer.headers:
        found["headers"] = {
            name: {"required": True, "description": summary, "schema": {"type": "string"}}
            for name, summary in answer.headers.items()
        }
    if method != "HEAD":
        if answer.model:
            found["content"] = {_JSON: {"schema": {"$ref": f"{SCHEMAS}{answer.model.__name__}"}}}
        elif answer.media_type:
            found["content"] = {kind: {"schema": {}} for kind in answer.media_type.split(", ")}
    if answer.links:
        found["links"] = {
            name: {"operationId": function, "parameters": {"id": "$response.body#/id"}}
            for name, function in answer.links.items()
        }
    return found
