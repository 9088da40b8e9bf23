"""Every export is bound to its tenant: which export types are, and what a function may be called with.

A ``SqlExport`` has the tenant as a condition of its query. A ``FunctionExport`` whose function declares ``tenant``
binds it by itself. Any other function sees companies and operational scopes only, and is called with those that the
tenant owns by the word of the application's hook (``OWNERSHIP``); without a hook it is not offered. A deployment of
one tenant (``SINGLE_TENANT``) needs no hook, for nobody else gets in.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from shared.catalog.export_types import ExportType, FunctionExport, Scope
from shared.catalog.ownership import Owned, Ownership
from shared.catalog.registry import export_types, ownership
from shared.errors import (
    FieldError,
    NotAllowed,
    SettingsError,
    SluiceError,
    SourceUnavailable,
    StorageUnavailable,
    TransientError,
    ValidationFailed,
)
from shared.identity.caller import Caller, require_served
from shared.observability.logging import logger
from shared.requests.export_request import ExportRequest, check_request
from shared.settings import Settings

_COMPANY, _SCOPE = "a company", "an operational scope"
_FIELDS = {"companyIds": "company", "operationalScopeIds": "operational scope"}

LEFT_OUT = "leftOut"
"""The fact of a function's part: how many ids of the caller's were left out as foreign."""


@dataclass(frozen=True)
class Reach:
    """The companies and operational scopes of an export, and how many of the caller's were left out as foreign."""

    company_ids: tuple[str, ...]
    operational_scope_ids: tuple[str, ...]
    left_out: int = 0

    @property
    def size(self) -> int:
        """How many ids there are."""
        return len(self.company_ids) + len(self.operational_scope_ids)


def refused(settings: Settings) -> Mapping[str, str]:
    """The export types that are not offered, each with the reason and what to write. Each is logged once."""
    found = {t.name: reason for t in export_types() if (reason := _refusal(t, settings))}
    for reason in found.values():
        _say(reason)
    return found


def offered(settings: Settings) -> tuple[ExportType, ...]:
    """The export types that are offered, in the order in which people see them."""
    out = refused(settings)
    return tuple(t for t in export_types() if t.name not in out)


def wanted_type(request: ExportRequest, caller: Caller, settings: Settings) -> ExportType:
    """Check a request with ``check_request`` against the types that are offered; give the one that it names.

    Raises ``ValidationFailed``, ``NotAllowed``, and ``SettingsError`` for a type that is not offered.
    """
    usable = offered(settings)
    for export_type in export_types():
        if export_type.name == request.export_type and export_type not in usable and caller.may_use(export_type):
            raise SettingsError(_refusal(export_type, settings))
    return check_request(request, caller, usable)


def reach(export_type: ExportType, request: ExportRequest, caller: Caller, settings: Settings) -> Reach:
    """What an export of this request may reach: what was asked for, else what the caller has and the tenant owns.

    Blocks while the application's hook looks that up. Raises ``ValidationFailed`` for an id that was asked for and is
    not the tenant's; ``NotAllowed`` for a tenant that is not served, and where nothing is left for a function that is
    not given the tenant; ``SettingsError`` for a type that is not offered; ``SourceUnavailable`` when the hook cannot
    say.
    """
    require_served(caller.tenant, settings)
    companies, scopes = request.company_ids, request.operational_scope_ids
    wanted = Reach(
        caller.company_ids if companies is None else companies,
        caller.operational_scope_ids if scopes is None else scopes,
    )
    if not isinstance(export_type, FunctionExport):
        return wanted
    if reason := _refusal(export_type, settings):
        raise SettingsError(reason)
    hook = None if settings.single_tenant else ownership()
    if export_type.takes_tenant and (hook is None or export_type.scope is Scope.TENANT):
        return wanted
    if hook is None:
        _require_some(export_type, wanted, _kinds_of(request, caller), of_many=False)
        return wanted
    owned = _owned(hook, caller.tenant, wanted) if wanted.size else Owned()
    foreign = [
        *_foreign("companyIds", companies, owned.company_ids),
        *_foreign("operationalScopeIds", scopes, owned.operational_scope_ids),
    ]
    if foreign:
        raise ValidationFailed(foreign)
    found = Reach(
        tuple(id_ for id_ in wanted.company_ids if id_ in owned.company_ids),
        tuple(id_ for id_ in wanted.operational_scope_ids if id_ in owned.operational_scope_ids),
    )
    if not export_type.takes_tenant:
        _require_some(export_type, found, _kinds_of(request, caller), of_many=True)
    return replace(found, left_out=wanted.size - found.size)


def _refusal(export_type: ExportType, settings: Settings) -> str:
    if not isinstance(export_type, FunctionExport):
        return ""
    name = export_type.name
    if fault := export_type.fault:
        return (
            f"export type '{name}' cannot be made: its function takes (filters, file_format, company_ids, "
            f"operational_scope_ids), and the keyword tenant if it declares it; here: {fault}"
        )
    if export_type.takes_tenant or settings.single_tenant or ownership() is not None:
        return ""
    return (
        f"export type '{name}' is not bound to a tenant: declare the keyword tenant in its function "
        "(def generate_export(filters, file_format, company_ids, operational_scope_ids, *, tenant)) and bind it in the "
        "query; or set OWNERSHIP in exports/__init__.py to a function that says what a tenant owns; or set the setting "
        "SINGLE_TENANT to the only tenant of this deployment"
    )


@cache
def _say(reason: str) -> None:
    logger.error("%s", reason, extra={"action": "export-type-refused"})


def _owned(hook: Ownership, tenant: str, wanted: Reach) -> Owned:
    """What the hook says; a hook that fails, or answers anything else, lets nothing through."""
    sentence = "it could not be looked up what your organisation owns"
    try:
        found = hook(tenant, wanted.company_ids, wanted.operational_scope_ids)
    except (SourceUnavailable, StorageUnavailable, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, SluiceError) and not isinstance(error, TransientError):
            raise
        raise SourceUnavailable(sentence) from error
    if not isinstance(found, Owned) or not (_are_ids(found.company_ids) and _are_ids(found.operational_scope_ids)):
        raise SourceUnavailable(f"{sentence}: OWNERSHIP must answer Owned with lists of texts")
    return Owned(frozenset(found.company_ids), frozenset(found.operational_scope_ids))


def _are_ids(values: Any) -> bool:
    """Whether this is a collection of texts; one text is a collection of its letters, and none of ids."""
    is_collection = isinstance(values, Collection) and not isinstance(values, str | bytes)
    return is_collection and all(isinstance(value, str) for value in values)


def _kinds_of(request: ExportRequest, caller: Caller) -> Collection[str]:
    """Of which kinds the caller has ids, or asked for some, or for none."""
    has = {
        _COMPANY: request.company_ids is not None or caller.company_ids,
        _SCOPE: request.operational_scope_ids is not None or caller.operational_scope_ids,
    }
    return frozenset(kind for kind, some in has.items() if some)


def _foreign(field: str, asked: Sequence[str] | None, owned: Collection[str]) -> Iterator[FieldError]:
    for position, value in enumerate(asked or ()):
        if value not in owned:
            yield FieldError(f"{field}.{position}", f"'{value[:80]}' is no {_FIELDS[field]} of your organisation")


def _require_some(export_type: FunctionExport, found: Reach, needed: Collection[str], *, of_many: bool) -> None:
    """Raise ``NotAllowed`` without an id of each kind that is needed: to many a function no id means every one.

    The scope needs companies, or companies and operational scopes. A function for the whole tenant needs an id of each
    kind that the caller has or asked for (``needed``), and where there are many tenants (``of_many``) of some kind.
    """
    kinds = {_COMPANY: found.company_ids, _SCOPE: found.operational_scope_ids}
    if export_type.scope is Scope.TENANT:
        either = {"a company or operational scope": found.company_ids + found.operational_scope_ids} if of_many else {}
        kinds = either | {kind: ids for kind, ids in kinds.items() if kind in needed}
    elif export_type.scope is Scope.COMPANY:
        del kinds[_SCOPE]
    for kind, ids in kinds.items():
        if not ids:
            raise NotAllowed(f"export type '{export_type.name}' needs {kind} of your organisation, and you have none")
