"""Before a function is called the activity asks whose companies these are, whatever made the record, plan and parts."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import pytest

import exports
from activities.encode_part import encode
from activities.merge import merge
from demo.azurite_server import Azurite
from shared.catalog.export_types import FunctionExport, GeneratedExportData, Role, Scope
from shared.catalog.ownership import Owned
from shared.durable.inputs import ExportRef, PartJob
from shared.errors import NotAllowed, SettingsError, SourceUnavailable, ValidationFailed
from shared.formats.base import FileSpec
from shared.identity.caller import Caller
from shared.jobs import plan
from shared.jobs.plan import ExportPlan, FunctionCall
from shared.jobs.planning import make_plan
from shared.jobs.records import ExportRecord
from shared.jobs.status import Status
from shared.schedules.run_due import wanted_record
from shared.schedules.store import Schedule
from shared.services import Services
from shared.storage.names import part_blob, plan_blob
from shared.storage.part_upload import PartUpload
from shared.timestamps import iso, utc_now
from tests.in_process import services_on


@dataclass
class Team:
    """An export type in the form of the seed, and the hook beside it: what they were called with."""

    calls: list[tuple[list[str], list[str]]] = field(default_factory=list)
    owner: str = "acme"
    away: bool = False

    def generate_export(
        self, filters: Any, file_format: str, company_ids: Sequence[str], operational_scope_ids: Sequence[str]
    ) -> GeneratedExportData:
        self.calls.append((list(company_ids), list(operational_scope_ids)))
        return GeneratedExportData(b"a\r\n", "text/csv", 1)

    def owned(self, tenant: str, company_ids: Sequence[str], operational_scope_ids: Sequence[str]) -> Owned:
        if self.away:
            raise ConnectionError("gone")
        return Owned(["1", "2"], ["n"]) if tenant == self.owner else Owned()


@pytest.fixture(scope="module")
def context(azurite: Azurite) -> Iterator[Services]:
    """The services of an activity."""
    with services_on(azurite) as found:
        yield found


@pytest.fixture
def team(monkeypatch: pytest.MonkeyPatch) -> Team:
    """The export type ``own``, and its hook."""
    found = Team()
    types = (
        FunctionExport(name="own", title="O", summary="O.", scope=Scope.COMPANY, generate_export=found.generate_export),
    )
    monkeypatch.setattr(exports, "EXPORT_TYPES", types)
    monkeypatch.setattr(exports, "OWNERSHIP", found.owned)
    return found


def planned(context: Services, tenant: str, claims: Sequence[str], body: str = '{"exportType": "own"}') -> PartJob:
    """The only part of an export that an older release has planned: its plan has the ids that were claimed."""
    export_id = uuid4().hex
    caller = Caller("u", "", "U", tenant, (Role.ADMIN,), tuple(claims), ("n",))
    context.records.create(
        ExportRecord(
            tenant, export_id, "own", "csv", Status.PROCESSING, "u", iso(utc_now()), {"body": body}, caller.to_json()
        )
    )
    call = FunctionCall({}, "csv", tuple(claims), ("n",))
    made = ExportPlan("own", "csv", FileSpec((), options={}), call=call)
    context.blobs.put_once(plan_blob(tenant, export_id), plan.dump(made), "application/json")
    return PartJob(tenant, export_id, 0)


def test_the_function_is_called_with_what_the_tenant_owns(context: Services, team: Team) -> None:
    """The others that the plan names are left out, and the export's log says so: once, however often a step runs."""
    job = planned(context, "acme", ["1", "9"])
    for _ in range(2):
        assert encode(job, context).rows == 1
    assert team.calls == [(["1"], ["n"])]
    for _ in range(2):
        merge(ExportRef(job.tenant, job.export_id), context)
    lines, _ = context.log.page(job.export_id, 10, "")
    assert [(line.action, line.level) for line in lines] == [("merged", "info"), ("left-out", "warning")]
    assert lines[1].message.startswith("Left out 1 id of companies")


def test_a_plan_names_the_ids_for_the_last_release_only(context: Services, team: Team) -> None:
    """Its workers refuse a call without them; a plan of a later release that has none is called as well."""
    job = planned(context, "acme", ["1", "9"])
    made = make_plan(context.record(ExportRef("acme", job.export_id)), context, lambda: None)
    call = json.loads(plan.dump(made))["call"]
    assert call == {"filters": {}, "file_format": "csv", "company_ids": ["1", "9"], "operational_scope_ids": ["n"]}
    del call["company_ids"], call["operational_scope_ids"]
    later = json.dumps(json.loads(plan.dump(made)) | {"call": call}).encode()
    context.blobs.put(plan_blob("acme", job.export_id), later, "application/json")
    assert encode(job, context).rows == 1
    assert team.calls == [(["1"], ["n"])]


@pytest.mark.parametrize("made", [False, True], ids=["to be made", "made already"])
def test_a_part_of_another_tenant_fails(context: Services, team: Team, made: bool) -> None:
    """Also when an older release has made it: a retry publishes nothing of that."""
    job = planned(context, "globex", ["1"])
    if made:
        data = context.blobs.get(plan_blob(job.tenant, job.export_id))
        assert data is not None
        upload = PartUpload(context.blobs, part_blob(job.tenant, job.export_id, 0), place_in="")
        upload.write(b"acme's\r\n")
        upload.commit(0, 1, {"mimetype": "text/csv"}, plan.plan_hash(data))
    with pytest.raises(NotAllowed, match="needs a company of your organisation"):
        encode(job, context)
    assert team.calls == []


def test_what_was_asked_for_and_has_changed_hands(context: Services, team: Team) -> None:
    """A company that is not the tenant's any more fails the export, such as one of a schedule."""
    job = planned(context, "acme", ["1"], '{"exportType": "own", "companyIds": ["1"]}')
    team.owner = "globex"
    with pytest.raises(ValidationFailed, match=r"companyIds\.0: '1' is no company of your organisation"):
        encode(job, context)
    assert team.calls == []


def test_a_hook_that_fails_has_the_part_tried_again(context: Services, team: Team) -> None:
    """It is like a database that is away."""
    job = planned(context, "acme", ["1"])
    team.away = True
    with pytest.raises(SourceUnavailable):
        encode(job, context)
    assert team.calls == []
    team.away = False
    assert encode(job, context).rows == 1


def test_without_a_hook_nothing_is_called(context: Services, team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """For an export that was taken when there was one."""
    monkeypatch.setattr(exports, "OWNERSHIP", None)
    with pytest.raises(SettingsError, match="export type 'own' is not bound to a tenant"):
        encode(planned(context, "acme", ["1"]), context)
    assert team.calls == []


@pytest.fixture
def single(context: Services) -> Callable[[str], Services]:
    """The same services where one tenant is served only."""
    return lambda tenant: replace(context, settings=context.settings.model_copy(update={"single_tenant": tenant}))


def test_the_only_tenant_needs_no_hook(
    context: Services, team: Team, single: Callable[[str], Services], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its claims are enough; what others have asked for earlier is not made."""
    monkeypatch.setattr(exports, "OWNERSHIP", None)
    assert encode(planned(context, "acme", ["1", "9"]), single("acme")).rows == 1
    assert team.calls == [(["1", "9"], ["n"])]
    with pytest.raises(NotAllowed, match="this service works for one organisation"):
        encode(planned(context, "globex", ["1"]), single("acme"))
    assert len(team.calls) == 1


def test_a_schedule_whose_company_has_changed_hands(context: Services, team: Team) -> None:
    """Its run is refused with the field, before there is an export; when the hook is away, it waits."""
    now = utc_now()
    request = '{"exportType": "own", "companyIds": ["1"]}'
    owner = Caller("u", "", "U", "acme", (Role.ADMIN,), ("1",), ("n",), service=True)
    schedule = Schedule("acme", "s", "S", "u", iso(now), "0 6 * * *", "UTC", request, owner.to_json(), iso(now))
    assert asyncio.run(wanted_record(schedule, now, context)).export_type == "own"
    team.owner = "globex"
    with pytest.raises(ValidationFailed, match=r"request\.companyIds\.0: '1' is no company of your organisation"):
        asyncio.run(wanted_record(schedule, now, context))
    team.away = True
    with pytest.raises(SourceUnavailable):
        asyncio.run(wanted_record(schedule, now, context))
