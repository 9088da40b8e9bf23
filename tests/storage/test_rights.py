"""Rights that are gone: an export is neither made anew nor handed out to somebody who could not ask for it now."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

import exports
from demo.azurite_server import Azurite
from exports.employees import EMPLOYEES
from exports.exemptions import EXEMPTIONS
from exports.users import USERS
from shared.catalog.export_types import Role
from shared.durable.inputs import ExportRef
from shared.errors import NotAllowed
from shared.identity.caller import Caller
from shared.jobs.records import ExportRecord, new_export_id
from shared.jobs.retrying import retry
from shared.jobs.rights import check_file_of
from shared.notifications.decide import plan_notification
from shared.services import Services
from shared.timestamps import iso
from tests.in_process import services_on

NOW = datetime.now(UTC)
BOTH = ("123", "124"), ("north", "south")
ALL = (Role.SUPER_ADMIN, Role.ADMIN, Role.MANAGER)


@pytest.fixture(scope="module")
def context(azurite: Azurite) -> Iterator[Services]:
    """The services."""
    with services_on(azurite) as made:
        yield made


def person(user: str, *roles: Role, companies: Any = (), scopes: Any = (), **changes: Any) -> Caller:
    """Somebody of acme."""
    return Caller(user, f"{user}@acme.example", user, "acme", roles, tuple(companies), tuple(scopes), **changes)


def export(context: Services, owner: Caller, export_type: str, status: str = "Failed", **body: Any) -> ExportRecord:
    """An export that the owner asked for, and that ended."""
    request = {"body": f'{{"exportType":"{export_type}"' + "".join(f',"{k}":{v}' for k, v in body.items()) + "}"}
    times = {"created_at": iso(NOW), "completed_at": iso(NOW), "expires_at": "2099-01-01T00:00:00.000Z"}
    made = ExportRecord(
        "acme",
        new_export_id(NOW),
        export_type,
        "csv",
        status,
        owner.user,
        request=request,
        caller=owner.to_json(),
        **times,
    )
    context.records.create(made)
    found = context.records.get("acme", made.id)
    assert found is not None
    return found


CASES: list[tuple[str, dict[str, Any], Caller, Caller, str]] = [
    # type, body, as whom it was asked for, as whom the owner comes now, why not
    ("users", {}, person("u", Role.ADMIN), person("u", Role.MANAGER), "'users' is open to: SuperAdmin, Admin; "),
    ("users", {}, person("u", Role.ADMIN), person("u", Role.ADMIN), ""),
    ("users", {}, person("u", Role.SUPER_ADMIN), person("u", Role.ADMIN), ""),
    (
        "employees",
        {},
        person("u", Role.MANAGER, companies=BOTH[0], scopes=BOTH[1]),
        person("u", Role.MANAGER, companies=["124"], scopes=BOTH[1]),
        "rows of companies that are not",
    ),
    (
        "employees",
        {},
        person("u", Role.MANAGER, companies=BOTH[0], scopes=BOTH[1]),
        person("u", Role.MANAGER, companies=BOTH[0], scopes=["north"]),
        "rows of operational scopes",
    ),
    (
        "employees",
        {"companyIds": '["123"]', "operationalScopeIds": '["north"]'},
        person("u", Role.MANAGER, companies=BOTH[0], scopes=BOTH[1]),
        person("u", Role.MANAGER, companies=["123", "999"], scopes=["north"]),
        "",
    ),
    (
        "exemptions",
        {},
        person("u", Role.MANAGER, companies=["123"], scopes=["north"]),
        person("u", Role.MANAGER, companies=[], scopes=["north"]),
        "rows of companies",
    ),
    ("sessions", {}, person("u", Role.MANAGER, companies=["123"]), person("u", Role.MANAGER), ""),
    ("gone", {}, person("u", Role.MANAGER), person("u", Role.MANAGER), "'gone' is gone"),
]


@pytest.mark.parametrize(("export_type", "body", "asked", "now", "why"), CASES, ids=range(len(CASES)))
def test_an_owner_has_what_they_could_ask_for_now(
    context: Services, export_type: str, body: dict[str, Any], asked: Caller, now: Caller, why: str
) -> None:
    """A retry and the file alike; what the link of a mail gives goes by the owner's last call."""
    finished = export(context, asked, export_type, "Completed", **body)
    context.people.note(now, NOW)
    for caller in (now, None):
        if why:
            with pytest.raises(NotAllowed, match=why):
                check_file_of(finished, caller, context)
        else:
            check_file_of(finished, caller, context)
    if export_type == "gone":
        return
    failed = export(context, asked, export_type, **body)
    if why:
        with pytest.raises(NotAllowed, match=why):
            retry(failed, now, context)
        assert context.records.get("acme", failed.id) == failed
    else:
        assert retry(failed, now, context).status == "Pending"


def test_somebody_elses_export_is_retried_on_its_owners_rights(context: Services) -> None:
    """By an Admin, and by an operator; of an owner who never called since, or has left, nothing else is known."""
    admin, operator = person("ada", Role.ADMIN), replace(person("sam", Role.SUPER_ADMIN), tenant="house")
    asked = person("eve", Role.MANAGER, companies=["123"], scopes=["north"])
    first = export(context, asked, "employees")
    assert retry(first, admin, context).status == "Pending"
    context.people.note(replace(asked, company_ids=()), NOW)
    for who in (admin, operator):
        with pytest.raises(NotAllowed, match="rows of companies that are not those of who asked for it"):
            retry(export(context, asked, "employees"), who, context)
    context.people.note(asked, NOW)
    for who in (admin, operator):
        assert retry(export(context, asked, "employees"), who, context).attempt == 2
    context.people.offboard("acme", "eve", "ada", "admin", NOW)
    assert retry(export(context, asked, "employees"), admin, context).attempt == 2


def test_an_admin_has_every_file_of_types_that_are_open_to_admins(
    context: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever companies are in their token; an operator has every file. Of a type that is gone, too."""
    monkeypatch.setattr(exports, "EXPORT_TYPES", [EMPLOYEES, EXEMPTIONS, replace(USERS, roles=(Role.SUPER_ADMIN,))])
    admin, operator = person("ada", Role.ADMIN), replace(person("sam", Role.SUPER_ADMIN), tenant="house")
    asked = person("max", Role.MANAGER, companies=["123"], scopes=["north"])
    for name in ("employees", "exemptions", "sessions"):
        check_file_of(export(context, asked, name, "Completed"), admin, context)
        check_file_of(export(context, asked, name, "Completed"), operator, context)
    with pytest.raises(NotAllowed, match="'users' is open to: SuperAdmin; you are: Admin"):
        check_file_of(export(context, operator, "users", "Completed"), admin, context)


def test_a_service_names_its_companies_with_each_token(context: Services) -> None:
    """Its retry goes by the type alone: whoever has the key may name any."""
    billing = person("service:billing", Role.ADMIN, companies=["123"], scopes=["north"], service=True)
    failed = export(context, billing, "employees")
    assert retry(failed, replace(billing, company_ids=()), context).status == "Pending"


def test_nobody_is_told_of_a_file_that_they_may_not_have(context: Services) -> None:
    """The mail would have a link that leads nowhere."""
    asked = person("leo", Role.ADMIN)
    finished = export(context, asked, "users", "Completed")
    context.people.note(person("leo", Role.MANAGER), NOW)
    decision = plan_notification(ExportRef("acme", finished.id), context)
    assert "may not export" in str(decision)
