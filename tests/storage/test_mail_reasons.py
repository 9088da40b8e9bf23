"""Why a mail was not sent: each reason is counted under its own code, and the log has the sentence."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest

import exports
from demo.azurite_server import Azurite
from exports.sessions import SESSIONS
from shared.durable.inputs import NO_NEWS, ExportRef, NotificationStart, ReasonCode, SkippedMail
from shared.identity.caller import demo_caller
from shared.jobs.records import ExportRecord, new_export_id
from shared.notifications.decide import Decision, plan_notification, remind, send, skip
from shared.observability import metrics
from shared.services import Services
from shared.timestamps import iso
from tests.in_process import services_on

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reference" / "telemetry.md"
CALLER = demo_caller("ada").to_json()
STARTED, ENDED = "2026-03-09T08:00:00.000Z", "2026-03-09T08:00:50.000Z"
Act = Callable[[ExportRecord, Services], object]


@pytest.fixture(scope="module")
def context(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """The services; no mail server listens where mails are to go."""
    server = {"MAIL_TRANSPORT": "smtp", "SMTP_URL": "smtp://127.0.0.1:1"}
    with services_on(azurite, **server) as made:
        yield made


def plan(record: ExportRecord, context: Services) -> object:
    return plan_notification(ExportRef(record.tenant, record.id), context)


def send_now(record: ExportRecord, context: Services) -> object:
    return send(NotificationStart(record.tenant, record.id, ENDED, 1, 0.1), context)


def skipping(code: ReasonCode, reason: str) -> Act:
    return lambda record, context: skip(SkippedMail(record.tenant, record.id, reason, code=code), context)


def without_mail(record: ExportRecord, context: Services) -> object:
    """As if the export type had been registered without mail."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exports, "EXPORT_TYPES", [replace(SESSIONS, notify_channels=("in_app",))])
        return plan(record, context)


CASES: tuple[tuple[ReasonCode, Act, dict[str, Any], str], ...] = (
    ("downloaded", plan, {"downloaded_at": ENDED}, "the file was downloaded"),
    ("seen", plan, {"seen_at": ENDED}, "who asked has seen it"),
    ("downloaded", send_now, {"downloaded_at": ENDED}, "the file was downloaded"),
    ("seen", skipping("seen", NO_NEWS["seen"]), {}, "who asked has seen it"),
    ("quick", plan, {"created_at": ENDED}, "the export took 0 s, quicker than 45 s"),
    ("switched-off", plan, {"body": '"notify":{"email":false}'}, "the request switched it off"),
    ("switched-off", plan, {"created_by": "unsubscribed"}, "the user switched it off"),
    ("kind-switched-off", plan, {"status": "Failed", "body": '"notify":{"onFailure":false}'}, "failures are not told"),
    ("kind-switched-off", remind, {"body": '"notify":{"beforeExpiry":false}'}, "nobody asked for a reminder"),
    ("not-of-type", without_mail, {}, "exports of type 'sessions' do not use it"),
    ("no-address", plan, {"caller": {**CALLER, "email": ""}}, "no address is known of who asked"),
    ("left", plan, {"created_by": "leaver"}, "who asked was offboarded"),
    ("left", send_now, {"created_by": "leaver"}, "who asked was offboarded"),
    ("left", remind, {"created_by": "leaver"}, "who asked was offboarded"),
    ("left", plan, {"created_by": "demoted"}, "who asked was offboarded, or may not export any more"),
    ("not-completed", send_now, {"status": "Expired"}, "the export is Expired by now"),
    (
        "no-address",
        send_now,
        {"caller": {**CALLER, "email": "ada@acme.example, eve"}},
        "no address is known of who asked",
    ),
    (
        "no-address",
        plan,
        {"caller": {**CALLER, "email": "ädä@acme.example"}},
        "no address is known of who asked, or none",
    ),
    ("not-sent", skipping("not-sent", "it could not be sent: gone"), {}, "it could not be sent: gone"),
    ("other", skipping("other", "as the last release says it"), {}, "as the last release says it"),
)


def test_the_cases_are_all_that_there_are() -> None:
    """And the documentation names each of them."""
    codes = set(get_args(ReasonCode))
    assert {code for code, *_ in CASES} == codes
    text = DOCS.read_text()
    assert [code for code in codes if f"`{code}`" not in text] == []


@pytest.mark.parametrize(("code", "act", "values", "sentence"), CASES, ids=[f"{n}-{c[0]}" for n, c in enumerate(CASES)])
def test_a_reason_is_counted_under_its_code(
    context: Services, code: ReasonCode, act: Act, values: dict[str, Any], sentence: str
) -> None:
    """Once, and no other is."""
    record = ended(**values)
    context.records.create(record)
    off = context.preferences.get("acme", "unsubscribed").model_copy(update={"email": False})
    context.preferences.put("acme", "unsubscribed", off)
    context.people.offboard("acme", "leaver", "ada", "admin", datetime.now(UTC))
    context.people.note(replace(demo_caller("vic"), user="demoted"), datetime.now(UTC))
    before = counted(context)
    told = act(record, context)
    after = counted(context)
    assert {labels: n - before.get(labels, 0) for labels, n in after.items() if n != before.get(labels)} == {
        ("skipped", code): 1
    }
    (line,) = [x.message for x in context.log.page(record.id, 10, "")[0] if x.action == "mail-skipped"]
    assert line.startswith(f"No mail: {sentence}")
    assert told is None or isinstance(told, Decision)


def ended(**values: Any) -> ExportRecord:
    """An export that ended a while after it was asked for, of somebody whose address is known."""
    body = ",".join(filter(None, ('"exportType":"sessions"', values.pop("body", ""))))
    usual = ExportRecord(
        tenant="acme",
        id=new_export_id(datetime.now(UTC)),
        export_type="sessions",
        format="csv",
        status="Completed",
        created_by="ada",
        created_at=STARTED,
        completed_at=ENDED,
        expires_at=iso(datetime(2026, 3, 16, tzinfo=UTC)),
        request={"body": "{" + body + "}"},
        caller=CALLER,
        file_name="sessions.csv",
    )
    return replace(usual, **values)


def counted(context: Services) -> dict[tuple[str, ...], float]:
    """How many mails were counted, by outcome and reason."""
    metrics.save()
    return {
        labels: values[0] for (name, labels), values in context.counts.total().items() if name == metrics.MAILS.name
    }
