"""Who decides: the request, then the person, then the export type, then the settings; and a no stays a no."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from demo.stack import bare_settings
from exports import EXPORT_TYPES
from shared.catalog.export_types import ExportType
from shared.jobs.records import ExportRecord
from shared.notifications.channels import CHANNELS
from shared.notifications.policy import Kind, Policy, Reason
from shared.requests.export_request import Notify
from shared.settings import settings_from

SETTINGS = settings_from(bare_settings("UseDevelopmentStorage=true"))
TYPE = ExportType(name="things", title="Things", summary="Things.")
TOOK_50_SECONDS = ExportRecord(
    tenant="acme",
    id="0",
    export_type="things",
    format="csv",
    status="Completed",
    created_by="ada",
    created_at="2026-03-09T08:00:00.000Z",
    completed_at="2026-03-09T08:00:50.000Z",
    request={},
    caller={},
)


def policy(person: Any = None, request: Any = None, **own: Any) -> Policy:
    """What holds for these choices, of an export type with these values."""
    return Policy(
        replace(TYPE, **own), Notify.model_validate(person or {}), Notify.model_validate(request or {}), SETTINGS
    )


def sentence(reason: Reason | None) -> str:
    """What the log says; empty when nothing is against it."""
    return reason.sentence if reason else ""


@pytest.mark.parametrize(
    ("choices", "seconds"),
    [
        (policy(), (120, 45)),
        (policy(notify_grace=timedelta(0), notify_after=timedelta(seconds=1)), (0, 1)),
        (policy({"graceSeconds": 7, "afterSeconds": 8}, notify_grace=timedelta(0)), (7, 8)),
        (policy({"graceSeconds": 7, "afterSeconds": 8}, {"graceSeconds": 0, "afterSeconds": 0}), (0, 0)),
    ],
    ids=["settings", "type", "person", "request"],
)
def test_the_nearest_word_on_time_counts(choices: Policy, seconds: tuple[int, int]) -> None:
    """A zero is a word, too."""
    assert (choices.grace.total_seconds(), choices.after.total_seconds()) == seconds


@pytest.mark.parametrize(
    ("choices", "kind", "reason"),
    [
        (policy(), "completed", ""),
        (policy(), "failed", ""),
        (policy(), "expiring", ""),
        (policy({"email": False}, {"email": True}), "completed", "the user switched it off"),
        (policy({"email": True}, {"email": False}), "completed", "the request switched it off"),
        (policy({"inApp": False}, {"inApp": False}), "completed", ""),
        (policy(notify_channels=()), "completed", "exports of type 'things' do not use it"),
        (policy({"email": True}, notify_channels=()), "completed", ""),
        (policy(None, {"email": True}, notify_channels=()), "completed", ""),
        (policy(notify_on_failure=False), "failed", "failures are not told"),
        (policy(notify_on_failure=False), "completed", ""),
        (policy({"onFailure": True}, notify_on_failure=False), "failed", ""),
        (policy({"onFailure": True}, {"onFailure": False}), "failed", "failures are not told"),
        (policy(notify_before_expiry=False), "expiring", "nobody asked for a reminder"),
        (policy({"beforeExpiry": False}, {"beforeExpiry": True}), "expiring", ""),
    ],
)
def test_the_reason_why_a_mail_is_not_sent(choices: Policy, kind: Kind, reason: str) -> None:
    """Empty when it is."""
    assert sentence(choices.against(kind, "email")) == reason


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        (policy(), ""),
        (policy({"afterSeconds": 50}), ""),
        (policy({"afterSeconds": 51}), "the export took 50 s, quicker than 51 s"),
        (policy({"afterSeconds": 51, "email": True}), "the export took 50 s, quicker than 51 s"),
        (policy({"afterSeconds": 51}, {"email": True}), ""),
    ],
    ids=["long enough", "just", "too quick", "a preference is no request", "asked for"],
)
def test_a_quick_export_sends_none_unless_its_request_asks(choices: Policy, reason: str) -> None:
    """Who asked for a mail gets it."""
    assert sentence(choices.too_quick(TOOK_50_SECONDS, "email")) == reason


@pytest.mark.parametrize("export_type", EXPORT_TYPES, ids=lambda t: t.name)
def test_export_types_name_channels_that_there_are(export_type: ExportType) -> None:
    """A channel that is spelt wrong would be silently not used."""
    assert set(export_type.notify_channels) <= set(CHANNELS)
