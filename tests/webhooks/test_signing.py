"""Signatures: those of Standard Webhooks, checked with its library and its test vector."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from shared.identity.caller import Caller, demo_caller
from shared.timestamps import iso
from shared.webhooks.endpoints import Endpoint, Secret
from shared.webhooks.signing import new_secret, signed_headers

NOW = datetime(2026, 1, 31, 12, 0, 0, 999_999, tzinfo=UTC)


def test_the_official_vector() -> None:
    """That of the reference implementations: https://github.com/standard-webhooks/standard-webhooks, libraries/."""
    moment = datetime.fromtimestamp(1_614_265_330, UTC)
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", '{"test": 2432232314}', moment, ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_what_we_sign_verifies_and_nothing_else_does() -> None:
    """A body in any script; not with a byte changed, another id, another time or another secret."""
    secret, body = new_secret(), '{"name":"é😀 \\u2028"}'
    headers = signed_headers("evt_1", body, datetime.now(UTC), [secret])
    assert Webhook(secret).verify(body.encode(), headers) == {"name": "é😀 \u2028"}
    later = str(int(headers["webhook-timestamp"]) + 1)
    for wrong in ({"webhook-id": "evt_2"}, {"webhook-timestamp": later}):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, headers | wrong)
    for checked, other in ((secret, body + " "), (new_secret(), body)):
        with pytest.raises(WebhookVerificationError):
            Webhook(checked).verify(other, headers)


def endpoint(**changes: object) -> Endpoint:
    """An endpoint with one secret."""
    usual = {"url": "https://a.example/", "events": ("export.completed",), "created_by": "bea", "created_at": iso(NOW)}
    return Endpoint(tenant="acme", id="wh1", secrets=(Secret(new_secret()),), **{**usual, **changes})  # type: ignore[arg-type]


def test_a_secret_is_good_until_its_overlap_ends() -> None:
    """To the millisecond; the newest first; one that has ended is forgotten by the next rotation."""
    first = endpoint()
    (old,) = first.signing(NOW)
    second = first.rotated(new_secret(), NOW, timedelta(hours=1))
    new = second.secrets[0].secret
    assert second.signing(NOW) == [new, old]
    assert second.signing(NOW + timedelta(minutes=59, seconds=59)) == [new, old]
    assert second.signing(NOW + timedelta(hours=1)) == [new]
    third = second.rotated(new_secret(), NOW + timedelta(minutes=30), timedelta(hours=1))
    assert len(third.signing(NOW + timedelta(minutes=59))) == 3
    assert third.signing(NOW + timedelta(minutes=61)) == [third.secrets[0].secret, new]
    late = second.rotated(new_secret(), NOW + timedelta(hours=2), timedelta(hours=1))
    assert [s.secret for s in late.secrets] == [late.secrets[0].secret, new]


def test_an_overlap_of_nothing_ends_a_secret_at_once() -> None:
    """For one that somebody has stolen."""
    rotated = endpoint().rotated(new_secret(), NOW, timedelta(0))
    assert rotated.signing(NOW) == [rotated.secrets[0].secret]


def test_days_of_failure_disable_and_a_success_forgives() -> None:
    """Counted from the first failure since the last success."""
    patience = timedelta(days=5)
    failing = endpoint().failed(NOW, patience)
    assert (failing.enabled, failing.failing_since) == (True, iso(NOW))
    still = failing.failed(NOW + timedelta(days=4, hours=23), patience)
    assert still == failing
    assert still.succeeded().failed(NOW + timedelta(days=6), patience).enabled
    disabled = still.failed(NOW + timedelta(days=5), patience)
    assert not disabled.enabled
    assert disabled.disabled_reason == f"every attempt since {iso(NOW)} has failed"
    assert not disabled.wants("export.completed")
    assert disabled.disabled(NOW, "twice") == disabled
    again = disabled.enabled_again()
    assert (again.wants("export.completed"), again.failing_since, again.disabled_reason) == (True, "", "")


def test_an_endpoint_survives_its_row() -> None:
    """With every field, and a column of a later release."""
    whole = endpoint(
        description="é",
        owner=demo_caller("bea").to_json(),
        failing_since=iso(NOW),
        events=("export.completed", "export.failed"),
    )
    whole = whole.rotated(new_secret(), NOW, timedelta(hours=1)).disabled(NOW, "why")
    read = Endpoint.from_entity({**whole.to_entity(), "later": 1})
    assert replace(read, owner=whole.owner) == whole
    assert Caller.from_json(read.owner) == demo_caller("bea")
