"""The schemas of an export request: what every type takes, what each type takes on top, and which values go together.

``ExportRequest`` is an object that each type's request extends: a shape of which every generator of clients makes
classes. What is stricter than that shape (which formats a type has, which options a format) stands under ``if`` and
``then``, which validators apply and generators pass over.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared.catalog.export_types import ExportType, Filter, SqlExport
from shared.formats import get_format
from shared.formats.options import Option
from shared.requests.export_request import ExportRequest

SCHEMAS = "#/components/schemas/"

_OF_A_TYPE = ("filters", "dateRange", "columns")
"""The fields of a request that depend on its export type."""


def request_schemas(export_types: Sequence[ExportType]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The components for the body of ``POST /exports``: what ``ExportRequest`` takes, with what each type knows."""
    whole = ExportRequest.model_json_schema(by_alias=True, ref_template=SCHEMAS + "{model}")
    yield from whole.pop("$defs").items()
    formats = sorted({name for t in export_types for name in t.formats})
    yield "FormatOptions", _options_schema({name: get_format(name).option_list for name in formats})
    yield "ExportRequest", _base(whole, formats, export_types)
    for export_type in export_types:
        own = pascal(export_type.name)
        yield f"{own}Filters", _filters_schema(export_type)
        if isinstance(export_type, SqlExport):
            names = [column.name for column in export_type.columns]
            described = f"A column of the export type {export_type.name}."
            yield f"{own}Column", {"type": "string", "enum": names, "description": described}
        yield f"{own}Request", _extended(whole, export_type)


def pascal(name: str) -> str:
    """The name of a type or event as the name of a component: ``payroll-headcount`` is ``PayrollHeadcount``."""
    return "".join(word.capitalize() for word in name.replace(".", "-").replace("_", "-").split("-"))


def _base(whole: Mapping[str, Any], formats: Sequence[str], export_types: Sequence[ExportType]) -> dict[str, Any]:
    properties = {name: schema for name, schema in whole["properties"].items() if name not in _OF_A_TYPE}
    names = [t.name for t in export_types]
    properties["exportType"] = {"type": "string", "enum": names, "description": "The export type: what is exported."}
    properties["format"] = {**properties["format"], "enum": list(formats)}
    described = properties["formatOptions"]["description"]
    properties["formatOptions"] = {"$ref": f"{SCHEMAS}FormatOptions", "description": described}
    return {
        "type": "object",
        "description": whole["description"],
        "properties": properties,
        "required": ["exportType"],
        "discriminator": {
            "propertyName": "exportType",
            "mapping": {t.name: f"{SCHEMAS}{pascal(t.name)}Request" for t in export_types},
        },
        "if": {"properties": {"exportType": {"type": "string"}}, "required": ["exportType"]},
        "then": {"oneOf": [_rule(whole, t, name) for t in export_types for name in t.formats]},
    }


def _extended(whole: Mapping[str, Any], export_type: ExportType) -> dict[str, Any]:
    own = {"type": "object", "properties": _fields_of(whole, export_type)}
    described = f"A request for the export type {export_type.name}. {export_type.summary}".strip()
    return {"description": described, "allOf": [{"$ref": f"{SCHEMAS}ExportRequest"}, own]}


def _fields_of(whole: Mapping[str, Any], export_type: ExportType) -> dict[str, Any]:
    own = pascal(export_type.name)
    fields: dict[str, Any] = {}
    for name in _OF_A_TYPE:
        described = {"description": whole["properties"][name]["description"]}
        if name == "filters":
            fields[name] = {"$ref": f"{SCHEMAS}{own}Filters", **described}
        elif name == "columns" and isinstance(export_type, SqlExport):
            items = {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"$ref": f"{SCHEMAS}{own}Column"}}
            fields[name] = {"anyOf": [items, {"type": "null"}], **described}
        elif name == "dateRange" and isinstance(export_type, SqlExport) and export_type.date_sql:
            fields[name] = {"$ref": f"{SCHEMAS}DateRange", **described}
    return fields


def _rule(whole: Mapping[str, Any], export_type: ExportType, format_name: str) -> dict[str, Any]:
    """What a request for this type in this format may have, and nothing else."""
    file_format = get_format(format_name)
    given: dict[str, Any] = {name: {} for name in whole["properties"] if name not in _OF_A_TYPE}
    given |= {name: _bare(schema) for name, schema in _fields_of(whole, export_type).items()}
    given["exportType"] = {"const": export_type.name}
    given["format"] = {"const": format_name}
    given["compression"] = {"enum": sorted({"none", *file_format.compressions})}
    given["formatOptions"] = _bare(_options_schema({format_name: file_format.option_list}))
    by_default = format_name == ExportRequest.model_fields["format"].default
    return {
        "type": "object",
        "properties": given,
        "additionalProperties": False,
        "required": ["exportType"] if by_default else ["exportType", "format"],
    }


def _bare(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema without its descriptions: those are for the reader of the component."""
    found = {name: value for name, value in schema.items() if name != "description"}
    if "properties" in found:
        found["properties"] = {name: _bare(value) for name, value in found["properties"].items()}
    return found


def _options_schema(options: Mapping[str, Sequence[Option]]) -> dict[str, Any]:
    """The options of some formats. One of several formats takes what any of them takes."""
    properties: dict[str, Any] = {}
    takers: dict[str, list[str]] = {}
    for format_name, of_format in options.items():
        for option in of_format:
            takers.setdefault(option.name, []).append(format_name)
            schema = _option_schema(option)
            known = properties.setdefault(option.name, schema)
            if _bare(known) != _bare(schema):
                properties[option.name] = {"description": known["description"]}
    for name, schema in properties.items():
        schema["description"] = f"With the format {' or '.join(takers[name])}: {schema['description']}"
    described = "Options of the file's format; GET /export-types names the formats."
    return {"type": "object", "description": described, "properties": properties, "additionalProperties": False}


def _option_schema(option: Option) -> dict[str, Any]:
    kinds = {bool: "boolean", int: "integer", str: "string"}
    schema: dict[str, Any] = {"type": kinds[option.kind], "description": option.summary}
    if option.default is not None:
        schema["default"] = option.default
    if option.choices:
        schema["enum"] = list(option.choices)
    elif isinstance(option.default, str):
        schema["maxLength"] = option.max_length
    return schema


def _filters_schema(export_type: ExportType) -> dict[str, Any]:
    return {
        "type": "object",
        "description": f"The filters of the export type {export_type.name}. A row must match all that are given.",
        "properties": {one.name: _filter_schema(one) for one in export_type.filters},
        "additionalProperties": False,
    }


def _filter_schema(one: Filter) -> dict[str, Any]:
    value = {"type": "string", "enum": list(one.choices)} if one.choices else dict(one.parser.schema)
    described = one.summary or f"Selects by {one.name}."
    if not one.many:
        return {**value, "description": described}
    several = {"type": "array", "minItems": 1, "items": value}
    return {"anyOf": [*value.get("anyOf", [value]), several], "description": f"{described} One value or a list."}
