"""Nobody finds anything of another tenant, whatever their claims say, in any export type and any format."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from demo import processes, stack
from demo.client import Client
from exports import EXPORT_TYPES
from shared.catalog.export_types import ExportType
from tests.conftest import NewAccount
from tests.formats.readers import READERS
from tests.service.conftest import BY_HAND, Service, Start
from tests.service.issuer import AUDIENCE, Issuer
from tests.service.problems import assert_problem

ROOT = Path(__file__).parents[2]
CLAIMS = {"company_ids": ["123", "124", "125"], "operational_scope_ids": ["north", "south"]}
"""What an Admin of acme has, and whoever claims the same."""

OWN_TYPES = '''
from exports.exemptions import generate_export as of_tenant
from exports.ownership import owned as owned_by_database
from shared.catalog.export_types import FunctionExport, Scope


def seed_form(filters, file_format, company_ids, operational_scope_ids):
    """Exemptions by company and scope, which is all that the form of the seed can tell; the rows are acme's."""
    return of_tenant(filters, file_format, company_ids, operational_scope_ids, tenant="acme")


def deaf(filters, file_format, company_ids, operational_scope_ids, *, tenant):
    return seed_form(filters, file_format, ("123",), ("north", "south"))


def OWNERSHIP(tenant, company_ids, operational_scope_ids):
    if "down" in company_ids:
        raise ConnectionError("password=secret")
    return owned_by_database(tenant, company_ids, operational_scope_ids)


EXPORT_TYPES = (
    *EXPORT_TYPES,
    FunctionExport(name="seed-form", title="S", summary="S.", scope=Scope.OPERATIONAL, generate_export=seed_form),
    FunctionExport(name="deaf", title="D", summary="D.", generate_export=deaf),
)
'''
"""Export types that a team might write: one in the form of the seed, one that is given the tenant and does not look."""


def app_with(folder: Path, more: str) -> Path:
    """The app in a folder of its own, with more in the module that lists its export types."""
    folder.mkdir()
    for entry in ROOT.iterdir():
        if entry.name != "exports" and not entry.name.startswith("."):
            (folder / entry.name).symlink_to(entry)
    shutil.copytree(ROOT / "exports", folder / "exports", ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "exports" / "__init__.py").open("a", encoding="utf-8") as module:
        module.write(more)
    return folder


Begin = Callable[[str], Service]


@pytest.fixture(scope="module")
def begin(
    new_account: NewAccount, database: Path, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Begin]:
    """Start the app with more in the list of its export types."""
    with ExitStack() as hosts:

        def start(more: str) -> Service:
            home, port = tmp_path_factory.mktemp("tenants"), processes.free_port()
            usual = stack.app_settings(home, port, new_account().connection_string, f"sqlite:///{database}")
            usual |= {**BY_HAND, "FUNCTIONS_WORKER_PROCESS_COUNT": "1", "RETRY_FIRST_SECONDS": "0.2"}
            usual |= {"AUTH_MODE": "jwt", "JWT_ISSUER": issuer.url, "JWT_AUDIENCE": AUDIENCE, "PART_ATTEMPTS": "2"}
            app = app_with(home / "app", more)
            hosts.enter_context(stack.host(home, port, usual, app=app))
            return Service(f"http://127.0.0.1:{port}/api", home)

        yield start


@pytest.fixture(scope="module")
def own_types(begin: Begin) -> Service:
    """The app with more export types, and a hook."""
    return begin(OWN_TYPES)


def leaked(service: Service, issuer: Issuer, export_type: str, formats: Sequence[str]) -> int:
    """How many of acme's rows umbrella finds with acme's ids in its claims. A refusal is as good as an empty file.

    Umbrella has no rows of its own, except in the audit log.
    """
    ada, stranger = issuer.token(**CLAIMS), issuer.token(tid="umbrella", sub="stranger", **CLAIMS)
    body = {"exportType": export_type, "fresh": True}
    asked = {name: service.export(stranger, format=name, **body) for name in formats}
    acmes = rows_of(service, ada, service.export(ada, format=formats[0], **body))
    assert acmes
    found = 0
    for answer in asked.values():
        if answer.status_code in (400, 403):
            continue
        rows = rows_of(service, stranger, answer)
        found += len([row for row in rows if row in acmes] if export_type == "audit" else rows)
    return found


def rows_of(service: Service, token: str, answer: requests.Response) -> list[Any]:
    """The rows of the export; of a PDF only so many of nothing."""
    assert answer.status_code == 202, answer.text
    status = service.status(token, answer.json()["id"])
    assert (status["status"], status.get("error")) == ("Completed", None)
    if status["format"] == "pdf":
        return [None] * int(status["file"]["rows"])
    headers = {"Authorization": f"Bearer {token}"}
    file = requests.get(f"{service.api}/exports/{status['id']}/download", headers=headers, timeout=60)
    _, rows = READERS[status["format"]](file.content)
    assert len(rows) == status["file"]["rows"]
    return rows


@pytest.mark.parametrize("export_type", EXPORT_TYPES, ids=lambda t: t.name)
def test_another_tenant_with_the_same_claims_finds_nothing(
    jwt_service: Service, issuer: Issuer, export_type: ExportType
) -> None:
    """In any format of any type."""
    assert leaked(jwt_service, issuer, export_type.name, export_type.formats) == 0


def test_a_type_that_is_not_bound_to_its_tenant_is_found_out(own_types: Service, issuer: Issuer) -> None:
    """The test above is able to fail: for a function that is given the tenant and does not look at it."""
    assert leaked(own_types, issuer, "deaf", ["csv"]) > 0


def test_the_form_of_the_seed_is_called_with_what_the_tenant_owns(own_types: Service, issuer: Issuer) -> None:
    """Whoever owns the companies has the file; who only claims the same is refused, and by an estimate too."""
    assert leaked(own_types, issuer, "seed-form", ["csv"]) == 0
    for tenant in ("globex", "umbrella"):
        token = issuer.token(tid=tenant, **CLAIMS)
        sentence = "'seed-form' needs a company of your organisation, and you have none"
        assert_problem(own_types.export(token, exportType="seed-form"), "not-allowed", detail=sentence)
        estimate = own_types.post(token, "/exports/estimate", exportType="seed-form")
        assert_problem(estimate, "not-allowed", detail=sentence)
        schedule = own_types.post(token, "/schedules", name="S", cron="0 6 * * *", request={"exportType": "seed-form"})
        assert_problem(schedule, "not-allowed", detail=sentence)


def test_claims_are_restricted_to_what_the_tenant_owns(own_types: Service, issuer: Issuer) -> None:
    """And the export's log says that something was left out."""
    token = issuer.token(company_ids=["123", "201", "nobody"], operational_scope_ids=["north", "south"])
    answer = own_types.export(token, exportType="seed-form")
    rows = rows_of(own_types, token, answer)
    assert {row[1] for row in rows} == {"123"}
    lines = own_types.with_token(token, f"/exports/{answer.json()['id']}/logs").json()["items"]
    assert [line["message"] for line in lines if line["action"] == "left-out"] == [
        "Left out 2 ids of companies and operational scopes that are not your organisation's."
    ]


@pytest.mark.parametrize("export_type", ["exemptions", "payroll-headcount", "roster-headcount", "seed-form"])
def test_asking_for_a_foreign_company(own_types: Service, issuer: Issuer, export_type: str) -> None:
    """Each is named by its field, the same whether somebody else has it or nobody."""
    ids = ["201", "123", "999"]
    token = issuer.token(tid="globex", company_ids=ids, operational_scope_ids=["emea", "north"])
    asked = {"exportType": export_type, "companyIds": ids, "operationalScopeIds": ["north"]}
    wrong = {
        "companyIds__1": "'123' is no company of your organisation",
        "companyIds__2": "'999' is no company of your organisation",
        "operationalScopeIds__0": "'north' is no operational scope of your organisation",
    }
    assert_problem(own_types.export(token, **asked), "validation-failed", **wrong)
    schedule = own_types.post(token, "/schedules", name="S", cron="0 6 * * *", request=asked)
    assert_problem(schedule, "validation-failed", **{f"request__{name}": text for name, text in wrong.items()})


def test_a_hook_that_fails_is_a_source_that_is_away(own_types: Service, issuer: Issuer) -> None:
    """503 to try again, and nothing of what went wrong."""
    answer = own_types.export(issuer.token(company_ids=["123", "down"]), exportType="exemptions")
    assert_problem(answer, "source-unavailable")
    assert "secret" not in answer.text


def test_without_a_hook_the_rest_of_the_app_works(begin: Begin, issuer: Issuer) -> None:
    """The type in the form of the seed is not offered; health, the log and whoever asks for it say what to write."""
    service = begin(OWN_TYPES + "OWNERSHIP = None\n")
    token = issuer.token(**CLAIMS)
    types = {t["name"] for t in service.with_token(token, "/export-types").json()["items"]}
    assert types == {t.name for t in EXPORT_TYPES} | {"deaf"}
    assert_problem(
        service.export(token, exportType="seed-form"),
        "settings-error",
        detail="export type 'seed-form' is not bound to a tenant: declare the keyword tenant",
    )
    health = service.get("/health").json()
    assert (health["status"], health["refusedExportTypes"]) == ("ok", ["seed-form"])
    operator = issuer.token(roles=["SuperAdmin"])
    reasons = service.with_token(operator, "/ops/overview").json()["refusedExportTypes"]
    assert list(reasons) == ["seed-form"]
    assert "declare the keyword tenant" in reasons["seed-form"]
    document = service.get("/openapi.json").text
    assert "seed-form" not in json.loads(document)["components"]["schemas"]
    assert rows_of(service, token, service.export(token, exportType="exemptions"))
    log = (service.home / "logs" / "host.log").read_text()
    assert log.count("action=export-type-refused") == 1


def test_a_deployment_of_one_tenant(start: Start) -> None:
    """Callers and services of any other are refused, whatever their role; its own are not."""
    service = start(AUTH_MODE="dev", SERVICE_TOKENS="true", SINGLE_TENANT="acme")
    ada, bea = Client(service.api, "ada"), Client(service.api, "bea")
    assert ada.wait(ada.start(exportType="exemptions"))["file"]["rows"] > 0
    refused = "this service works for one organisation, and it is not yours"
    assert_problem(bea.call("GET", "/exports"), "not-allowed", detail=refused)
    assert_problem(bea.call("POST", "/exports", json={"exportType": "sessions"}), "not-allowed", detail=refused)
    for tenant, status in (("acme", 200), ("globex", 403)):
        body = {"service": "billing", "tenant": tenant}
        assert requests.post(f"{service.api}/service/token", json=body, timeout=30).status_code == status
