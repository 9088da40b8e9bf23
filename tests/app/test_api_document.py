"""The OpenAPI document in itself: valid, and of a shape from which generators make clients that compile."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema_rs
import openapi_spec_validator
import pytest

import triggers.http  # noqa: F401  (declares the operations)
from exports import EXPORT_TYPES
from shared.api.enum_names import name_values, needs_names
from shared.api.openapi import document
from triggers.http.operation import operations

_UNIONS = ("oneOf", "anyOf")


@cache
def whole() -> dict[str, Any]:
    """The document of all operations, whatever the settings."""
    return document(operations(), EXPORT_TYPES, "https://exports.example/api")


def components() -> dict[str, Any]:
    found: dict[str, Any] = whole()["components"]["schemas"]
    return found


def nodes(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object below ``node`` that generators read; they pass over ``if`` and ``then``."""
    if isinstance(node, list):
        for position, one in enumerate(node):
            yield from nodes(one, f"{path}/{position}")
    elif isinstance(node, dict):
        yield path, node
        for name, one in node.items():
            if name not in ("if", "then", "examples"):
                yield from nodes(one, f"{path}/{name}")


def calls() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation and every webhook."""
    for path, item in (whole()["paths"] | whole()["webhooks"]).items():
        for method, call in item.items():
            yield f"{method} {path}", call


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return components()[name] if name else schema


def is_object(schema: dict[str, Any]) -> bool:
    found = resolved(schema)
    return found.get("type") == "object" or "properties" in found or "allOf" in found


def test_it_is_valid() -> None:
    """By the schema of OpenAPI 3.1, and what that cannot say: references, names in paths, defaults."""
    openapi_spec_validator.validate(whole())


def test_every_operation_has_a_name_of_its_own() -> None:
    """Which clients make functions of."""
    names = Counter(call["operationId"] for _, call in calls())
    assert [name for name, times in names.items() if times > 1] == []


def test_every_body_is_a_component_of_its_own() -> None:
    """An object: generators make a class of it, with the name of the component."""
    bodies = {name: call["requestBody"] for name, call in calls() if "requestBody" in call}
    assert len(bodies) > 10
    for name, body in bodies.items():
        for media in body["content"].values():
            assert set(media["schema"]) == {"$ref"}, name
            assert is_object(media["schema"]), name
            assert not set(_UNIONS) & set(resolved(media["schema"])), name


def test_a_union_of_objects_has_a_name_and_no_unions_in_it() -> None:
    """NSwag and Kiota make no class of one that stands in a property, nor of one that has unions as members."""
    for path, node in nodes(whole()):
        for members in (node[word] for word in _UNIONS if isinstance(node.get(word), list)):
            objects = [member for member in members if is_object(member)]
            if len(objects) > 1:
                assert re.fullmatch(r"/components/schemas/\w+", path), path
                assert not [m for m in objects if set(_UNIONS) & set(resolved(m))], path
            assert not [m for m in members if set(_UNIONS) & set(m)], f"{path}: a union in a union"


def test_a_request_for_a_type_extends_what_all_types_take() -> None:
    """So that ``SessionsRequest`` is an ``ExportRequest``, in languages with classes."""
    mapping = components()["ExportRequest"]["discriminator"]["mapping"]
    assert list(mapping) == [t.name for t in EXPORT_TYPES]
    for reference in mapping.values():
        base, own = resolved({"$ref": reference})["allOf"]
        assert base == {"$ref": "#/components/schemas/ExportRequest"}
        assert not set(own["properties"]) & set(components()["ExportRequest"]["properties"])


def is_sentence(text: str) -> bool:
    return len(text.split()) >= 3 and text.endswith((".", ")"))


def test_every_operation_is_described() -> None:
    """In a sentence, each parameter and each answer too."""
    for name, call in calls():
        assert call["summary"], name
        for one in [*call.get("parameters", []), *call["responses"].values()]:
            assert re.fullmatch(r".*\w.*\.", one["description"], re.DOTALL), f"{name}: {one}"
    for name, call in ((name, call) for name, call in calls() if "description" in call):
        assert is_sentence(call["description"]), name


def test_every_schema_and_property_is_described() -> None:
    """In a sentence of three words or more."""
    found = 0
    for name, schema in components().items():
        assert is_sentence(schema.get("description", "")), name
        for part in (schema, *schema.get("allOf", [])):
            for field, one in part.get("properties", {}).items():
                assert is_sentence(one.get("description", "")), f"{name}.{field}"
                found += 1
    assert found > 300


def used() -> set[str]:
    """The components that are bodies or answers."""
    found = set()
    for _, call in calls():
        for part in (call.get("requestBody", {}), *call["responses"].values()):
            references = [media["schema"].get("$ref", "") for media in part.get("content", {}).values()]
            found |= {reference.rpartition("/")[2] for reference in references if reference}
    return found


def test_every_body_and_answer_has_an_example_that_is_one() -> None:
    """It stands at the component."""
    assert len(used()) > 50
    for name in used():
        (example,) = components()[name]["examples"]
        jsonschema_rs.validator_for({**whole(), "$ref": f"#/components/schemas/{name}"}).validate(example)


def test_every_value_of_an_enumeration_is_a_word_or_has_a_name() -> None:
    """Which makes an identifier."""
    named = 0
    for path, node in nodes(whole()):
        values = node.get("enum")
        if isinstance(values, list) and all(isinstance(value, str) for value in values) and needs_names(values):
            names = node["x-enum-varnames"]
            named += 1
            assert len(set(names)) == len(values), path
            assert all(re.fullmatch("[A-Z][A-Z0-9_]*", name) for name in names), names
            assert [(e["value"], e["name"]) for e in node["x-ms-enum"]["values"]] == list(
                zip(values, names, strict=True)
            )
    assert named


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["auto", ",", "\t"], ["AUTO", "COMMA", "TAB"]),
        (["1-50", "n/a", ""], ["VALUE_1_HYPHEN_MINUS_50", "N_SOLIDUS_A", "EMPTY"]),
        (["open", "Open"], ["OPEN", "OPEN_2"]),
        (["€", "été"], ["EURO_SIGN", "LATIN_SMALL_LETTER_E_WITH_ACUTE_T_LATIN_SMALL_LETTER_E_WITH_ACUTE"]),
        (["last-7-days", "csv"], None),
    ],
    ids=str,
)
def test_what_the_names_of_values_are(values: list[str], names: list[str] | None) -> None:
    """None where the values are words."""
    schema: dict[str, Any] = {"enum": values}
    name_values(schema)
    assert schema.get("x-enum-varnames") == schema.get("x-enumNames") == names


def test_no_component_has_a_title_or_a_default() -> None:
    """A title is another name to some generators; a default says to some that the field is always there."""
    for path, node in nodes(components()):
        if not path.endswith("/properties"):
            assert not {"title", "default"} & set(node), path
