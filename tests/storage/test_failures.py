"""What a failed step says: its outline in the state of the durable engine, all of it in the export's record and log."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from activities.outcome import awaited, outcome
from demo.azurite_server import Azurite
from orchestrators.parts import _told
from shared.durable.inputs import ExportRef, FailedExport, Failure
from shared.errors import QueryFailed, SluiceError, SourceUnavailable, StorageUnavailable
from shared.identity.caller import demo_caller
from shared.jobs.failing import fail
from shared.jobs.records import ExportRecord, new_export_id
from shared.services import Services
from shared.timestamps import iso
from tests.in_process import services_on

QUOTED = "the database refused the query: invalid input syntax for type integer: 'zelda@acme.example'"


@pytest.fixture(scope="module")
def context(azurite: Azurite) -> Iterator[Services]:
    """The services of the activities."""
    with services_on(azurite) as made:
        yield made


def running(context: Services) -> ExportRecord:
    """An export that is being worked on."""
    now = datetime.now(UTC)
    record = ExportRecord(
        tenant="acme",
        id=new_export_id(now),
        export_type="sessions",
        format="csv",
        status="Processing",
        created_by="ada",
        created_at=iso(now),
        request={"body": '{"exportType":"sessions"}'},
        caller=demo_caller("ada").to_json(),
    )
    context.records.create(record)
    return record


def answer_of(error: Exception, record: ExportRecord, *, asynchronous: bool = False) -> dict[str, Any]:
    """What an activity answers whose work ends with this error."""
    given = ExportRef(record.tenant, record.id).to_json()

    def work() -> Any:
        raise error

    async def waits() -> Any:
        raise error

    return asyncio.run(awaited(waits(), given)) if asynchronous else outcome(work, given)


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("kind", [QueryFailed, SourceUnavailable, SluiceError])
def test_what_an_error_quotes_stays_out_of_durable_state(
    context: Services, caplog: pytest.LogCaptureFixture, kind: type[SluiceError], asynchronous: bool
) -> None:
    """The record and the export's log have the whole sentence, the application's log only where it quotes no value."""
    record = running(context)
    answer = answer_of(kind(QUOTED), record, asynchronous=asynchronous)
    assert "zelda" not in json.dumps(answer)
    told = _told(Failure.from_json(answer["failure"]), 2, 20, 6)
    assert told.message == f"part 3 of 20 failed 6 times: {kind.outline}"
    assert "zelda" not in json.dumps(told.to_json())
    fail(FailedExport(record.tenant, record.id, told.to_json()), context)
    stored = context.records.get(record.tenant, record.id)
    assert stored is not None
    assert (stored.error_code, stored.error_message) == (kind.code, f"part 3 of 20 failed 6 times: {QUOTED}")
    lines, _ = context.log.page(record.id, 200, "")
    assert [line.message for line in lines] == [f"Failed: {stored.error_message}"]
    assert "zelda" not in caplog.text
    assert ("invalid input syntax" in caplog.text) == (not kind.quotes)
    context.log.delete(record.id)
    assert context.log.sentence_of(record.id, told.detail, told.message) == told.message


@pytest.mark.parametrize("asynchronous", [False, True])
def test_what_nobody_foresaw_says_nothing_of_itself(context: Services, asynchronous: bool) -> None:
    """Such as an address that could not be encoded: a reference, and the rest is in the application's log."""
    answer = answer_of(
        UnicodeEncodeError("ascii", "zeldä@acme.example", 4, 5, "zelda"), running(context), asynchronous=asynchronous
    )
    assert answer["failure"]["code"] == "internal-error"
    assert "zeld" not in json.dumps(answer)


def test_a_failure_without_a_sentence_of_its_own_keeps_none(context: Services) -> None:
    """Storage that is away could not keep it; and a failure of an older release has its message in it."""
    record = running(context)
    answer = answer_of(StorageUnavailable("3 of 4 parts are in storage"), record)
    assert answer["failure"] == {
        "code": "storage-unavailable",
        "message": StorageUnavailable.outline,
        "transient": True,
        "retry_after": 0.0,
    }
    older = {"code": "query-failed", "message": "as the last release said it", "transient": False}
    fail(FailedExport(record.tenant, record.id, older), context)
    stored = context.records.get(record.tenant, record.id)
    assert stored is not None
    assert stored.error_message == "as the last release said it"


def test_a_sentence_is_kept_once(context: Services) -> None:
    """However often the step is tried; lines of the log before and after it are all there."""
    record = running(context)
    for number in range(3):
        context.log.add(record.tenant, record.id, "tried", f"try {number}")
        answer_of(QueryFailed(QUOTED), record)
    lines, cursor = context.log.page(record.id, 2, "")
    rest, end = context.log.page(record.id, 2, cursor)
    assert ([line.message for line in (*lines, *rest)], end) == (["try 0", "try 1", "try 2"], "")
    failure = Failure.from_json(answer_of(QueryFailed(QUOTED), record)["failure"])
    other = replace(failure, message="said otherwise")
    assert context.log.sentence_of(record.id, failure.detail, failure.message) == QUOTED
    assert context.log.sentence_of(record.id, other.detail, other.message) == "said otherwise"
