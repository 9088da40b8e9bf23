"""The request for an export: its shape, and every check that can be made before anything is started."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from functools import cache, partial
from itertools import repeat
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    create_model,
)
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from shared.catalog.export_types import ExportType, SqlExport
from shared.errors import (
    BodyTooLarge,
    FieldError,
    NotAllowed,
    RequestError,
    ValidationFailed,
    Wrong,
    shortened,
    shown,
    unknown,
)
from shared.formats import FORMATS, get_format
from shared.formats.base import Compression
from shared.identity.caller import Caller
from shared.notifications.channels import CHANNELS
from shared.requests.days import day_of
from shared.requests.filter_values import MOST_VALUES, WrongValue, filter_values

MAX_BODY_BYTES = 64 * 1024

_FIRST_DAY, _LAST_DAY = date(1900, 1, 1), date(9000, 12, 31)


class Body(BaseModel):
    """What a request's body has in common: camelCase, no unknown fields, no conversions between types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)


Day = Annotated[
    date,
    BeforeValidator(lambda value: day_of(value) if isinstance(value, str) else value),
    WithJsonSchema({"type": "string", "format": "date"}),
]


class DateRange(Body):
    """Whole days, both included, in the request's time zone. Either end may be left open."""

    from_: Day | None = Field(default=None, alias="from", description="The first day; null: no bound.")
    to: Day | None = Field(default=None, description="The last day, which is included; null: no bound.")


WHOLE = BeforeValidator(lambda value: int(value) if isinstance(value, float) and value.is_integer() else value)
"""For an integer, after its bounds: however it is written, for to JSON Schema 5.0 is one too."""

Wait = Annotated[int, Field(ge=0, le=86_400), WHOLE]


class NotifyBase(Body):
    """How somebody wants to be told about exports, beside a switch for each channel; null: as it is otherwise."""

    grace_seconds: Wait | None = Field(default=None, description="How long after its end a mail waits for a download.")
    after_seconds: Wait | None = Field(default=None, description="An export quicker than this sends no mail.")
    on_failure: bool | None = Field(default=None, description="Notify about a failure too.")
    before_expiry: bool | None = Field(default=None, description="Notify before the file expires.")

    def wants(self, channel: str) -> bool | None:
        """What is said of a channel, by its name in ``CHANNELS``."""
        wanted: bool | None = getattr(self, channel)
        return wanted


if TYPE_CHECKING:
    Notify = NotifyBase
else:
    _switches = {
        name: (bool | None, Field(default=None, description=f"Whether notifications are sent by the channel {name}."))
        for name in CHANNELS
    }
    Notify = create_model("Notify", __base__=NotifyBase, __doc__=NotifyBase.__doc__, **_switches)


Names = Annotated[tuple[str, ...], Field(max_length=MOST_VALUES, fail_fast=True)]
"""A list of names, of which the first that is no text is told."""


class ExportRequest(Body):
    """The body of ``POST /exports``."""

    export_type: str
    format: str = Field(default="csv", description="The file's format, one of those that the export type offers.")
    filters: Mapping[str, Any] = Field(default_factory=dict, description="Which rows are exported.")
    date_range: DateRange = Field(default=DateRange(), description="The days of the rows. Omitted: all days.")
    columns: Names | None = Field(
        default=None, description="The columns of the file, in this order. null or omitted: all columns."
    )
    company_ids: Names | None = Field(
        default=None, description="The companies whose rows are exported. null or omitted: all of the caller's."
    )
    operational_scope_ids: Names | None = Field(
        default=None,
        description="The operational scopes whose rows are exported. null or omitted: all of the caller's.",
    )
    compression: Compression = Field(
        default="none", description="How the file is compressed, in one of the ways that its format allows."
    )
    format_options: Mapping[str, Any] = Field(
        default_factory=dict, description="Options of the format; those of another format are refused."
    )
    locale: str = Field(
        default="", max_length=35, description="The language of titles and numbers, such as fr-FR; else the caller's."
    )
    time_zone: str = Field(
        default="UTC",
        json_schema_extra={"x-format": "iana-time-zone"},
        description="The IANA time zone in which days begin and times are written, such as Europe/Paris.",
    )
    file_name: str = Field(
        default="", max_length=200, description="The name of the file; else made of the title and the day."
    )
    notify: Notify = Field(default=Notify(), description="How the requester is notified of the end of the export.")
    fresh: bool = Field(
        default=False, description="Whether a new export is made even if an identical one has just been requested."
    )


Line = Annotated[str, Field(min_length=1, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A text for people, without line breaks and other control characters."""

Wanted = TypeVar("Wanted", bound=Body)


def parse_request(body: bytes) -> ExportRequest:
    """Read the body of ``POST /exports``; see ``parse_body``."""
    return parse_body(ExportRequest, body, '{"exportType": "sessions"}')


def parse_body(model: type[Wanted], body: bytes, example: str) -> Wanted:
    """Read a body.

    Raises ``BodyTooLarge`` above 64 KiB, ``RequestError`` for what is no JSON object, ``ValidationFailed`` for wrong
    fields.
    """
    if len(body) > MAX_BODY_BYTES:
        raise BodyTooLarge(f"the body has {len(body):,} bytes and may have {MAX_BODY_BYTES:,}")
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        if problems[0]["type"] == "json_invalid":
            raise RequestError(f"the body is not JSON: {problems[0]['ctx']['error']}") from None
        if not problems[0]["loc"]:
            raise RequestError(f"the body must be a JSON object such as {example}") from None
        raise ValidationFailed([partial(_field_error, problem, model) for problem in problems]) from None


def check_request(request: ExportRequest, caller: Caller, export_types: Sequence[ExportType]) -> ExportType:
    """Check a request against the catalogue and the caller, and give the export type that it names.

    Raises ``ValidationFailed`` with one entry for each wrong field, ``NotAllowed`` for a type that is not open to them.
    """
    by_name = {t.name: t for t in export_types}
    export_type = by_name.get(request.export_type)
    if export_type is None:
        usable = [t.name for t in export_types if caller.may_use(t)]
        raise ValidationFailed([FieldError("exportType", unknown("export type", request.export_type, usable))])
    if not caller.may_use(export_type):
        roles = ", ".join(export_type.roles)
        raise NotAllowed(f"export type '{export_type.name}' is open to: {roles}; you are: {', '.join(caller.roles)}")
    errors: list[Wrong] = [
        *_check_format(request, export_type),
        *_check_filters(request, export_type),
        *_check_dates(request, export_type),
        *_check_columns(request, export_type),
        *_check_within("companyIds", "company", request.company_ids, caller.company_ids),
        *_check_within(
            "operationalScopeIds", "operational scope", request.operational_scope_ids, caller.operational_scope_ids
        ),
    ]
    if errors:
        raise ValidationFailed(errors)
    return export_type


def _field_error(problem: Any, model: type[Body]) -> FieldError:
    path = ".".join(str(step) for step in problem["loc"])
    if problem["type"] == "extra_forbidden":
        inside: type[Body] = model
        for step in problem["loc"][:-1]:
            inside = _body_in(_by_alias(inside)[step].annotation)
        return FieldError(path, unknown("field", str(problem["loc"][-1]), list(_by_alias(inside))))
    if problem["type"] == "missing":
        return FieldError(path, "is required")
    return FieldError(path, f"{problem['msg'].removeprefix('Value error, ')}, got {shown(problem['input'])}")


def _body_in(annotation: Any) -> type[Body]:
    """The model of a field that holds an object, or null."""
    return next(m for m in (annotation, *get_args(annotation)) if isinstance(m, type) and issubclass(m, Body))


def _by_alias(model: type[Body]) -> dict[str, FieldInfo]:
    return {f.alias or name: f for name, f in model.model_fields.items()}


def _check_format(request: ExportRequest, export_type: ExportType) -> Iterator[Wrong]:
    if request.format not in FORMATS or request.format not in export_type.formats:
        yield FieldError("format", unknown("format", request.format, list(export_type.formats)))
        return
    file_format = get_format(request.format)
    if request.compression not in ("none", *file_format.compressions):
        yield FieldError("compression", f"format '{request.format}' cannot be compressed with {request.compression}")
    try:
        file_format.options(request.format_options)
    except ValidationFailed as failed:
        for error in failed.errors:
            yield FieldError(f"formatOptions.{error.field.removeprefix('options.')}", error.message)
        yield from repeat(FieldError("formatOptions", failed.rest), failed.more)


def _check_filters(request: ExportRequest, export_type: ExportType) -> Iterator[Wrong]:
    by_name = {f.name: f for f in export_type.filters}
    for name, value in request.filters.items():
        if name not in by_name:
            yield partial(_unknown_filter, name, list(by_name))
            continue
        try:
            filter_values(by_name[name], value)
        except WrongValue as error:
            yield FieldError(f"filters.{name}", str(error))


def _unknown_filter(name: str, known: Sequence[str]) -> FieldError:
    return FieldError(f"filters.{name}", unknown("filter", name, known) if known else "this type has no filters")


def _check_dates(request: ExportRequest, export_type: ExportType) -> Iterator[FieldError]:
    first, last = request.date_range.from_, request.date_range.to
    if (first or last) and not (isinstance(export_type, SqlExport) and export_type.date_sql):
        yield FieldError("dateRange", f"export type '{export_type.name}' has no date to apply it to")
    for end, day in (("from", first), ("to", last)):
        if day and not _FIRST_DAY <= day <= _LAST_DAY:
            yield FieldError(f"dateRange.{end}", f"takes a day from {_FIRST_DAY} to {_LAST_DAY}, got {day}")
    if first and last and first > last:
        yield FieldError("dateRange", f"from ({first}) is after to ({last})")
    yield from check_time_zone(request.time_zone)


def check_time_zone(name: str) -> Iterator[FieldError]:
    """What is wrong with the field ``timeZone``, if anything."""
    if name not in _time_zones():
        sentence = f"unknown time zone '{shortened(name, 80)}'; give an IANA name such as Europe/Paris"
        yield FieldError("timeZone", sentence)


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones()) - {"Factory"}  # it says that nobody chose a zone


def _check_columns(request: ExportRequest, export_type: ExportType) -> Iterator[Wrong]:
    if request.columns is None:
        return
    if not isinstance(export_type, SqlExport):
        yield FieldError("columns", f"the columns of export type '{export_type.name}' cannot be chosen")
        return
    known = [c.name for c in export_type.columns]
    if not request.columns:
        yield FieldError("columns", f"name at least one column; known: {', '.join(known)}")
    before: set[str] = set()
    for position, name in enumerate(request.columns):
        if name not in known:
            yield partial(_unknown_at, f"columns.{position}", "column", name, known)
        elif name in before:
            yield FieldError(f"columns.{position}", f"column '{name}' is named twice")
        before.add(name)


def _check_within(field: str, kind: str, wanted: Sequence[str] | None, own: Sequence[str]) -> Iterator[Wrong]:
    allowed = frozenset(own)
    for position, value in enumerate(wanted or ()):
        if value not in allowed:
            yield partial(_unknown_at, f"{field}.{position}", kind, value, own)


def _unknown_at(field: str, kind: str, value: str, known: Sequence[str]) -> FieldError:
    return FieldError(field, unknown(kind, value, known) if known else f"you have no {kind}")


def day_start(day: date, time_zone: str) -> datetime:
    """The first instant of a day in a time zone."""
    return datetime.combine(day, time.min, ZoneInfo(time_zone))


def fingerprint(request: ExportRequest, caller: Caller, export_type: ExportType) -> str:
    """What tells a checked request from another: sha256 in hexadecimal, equal for requests that mean the same.

    What is left out counts as what it defaults to, and the order of values, companies and scopes does not count.
    ``fresh`` says how the request is to be treated, and is no part of it.
    """
    by_name = {f.name: f for f in export_type.filters}
    companies = caller.company_ids if request.company_ids is None else request.company_ids
    scopes = request.operational_scope_ids
    meant = request.model_dump(mode="json", by_alias=True, exclude={"fresh"}) | {
        "filters": {name: sorted(map(repr, filter_values(by_name[name], v))) for name, v in request.filters.items()},
        "companyIds": sorted(companies),
        "operationalScopeIds": sorted(caller.operational_scope_ids if scopes is None else scopes),
        "locale": request.locale or caller.locale,
    }
    return hashlib.sha256(json.dumps(meant, sort_keys=True).encode()).hexdigest()
