"""What an export type is: everything that a team writes in one file of ``exports/``.

``SqlExport`` describes a table or query and is planned, cut into parts and encoded by Sluice. ``FunctionExport`` is a
function of the team's own that answers with the whole file; it runs as an export of one part.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from inspect import Parameter, signature
from typing import Any, Literal

from shared.catalog.column_types import COLUMN_TYPES, column_type
from shared.catalog.columns import Column
from shared.catalog.filter_parsers import FilterParser
from shared.requests.query import Operator


class Scope(StrEnum):
    """How far an export of this type reaches, within the caller's tenant."""

    TENANT = "tenant"
    COMPANY = "company"
    OPERATIONAL = "operational"


class Role(StrEnum):
    """The roles of a caller, from the most to the least powerful."""

    SUPER_ADMIN = "SuperAdmin"
    ADMIN = "Admin"
    MANAGER = "Manager"
    VIEWER = "Viewer"


@dataclass(frozen=True)
class Filter:
    """One filter that a request may set: ``name`` in the API, ``sql`` and ``type`` in the source.

    With ``many`` a request may give a list, and any of its values matches. ``choices`` closes the set of values.
    """

    name: str
    sql: str
    type: str = "text"
    operator: Operator = "="
    many: bool = False
    choices: tuple[str, ...] = ()
    summary: str = ""

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a type that does not exist, or whose values no filter can have."""
        _ = self.parser

    @property
    def parser(self) -> FilterParser:
        """What reads its values from a request. Raises ``ValueError``."""
        parser = column_type(self.type).filter
        if parser is None:
            possible = ", ".join([name for name, type_ in COLUMN_TYPES.items() if type_.filter] + ["decimal(p,s)"])
            raise ValueError(f"filter '{self.name}' cannot be of type '{self.type}'; possible: {possible}")
        return parser


@dataclass(frozen=True, kw_only=True)
class ExportType:
    """What every export type has. ``None`` means: as the setting says (docs/reference/settings.md).

    ``formula_guard``: whether texts in CSV that a spreadsheet would take for formulas get an apostrophe, unless a
    request says otherwise (``formatOptions.formulaGuard``).
    """

    name: str
    title: str
    summary: str
    scope: Scope = Scope.TENANT
    formats: tuple[str, ...] = ("csv",)
    roles: tuple[Role, ...] = (Role.SUPER_ADMIN, Role.ADMIN, Role.MANAGER)
    filters: tuple[Filter, ...] = ()
    retention_days: int | None = None
    record_retention_days: int | None = None
    time_limit: timedelta | None = None
    dedup_window: timedelta | None = None
    notify_after: timedelta | None = None
    notify_grace: timedelta | None = None
    notify_channels: tuple[str, ...] = ("email", "in_app")
    notify_on_failure: bool = True
    notify_before_expiry: bool = True
    links_require_sign_in: bool | None = None
    max_rows: int | None = None
    max_bytes: int | None = None
    formula_guard: bool = True
    titles: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SqlExport(ExportType):
    """Rows of a table or query, read in key order.

    ``relation`` is a table, or a SELECT in parentheses. ``key`` names the columns (by ``Column.name`` in ``columns``,
    or a ``Column`` of its own where it is not exported) that are unique and ordered together. The tenant's id is always
    bound to ``tenant_sql``; the caller's companies to ``company_sql`` and scopes to ``operational_scope_sql`` where the
    type's scope asks for it. ``date_sql`` is what a request's ``dateRange`` applies to. ``watermark_sql`` is the
    timestamp at which a row was written, or with ``watermark_type`` integer its number in a sequence, for incremental
    schedules; a row must be committed within ``settle`` of it.
    """

    relation: str
    columns: tuple[Column, ...]
    key: tuple[str | Column, ...]
    tenant_sql: str
    tenant_type: str = "text"
    company_sql: str = ""
    operational_scope_sql: str = ""
    date_sql: str = ""
    date_type: str = "timestamp"
    watermark_sql: str = ""
    watermark_type: Literal["timestamp", "integer"] = "timestamp"
    settle: timedelta = timedelta(minutes=5)
    part_rows: int | None = None

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a type whose rows are not bound to the tenant, or to what its scope asks for."""
        bound = {"tenant_sql": self.tenant_sql}
        if self.scope is not Scope.TENANT:
            bound["company_sql"] = self.company_sql
        if self.scope is Scope.OPERATIONAL:
            bound["operational_scope_sql"] = self.operational_scope_sql
        for name, sql in bound.items():
            if not sql.strip():
                raise ValueError(f"export type '{self.name}' has no {name}, and its rows must be bound by it")


@dataclass(frozen=True)
class GeneratedExportData:
    """A whole file that a team's own function made: its bytes, its media type, and how many items it holds.

    ``guarded_cells``: in how many cells the formula guard put an apostrophe; ``csv_file`` counts them.
    """

    file_content: bytes
    mimetype: str
    items_count: int
    guarded_cells: int = 0


GenerateExport = Callable[..., GeneratedExportData]
"""``generate_export(filters, file_format, company_ids, operational_scope_ids) -> GeneratedExportData``.

A function that declares the keyword ``tenant`` is given that too.
"""


class AsyncExportsDependency(ABC):
    """What an application implements to offer exports in its own local scope; see ``exports/local_scope.py``."""

    @abstractmethod
    def generate_export(
        self,
        filters: Mapping[str, Any],
        file_format: str,
        company_ids: Sequence[str],
        operational_scope_ids: Sequence[str],
        *args: Any,
        **kwargs: Any,
    ) -> GeneratedExportData:
        """Make the whole file. Called in an activity; may run twice; raise ``TransientError`` to be tried again.

        Declare ``*, tenant: str`` after the four to be given the tenant, and bind it in your query; ``*args`` and
        ``**kwargs`` stand for that here. Without it, ``OWNERSHIP`` must say whose companies and scopes these are.
        """


@dataclass(frozen=True, kw_only=True)
class FunctionExport(ExportType):
    """A file that a plain function makes.

    A function that declares the keyword ``tenant`` is given the tenant, and binds it by itself. One that does not is
    called only with companies and operational scopes that the tenant owns (``shared/catalog/tenancy.py``).
    ``with_tenant`` says that it takes the keyword where its signature does not show that.
    """

    generate_export: GenerateExport
    with_tenant: bool = False

    @cached_property
    def takes_tenant(self) -> bool:
        """Whether the function is given the tenant."""
        return self.with_tenant or _declares_tenant(self.generate_export)

    @cached_property
    def fault(self) -> str:
        """Why the function cannot be called at all; empty when it can, or its signature is not known."""
        try:
            signature(self.generate_export).bind({}, "", (), (), **({"tenant": ""} if self.takes_tenant else {}))
        except TypeError as error:
            return str(error)
        except ValueError:  # it is written in C
            return ""
        return ""


def _declares_tenant(function: GenerateExport) -> bool:
    try:
        declared = signature(function).parameters.get("tenant")
    except (TypeError, ValueError):
        return False
    return declared is not None and declared.kind in (Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
