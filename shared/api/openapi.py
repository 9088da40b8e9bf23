"""The OpenAPI 3.1 document: made from the models that check requests, those of answers, and the lists of what there is.

https://spec.openapis.org/oas/v3.1.1; schemas are JSON Schema 2020-12.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from shared.api.operations import Access, Answer, Operation, Parameter
from shared.api.schemas import Event, Problem
from shared.catalog.export_types import ExportType, Filter, SqlExport
from shared.events.outbox import EventType
from shared.formats import get_format
from shared.formats.options import Option
from shared.requests.export_request import ExportRequest
from shared.version import VERSION

_SCHEMAS = "#/components/schemas/"
_JSON, _PROBLEM = "application/json", "application/problem+json"


_REASONS = {
    400: "Something in the request is wrong; each wrong field is named.",
    401: "No token, or one that is not good.",
    403: "The caller's role does not allow it, or a page of another site asks.",
    404: "There is nothing here that the caller may see; the same for a foreign id and for a missing one.",
    409: "Not possible in the present state, or paused by an operator.",
    410: "The file is gone.",
    413: "The body is over 64 KiB.",
    422: "More than a limit takes, which is named, or an Idempotency-Key of another request.",
    415: "The body is no JSON, which a person's session needs; a page of any site could have sent it.",
    429: "Too many requests, or a quota is reached; Retry-After tells when to come again.",
    503: "Storage, the database or the issuer of tokens cannot be reached; or a setting is wrong.",
}


def document(operations: Sequence[Operation], export_types: Sequence[ExportType], base_url: str) -> dict[str, Any]:
    """The whole document, as plain JSON values."""
    models: dict[type[BaseModel], None] = {Problem: None, Event: None}
    for one in operations:
        models |= {a.model: None for a in one.answers.values() if a.model}
        if one.body and one.body is not ExportRequest:
            models[one.body] = None
    modes = [(model, "serialization" if issubclass(model, _answers(operations)) else "validation") for model in models]
    _, whole = models_json_schema(modes, by_alias=True, ref_template=_SCHEMAS + "{model}")  # type: ignore[arg-type]
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(f"/{one.route}", {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Sluice",
            "version": VERSION,
            "summary": "Exports of large data sets without waiting for them.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": base_url}],
        "paths": paths,
        "webhooks": {event: {"post": _webhook(event)} for event in EventType},
        "components": {
            "schemas": {**whole["$defs"], **dict(_request_schemas(export_types))},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "functionKey": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
            },
        },
    }


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
        schema = {"$ref": f"{_SCHEMAS}{declared.body.__name__}"}
        found["requestBody"] = {"required": True, "content": {_JSON: {"schema": schema}}}
    for status in declared.problems:
        content = {_PROBLEM: {"schema": {"$ref": f"{_SCHEMAS}Problem"}}}
        answer: dict[str, Any] = {"description": _REASONS[status]}
        if declared.method != "HEAD":
            answer["content"] = content
        if status == 401:
            answer["headers"] = {"WWW-Authenticate": {"required": True, "schema": {"const": "Bearer"}}}
        found["responses"].setdefault(str(status), answer)
    return found


def _webhook(event: EventType) -> dict[str, Any]:
    """What a receiver gets (Standard Webhooks); docs/how-to/webhooks.md says how it knows that it is from us."""
    headers = {
        "webhook-id": "The event's id: the same however often it is sent.",
        "webhook-timestamp": "When it was sent, in seconds since 1970.",
        "webhook-signature": "v1,<base64> for each secret that is good.",
    }
    narrowed = {"properties": {"type": {"const": str(event)}}}
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
            "content": {_JSON: {"schema": {"allOf": [{"$ref": f"{_SCHEMAS}Event"}, narrowed]}}},
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
            found["content"] = {_JSON: {"schema": {"$ref": f"{_SCHEMAS}{answer.model.__name__}"}}}
        elif answer.media_type:
            found["content"] = {answer.media_type: {"schema": {}}}
    if answer.links:
        found["links"] = {
            name: {"operationId": function, "parameters": {"id": "$response.body#/id"}}
            for name, function in answer.links.items()
        }
    return found


def _request_schemas(export_types: Sequence[ExportType]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The body of ``POST /exports``: what ``ExportRequest`` takes, with what ``check_request`` knows of every type."""
    whole = ExportRequest.model_json_schema(by_alias=True, ref_template=_SCHEMAS + "{model}")
    yield from whole.pop("$defs").items()
    for name in sorted({f for t in export_types for f in t.formats}):
        yield f"{_pascal(name)}Options", _options_schema(get_format(name).option_list)
    mapping: dict[str, str] = {}
    for export_type in export_types:
        own = _pascal(export_type.name)
        yield f"{own}Filters", _filters_schema(export_type.filters)
        if isinstance(export_type, SqlExport):
            yield f"{own}Column", {"type": "string", "enum": [c.name for c in export_type.columns]}
        variants = {f"{own}{_pascal(name)}Request": name for name in export_type.formats}
        for schema_name, name in variants.items():
            yield schema_name, _variant(whole, export_type, name)
        mapping[export_type.name] = f"{_SCHEMAS}{own}Request"
        yield f"{own}Request", {"title": export_type.title, "description": export_type.summary, **_one_of(variants)}
    yield (
        "ExportRequest",
        {
            "oneOf": [{"$ref": ref} for ref in mapping.values()],
            "discriminator": {"propertyName": "exportType", "mapping": mapping},
        },
    )


def _variant(whole: Mapping[str, Any], export_type: ExportType, format_name: str) -> dict[str, Any]:
    own, schema = _pascal(export_type.name), deepcopy(dict(whole))
    properties = schema["properties"]
    properties["exportType"] = {"type": "string", "const": export_type.name}
    properties["format"] = {"type": "string", "const": format_name}
    properties["filters"] = {"$ref": f"{_SCHEMAS}{own}Filters"}
    properties["compression"]["enum"] = sorted({"none", *get_format(format_name).compressions})
    properties["formatOptions"] = {"$ref": f"{_SCHEMAS}{_pascal(format_name)}Options"}
    if isinstance(export_type, SqlExport):
        items = {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"$ref": f"{_SCHEMAS}{own}Column"}}
        properties["columns"] = {"anyOf": [items, {"type": "null"}], "default": None}
    else:
        del properties["columns"]
    if not (isinstance(export_type, SqlExport) and export_type.date_sql):
        del properties["dateRange"]
    if format_name != ExportRequest.model_fields["format"].default:
        schema["required"] = ["exportType", "format"]
    schema.update(title=f"{export_type.title} as {get_format(format_name).title}")
    del schema["description"]
    return schema


def _one_of(names: Iterable[str]) -> dict[str, Any]:
    return {"oneOf": [{"$ref": f"{_SCHEMAS}{name}"} for name in names]}


def _options_schema(options: Sequence[Option]) -> dict[str, Any]:
    kinds = {bool: "boolean", int: "integer", str: "string"}
    properties: dict[str, Any] = {}
    for option in options:
        schema: dict[str, Any] = {
            "type": kinds[option.kind],
            "description": option.summary,
        }
        if option.default is not None:
            schema["default"] = option.default
        if option.choices:
            schema["enum"] = list(option.choices)
        elif isinstance(option.default, str):
            schema["maxLength"] = option.max_length
        properties[option.name] = schema
    return {"type": "object", "properties": properties, "additionalProperties": False}


_DECIMAL = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?[0-9]{1,18}(\.[0-9]{1,18})?$"}]}

_FILTER_SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "integer": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    "float": {"type": "number"},
    "boolean": {"type": "boolean"},
    "text": {"type": "string", "pattern": r"^[^\u0000]*$"},
    "decimal": _DECIMAL,
    "date": {"type": "string", "format": "date"},
    "timestamp": {"type": "string", "format": "date-time"},
    "uuid": {"type": "string", "format": "uuid"},
}


def _filters_schema(filters: Sequence[Filter]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for filter_ in filters:
        kind = filter_.type.partition("(")[0].replace("local timestamp", "timestamp")
        one = {"type": "string", "enum": list(filter_.choices)} if filter_.choices else dict(_FILTER_SCHEMAS[kind])
        schema = {"anyOf": [one, {"type": "array", "minItems": 1, "items": one}]} if filter_.many else one
        properties[filter_.name] = {**schema, "description": filter_.summary} if filter_.summary else schema
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _pascal(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))
