"""What a function may be called with: the tenant, or what the application says that the tenant owns."""

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial, wraps
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import exports
import exports.ownership as ownership_of_demo
from demo.stack import bare_settings
from exports.sessions import SESSIONS
from shared.catalog import tenancy
from shared.catalog.export_types import AsyncExportsDependency, FunctionExport, GeneratedExportData, Role, Scope
from shared.catalog.ownership import Owned, Ownership
from shared.catalog.tenancy import Reach, offered, reach, refused, wanted_type
from shared.errors import (
    NotAllowed,
    QueryFailed,
    SettingsError,
    SourceUnavailable,
    StorageUnavailable,
    TooManyRequests,
    TransientError,
    ValidationFailed,
)
from shared.identity.caller import Caller
from shared.jobs import ownership_check
from shared.jobs.estimate_pool import FairPool
from shared.requests.export_request import ExportRequest, parse_request
from shared.settings import Settings, settings_from

MADE = GeneratedExportData(b"", "text/csv", 0)
SINGLE = {"SINGLE_TENANT": "acme"}


def seed(
    filters: Any, file_format: str, company_ids: Sequence[str], operational_scope_ids: Sequence[str]
) -> GeneratedExportData:
    return MADE


def with_tenant(
    filters: Any, file_format: str, company_ids: Sequence[str], operational_scope_ids: Sequence[str], *, tenant: str
) -> GeneratedExportData:
    return MADE


def fifth(filters: Any, file_format: str, companies: Any, scopes: Any, tenant: str) -> GeneratedExportData:
    return MADE


def anything(*args: Any, **kwargs: Any) -> GeneratedExportData:
    return MADE


def tenant_first(tenant: str, file_format: str, companies: Any, scopes: Any) -> GeneratedExportData:
    return MADE


def by_position(filters: Any, file_format: str, companies: Any, scopes: Any, tenant: str, /) -> GeneratedExportData:
    return MADE


def three(filters: Any, file_format: str, company_ids: Any) -> GeneratedExportData:
    return MADE


@wraps(with_tenant)
def wrapped(*args: Any, **kwargs: Any) -> GeneratedExportData:
    return with_tenant(*args, **kwargs)


class Application(AsyncExportsDependency):
    """An application in the form of the seed."""

    def generate_export(
        self, filters: Any, file_format: str, company_ids: Sequence[str], operational_scope_ids: Sequence[str]
    ) -> GeneratedExportData:
        return MADE


class Called:
    """A function that is an object."""

    def __call__(
        self, filters: Any, file_format: str, company_ids: Any, operational_scope_ids: Any, *, tenant: str
    ) -> Any:
        return MADE


def made_by(function: Callable[..., Any], scope: Scope = Scope.COMPANY, **more: Any) -> FunctionExport:
    return FunctionExport(name="own", title="Own", summary="Own.", scope=scope, generate_export=function, **more)


def settings_with(**more: str) -> Settings:
    return settings_from({**bare_settings("UseDevelopmentStorage=true"), **more})


def caller(companies: Sequence[str] = ("1", "2"), scopes: Sequence[str] = ("n",), tenant: str = "acme") -> Caller:
    return Caller("u", "", "U", tenant, (Role.ADMIN,), tuple(companies), tuple(scopes))


def asked(**body: Any) -> ExportRequest:
    return parse_request(json.dumps({"exportType": "own", **body}).encode())


def owns(companies: Sequence[str] = (), scopes: Sequence[str] = ()) -> Ownership:
    """A hook: acme owns these, and nobody else anything."""

    def owned(tenant: str, company_ids: Sequence[str], operational_scope_ids: Sequence[str]) -> Owned:
        return Owned(list(companies), list(scopes)) if tenant == "acme" else Owned()

    return owned


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Callable[[Ownership | None], None]:
    """Registers a hook."""
    return lambda ownership: monkeypatch.setattr(exports, "OWNERSHIP", ownership)


@pytest.mark.parametrize(
    ("function", "takes"),
    [
        (seed, False),
        (with_tenant, True),
        (fifth, True),
        (wrapped, True),
        (Called(), True),
        (partial(with_tenant, tenant="globex"), True),
        (partial(seed), False),
        (Application().generate_export, False),
        (exports.APPLICATIONS["payroll"].generate_export, True),
        (anything, False),
    ],
    ids=[
        "seed",
        "with-tenant",
        "fifth",
        "wrapped",
        "object",
        "partial-with-tenant",
        "partial-seed",
        "method",
        "headcount",
        "anything",
    ],
)
def test_a_function_that_declares_the_tenant_is_given_it(function: Callable[..., Any], takes: bool) -> None:
    """By its signature, through decorators too; whoever takes anything has to say so."""
    export_type = made_by(function)
    assert (export_type.takes_tenant, export_type.fault) == (takes, "")
    assert made_by(anything, with_tenant=True).takes_tenant


@pytest.mark.parametrize("function", [three, tenant_first, by_position, seed])
def test_a_function_that_cannot_be_called_is_refused_by_name(
    function: Callable[..., Any], hook: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too few arguments, or the tenant where it cannot be given; the other types are offered."""
    hook(owns())
    export_type = made_by(function, with_tenant=function is seed)
    monkeypatch.setattr(exports, "EXPORT_TYPES", (SESSIONS, export_type))
    assert export_type.fault
    assert "export type 'own' cannot be made" in refused(settings_with())["own"]
    assert offered(settings_with()) == (SESSIONS,)


def test_without_a_hook_the_form_of_the_seed_is_refused_by_name(
    hook: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It says what to write, once in the log; whoever declares the tenant, and SQL, are offered."""
    hook(None)
    safe = made_by(with_tenant)
    unsafe = FunctionExport(name="unsafe", title="U", summary="U.", generate_export=seed)
    monkeypatch.setattr(exports, "EXPORT_TYPES", (SESSIONS, safe, unsafe))
    tenancy._say.cache_clear()
    for _ in range(2):
        assert list(refused(settings_with())) == ["unsafe"]
    for word in ("unsafe", "keyword tenant", "OWNERSHIP", "SINGLE_TENANT"):
        assert word in refused(settings_with())["unsafe"]
    assert len([r for r in caplog.records if "unsafe" in r.getMessage()]) == 1
    assert offered(settings_with()) == (SESSIONS, safe)
    with pytest.raises(SettingsError, match="export type 'unsafe' is not bound to a tenant"):
        wanted_type(asked(exportType="unsafe"), caller(), settings_with())
    with pytest.raises(SettingsError, match="unsafe"):
        reach(unsafe, asked(), caller(), settings_with())
    with pytest.raises(ValidationFailed, match="known: sessions, own"):
        wanted_type(asked(exportType="unsaf"), caller(), settings_with())
    assert wanted_type(asked(exportType="own"), caller(), settings_with()) is safe


def test_a_list_of_export_types_that_knows_of_no_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is that of an application before there was one: the same as without a hook."""
    monkeypatch.delattr(exports, "OWNERSHIP")
    monkeypatch.setattr(exports, "EXPORT_TYPES", (SESSIONS, made_by(seed), replace(made_by(with_tenant), name="safe")))
    assert [t.name for t in offered(settings_with())] == ["sessions", "safe"]
    assert reach(made_by(with_tenant), asked(), caller(), settings_with()) == Reach(("1", "2"), ("n",))


def test_a_deployment_of_one_tenant_needs_no_hook(hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The claims are enough, for that tenant and for nobody else, whatever the type."""
    hook(None)
    unsafe = made_by(seed)
    monkeypatch.setattr(exports, "EXPORT_TYPES", (SESSIONS, unsafe))
    assert offered(settings_with(**SINGLE)) == (SESSIONS, unsafe)
    assert reach(unsafe, asked(), caller(), settings_with(**SINGLE)) == Reach(("1", "2"), ("n",))
    for export_type in (unsafe, SESSIONS):
        with pytest.raises(NotAllowed, match="one organisation, and it is not yours"):
            reach(export_type, asked(), caller(tenant="globex"), settings_with(**SINGLE))


def test_what_was_asked_for_must_be_the_tenants(hook: Any) -> None:
    """Each foreign id is named by its field, and nothing tells a foreign one from one that nobody has."""
    hook(owns(["1"], ["n"]))
    export_type = made_by(seed, Scope.OPERATIONAL)
    request = asked(companyIds=["1", "2", "9"], operationalScopeIds=["n", "m"])
    with pytest.raises(ValidationFailed) as caught:
        reach(export_type, request, caller(["1", "2", "9"], ["n", "m"]), settings_with())
    assert [(e.field, e.message) for e in caught.value.errors] == [
        ("companyIds.1", "'2' is no company of your organisation"),
        ("companyIds.2", "'9' is no company of your organisation"),
        ("operationalScopeIds.1", "'m' is no operational scope of your organisation"),
    ]
    assert reach(export_type, asked(companyIds=["1"]), caller(), settings_with()) == Reach(("1",), ("n",))


def test_what_is_left_out_is_what_the_caller_has_and_the_tenant_owns(hook: Any) -> None:
    """Claims that name foreign companies are restricted, and it is known how many were."""
    hook(owns(["2", "3"], ["n"]))
    assert reach(made_by(seed), asked(), caller(["1", "2"]), settings_with()) == Reach(("2",), ("n",), left_out=1)


@pytest.mark.parametrize("function", [seed, with_tenant])
@pytest.mark.parametrize("scope", list(Scope))
def test_another_tenant_reaches_nothing(hook: Any, function: Callable[..., Any], scope: Scope) -> None:
    """With the same ids in its claims: the form of the seed is not called at all, the other without an id."""
    hook(owns(["1", "2"], ["n"]))
    export_type, stranger = made_by(function, scope), caller(tenant="globex")
    if function is seed:
        with pytest.raises(NotAllowed, match="export type 'own' needs a company"):
            reach(export_type, asked(), stranger, settings_with())
    elif scope is Scope.TENANT:  # its ids mean nothing to it
        assert reach(export_type, asked(), stranger, settings_with()).left_out == 0
    else:
        assert reach(export_type, asked(), stranger, settings_with()) == Reach((), (), left_out=3)


@pytest.mark.parametrize(
    ("scope", "companies", "scopes", "good"),
    [
        (Scope.COMPANY, ["1"], [], True),
        (Scope.COMPANY, [], ["n"], False),
        (Scope.OPERATIONAL, ["1"], ["n"], True),
        (Scope.OPERATIONAL, ["1"], [], False),
        (Scope.OPERATIONAL, [], ["n"], False),
        (Scope.TENANT, [], ["n"], True),
        (Scope.TENANT, ["1"], [], True),
        (Scope.TENANT, [], [], False),
    ],
)
def test_without_an_id_a_function_in_the_form_of_the_seed_is_not_called(
    hook: Any, scope: Scope, companies: list[str], scopes: list[str], good: bool
) -> None:
    """An empty list may mean everything to it, whether it comes from the claims or from the request."""
    hook(owns(["1"], ["n"]))
    export_type = made_by(seed, scope)
    for request, who in (
        (asked(), caller(companies, scopes)),
        (asked(companyIds=companies, operationalScopeIds=scopes), caller(["1"], ["n"])),
    ):
        asks_for_none = scope is Scope.TENANT and request.company_ids is not None
        if good and not asks_for_none:
            assert reach(export_type, request, who, settings_with()) == Reach(tuple(companies), tuple(scopes))
        else:
            with pytest.raises(NotAllowed, match="of your organisation, and you have none"):
                reach(export_type, request, who, settings_with())


@pytest.mark.parametrize("single", [{}, SINGLE], ids=["hook", "one tenant"])
@pytest.mark.parametrize("scope", list(Scope))
def test_asking_for_no_company_is_not_asking_for_all(hook: Any, scope: Scope, single: dict[str, str]) -> None:
    """Also where the whole tenant is meant, and where there is one tenant only: a function may take none for all."""
    hook(owns(["1", "2"], ["n"]))
    export_type, known = made_by(seed, scope), settings_with(**single)
    assert reach(export_type, asked(), caller(), known) == Reach(("1", "2"), ("n",))
    with pytest.raises(NotAllowed, match="needs a company of your organisation"):
        reach(export_type, asked(companyIds=[]), caller(), known)
    if scope is not Scope.COMPANY:
        with pytest.raises(NotAllowed, match="needs an operational scope of your organisation"):
            reach(export_type, asked(operationalScopeIds=[]), caller(), known)
    assert reach(made_by(with_tenant, scope), asked(companyIds=[]), caller(), known).company_ids == ()


@pytest.mark.parametrize(("companies", "scopes"), [(["9"], ["n"]), (["1"], ["m"])], ids=["company", "scope"])
def test_what_is_foreign_does_not_leave_a_kind_empty(hook: Any, companies: list[str], scopes: list[str]) -> None:
    """One good id of the other kind does not make up for it; a kind that nobody spoke of may be empty."""
    hook(owns(["1"], ["n"]))
    with pytest.raises(NotAllowed, match="of your organisation, and you have none"):
        reach(made_by(seed, Scope.TENANT), asked(), caller(companies, scopes), settings_with())
    assert reach(made_by(seed, Scope.TENANT), asked(), caller([], ["n"]), settings_with()) == Reach((), ("n",))


def raising(error: Exception) -> Ownership:
    def owned(tenant: str, company_ids: Sequence[str], operational_scope_ids: Sequence[str]) -> Owned:
        raise error

    return owned


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (SourceUnavailable("gone"), SourceUnavailable),
        (StorageUnavailable("gone"), StorageUnavailable),
        (TransientError("gone"), SourceUnavailable),
        (QueryFailed("no such table"), QueryFailed),
        (NotAllowed("no"), NotAllowed),
        (ConnectionError("password=secret"), SourceUnavailable),
        (KeyError("company"), SourceUnavailable),
        (RecursionError(), SourceUnavailable),
        (MemoryError(), MemoryError),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_a_hook_that_fails_lets_nothing_through(hook: Any, error: Exception, becomes: type[Exception]) -> None:
    """A failure that may pass is tried again; what it says of itself stays in the log."""
    hook(raising(error))
    with pytest.raises(becomes) as caught:
        reach(made_by(seed), asked(), caller(), settings_with())
    assert "secret" not in str(caught.value)


async def never() -> Owned:
    return Owned(["1"])


@pytest.mark.parametrize(
    "answer",
    [None, True, ["1"], {"1"}, {"company_ids": ["1"]}, Owned("12"), Owned(None), Owned([1, 2]), Owned(["1"], "n")],  # type: ignore[arg-type, list-item]
    ids=str,
)
def test_a_hook_that_answers_something_else_lets_nothing_through(hook: Any, answer: Any) -> None:
    """Also a text, which is a collection of its letters, and numbers."""
    hook(lambda *_: answer)
    with pytest.raises(SourceUnavailable, match="OWNERSHIP must answer Owned"):
        reach(made_by(seed), asked(), caller(), settings_with())


def test_a_hook_that_takes_too_long(hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits is told to try again, and the thread is none of those that answer requests."""
    end, threads = threading.Event(), list[str]()

    def slow(tenant: str, company_ids: Sequence[str], operational_scope_ids: Sequence[str]) -> Owned:
        threads.append(threading.current_thread().name)
        end.wait(30)
        return Owned(company_ids, operational_scope_ids)

    hook(slow)
    quick = settings_with().model_copy(update={"estimate_seconds": 0.05})
    monkeypatch.setattr(ownership_check, "settings", lambda: quick)
    with pytest.raises(SourceUnavailable, match=r"OWNERSHIP has not said within 0\.05 seconds"):
        asyncio.run(ownership_check.check_owned(asked(), made_by(seed), caller()))
    end.set()
    assert [name.partition("_")[0] for name in threads] == ["ownership"]
    asyncio.run(ownership_check.check_owned(asked(), SESSIONS, caller()))
    assert len(threads) == 1


def test_a_hook_that_hangs_takes_up_what_its_user_may_have(hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing of others': who asks more is refused, and another tenant is answered."""
    end = threading.Event()

    def hangs(tenant: str, company_ids: Sequence[str], operational_scope_ids: Sequence[str]) -> Owned:
        assert tenant == "globex" or end.wait(60)
        return Owned(company_ids, operational_scope_ids)

    hook(hangs)
    pool = FairPool(4, 2, 3, name="ownership", what="checks")
    monkeypatch.setattr(ownership_check, "_pool", lambda: pool)
    known = settings_with()
    quick = known.model_copy(update={"estimate_seconds": 0.2})
    monkeypatch.setattr(ownership_check, "settings", lambda: known)

    def check(who: Caller) -> None:
        asyncio.run(ownership_check.check_owned(asked(), made_by(seed), who))

    max_ = replace(caller(), user="max")
    with monkeypatch.context() as short:
        short.setattr(ownership_check, "settings", lambda: quick)
        for who in (caller(), caller(), max_):
            with pytest.raises(SourceUnavailable):
                check(who)
    with pytest.raises(TooManyRequests, match="you have 2 checks"):
        check(caller())
    with pytest.raises(TooManyRequests, match="your organisation has 3 checks"):
        check(max_)
    check(replace(caller(), tenant="globex"))
    end.set()


def test_the_demos_hook_has_a_time_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After it the database does no more for it."""
    with closing(sqlite3.connect(tmp_path / "slow.db")) as connection:
        endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n"
        columns = "select cast(-i as text) as id, 'acme' as organisation_id from"
        connection.execute(f"create view companies as {columns} ({endless})")
    monkeypatch.setenv("SOURCE_URL", f"sqlite:///{tmp_path / 'slow.db'}")
    monkeypatch.setattr(ownership_of_demo, "_SECONDS", 0.2)
    with pytest.raises(SourceUnavailable, match=r"has not said within 0\.2 seconds"):
        ownership_of_demo.owned("acme", ["1"], [])


IDS = st.lists(st.text(max_size=3), max_size=6)


@given(owned=IDS, claimed=IDS, wanted=st.none() | IDS)
def test_never_an_id_that_is_not_the_tenants(owned: list[str], claimed: list[str], wanted: list[str] | None) -> None:
    """Whatever is claimed, asked for and owned."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exports, "OWNERSHIP", owns(owned))
        request = asked() if wanted is None else asked(companyIds=wanted)
        try:
            found = reach(made_by(seed), request, caller(claimed), settings_with())
        except (NotAllowed, ValidationFailed):
            asked_for = claimed if wanted is None else wanted
            assert not set(asked_for) <= set(owned) or not asked_for
        else:
            assert set(found.company_ids) <= set(owned)
            assert list(found.company_ids) == [i for i in (claimed if wanted is None else wanted) if i in owned]


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"tenant_sql": ""}, "tenant_sql"),
        ({"tenant_sql": " "}, "tenant_sql"),
        ({"scope": Scope.COMPANY}, "company_sql"),
        ({"scope": Scope.OPERATIONAL, "company_sql": "company_id"}, "operational_scope_sql"),
    ],
)
def test_sql_that_is_not_bound_is_refused_where_it_is_written(changes: dict[str, Any], missing: str) -> None:
    """By its name, and that of what is missing."""
    with pytest.raises(ValueError, match=f"export type 'sessions' has no {missing}"):
        replace(SESSIONS, **changes)


@pytest.mark.parametrize("text", ["acme/..", "a" * 101, "-acme", "acme corp"])
def test_the_only_tenant_has_a_tenants_name(text: str) -> None:
    """Else every caller would be refused without a word."""
    with pytest.raises(SettingsError, match="SINGLE_TENANT: takes a tenant's id"):
        settings_with(SINGLE_TENANT=text)
