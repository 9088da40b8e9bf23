"""Secrets that are stored: readable with the keys of the ring, for their owner, and in no other way."""

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from typing import Any

import pytest
from azure.data.tables import TableServiceClient
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from demo.azurite_server import Azurite
from shared.durable.inputs import DeliveryJob
from shared.retention.runner import run_sweepers
from shared.retention.sweepers import Sweep
from shared.retention.sweepers.stale_secrets import StaleSecrets
from shared.services import Services
from shared.timestamps import iso, utc_now
from shared.webhooks.attempt import attempt
from shared.webhooks.deliveries import Delivery
from shared.webhooks.endpoints import Endpoint, Secret
from shared.webhooks.http_post import Sender
from shared.webhooks.sealing import Sealer, Unreadable
from shared.webhooks.signing import new_secret
from tests.in_process import services_on
from tests.service import receiver as receivers

OLD, NEW, LINKS = (
    "4b7Vq0mXw2ZtR9sYcE1uKp8HdLgJf5NaTiSoBxQz",
    "Zp3nW8kQ6vLx1TyRmA9fHs2JdUc7GbEo5iVrKtXw",
    "g6Yt2Nf9QaLw4XsRk8VbHz1MpCj7UeDo3iGxTvZc",
)
TABLE = "SluiceWebhooks"


@given(st.text(), st.text(), st.sampled_from([[OLD], [NEW, OLD], [OLD, NEW, LINKS]]))
def test_what_is_sealed_is_opened_by_every_ring_that_has_the_key(secret: str, owner: str, ring: list[str]) -> None:
    """Under whatever place in the ring; twice the same secret looks different."""
    stored = Sealer([OLD]).seal(secret, owner)
    assert Sealer(ring).open(stored, owner) == secret
    assert stored != Sealer([OLD]).seal(secret, owner)
    assert Sealer(ring[:1]).open(Sealer(ring).anew(stored, owner), owner) == secret


def test_what_was_changed_or_moved_is_not_opened() -> None:
    """Not one bit of it, not its key's id, and not in another tenant's row."""
    sealer = Sealer([OLD, NEW])
    stored = sealer.seal("whsec_abc", "acme/wh1")
    head, _, text = stored.rpartition(".")
    raw = urlsafe_b64decode(text)
    changed = [raw[:n] + bytes([raw[n] ^ 1]) + raw[n + 1 :] for n in range(len(raw))]
    wrong = [f"{head}.{urlsafe_b64encode(c).decode()}" for c in changed] + [head, f"{head}.", f"{head}.!", stored[:-4]]
    wrong.append(stored.replace(head, Sealer([NEW]).seal("x", "y").rpartition(".")[0]))
    for one in wrong:
        with pytest.raises(Unreadable):
            sealer.open(one, "acme/wh1")
    for owner in ("globex/wh1", "acme/wh2", ""):
        with pytest.raises(Unreadable, match="changed, or belongs to somebody else"):
            sealer.open(stored, owner)
    with pytest.raises(Unreadable, match=r"needs the key [0-9a-f]{8}, which is not among"):
        Sealer([NEW]).open(stored, "acme/wh1")


def endpoint(made: str, stored: str, url: str = "https://a.example/") -> Endpoint:
    """An endpoint of acme with this as its secret."""
    return Endpoint("acme", made, url, ("ping",), "ada", iso(utc_now()), (Secret(stored),))


def stored_secrets(account: Azurite) -> dict[str, str]:
    """What is in the table, by endpoint."""
    table = TableServiceClient.from_connection_string(account.connection_string).get_table_client(TABLE)
    return {str(row["RowKey"]): json.loads(row["secrets"])[0]["secret"] for row in table.list_entities()}


def sweep(context: Services) -> int:
    """One run of retention, of secrets alone; how many were encrypted anew."""

    async def purge(_: Any) -> None:
        raise AssertionError("no export is concerned")

    def remind(_: Any) -> None:
        raise AssertionError("no export is concerned")

    return asyncio.run(run_sweepers(Sweep(context, utc_now(), purge, remind, purge), 60, [StaleSecrets()]))[
        "stale-secrets"
    ]


def test_a_key_goes_once_retention_has_run(azurite: Azurite) -> None:
    """Plain text of older releases too: with the new key in front, then with the new key alone."""
    secret = new_secret()
    with services_on(azurite, WEBHOOK_SECRET_KEYS=OLD) as context:
        context.endpoints.create(endpoint("plain", secret), 20)
        context.endpoints.create(endpoint("old", context.sealer.seal(secret, "acme/old")), 20)
        context.endpoints.create(
            endpoint("lost", Sealer(["a key that is in no ring any more......"]).seal(secret, "acme/lost")), 20
        )
    with services_on(azurite, WEBHOOK_SECRET_KEYS=f"{NEW}, {OLD}") as context:
        assert sweep(context) == 2
        assert sweep(context) == 0
    assert secret not in stored_secrets(azurite).values()
    with services_on(azurite, WEBHOOK_SECRET_KEYS=NEW) as context:
        for made in ("plain", "old"):
            found = context.endpoints.get("acme", made)
            assert found is not None
            assert context.sealer.open(found.secrets[0].secret, found.place) == secret


def test_secrets_can_be_had_in_plain_text_for_the_last_release(azurite: Azurite) -> None:
    """It signs with what is stored as it is: before it is brought back, and while it still runs beside this one."""
    secret = new_secret()
    with services_on(azurite, WEBHOOK_SECRET_KEYS=NEW) as context:
        context.endpoints.create(endpoint("back", context.sealer.seal(secret, "acme/back")), 20)
    assert secret not in stored_secrets(azurite).values()
    with services_on(azurite, WEBHOOK_SECRET_KEYS=NEW, WEBHOOK_SECRETS_ENCRYPTED="false") as context:
        assert sweep(context) >= 1
        assert sweep(context) == 0
        assert stored_secrets(azurite)["back"] == secret
        assert context.sealer.seal("whsec_x", "acme/wh1") == "whsec_x"
    with services_on(azurite, WEBHOOK_SECRET_KEYS=NEW) as context:
        assert sweep(context) >= 1
        assert secret not in stored_secrets(azurite).values()


def test_a_secret_is_encrypted_without_a_setting_of_its_own(azurite: Azurite) -> None:
    """Under the key that signs links; one that is set later takes over."""
    with services_on(azurite, LINK_SIGNING_KEY=LINKS) as context:
        stored = context.sealer.seal("whsec_x", "acme/wh1")
    with services_on(azurite, LINK_SIGNING_KEY=LINKS, WEBHOOK_SECRET_KEYS=NEW) as context:
        assert context.sealer.is_stale(stored)
        assert Sealer([NEW]).open(context.sealer.anew(stored, "acme/wh1"), "acme/wh1") == "whsec_x"


@pytest.mark.parametrize("readable", [True, False])
def test_an_event_is_signed_with_what_can_be_read(azurite: Azurite, readable: bool) -> None:
    """With the secrets that are left; with none, nothing goes out, and the attempt says what to do."""
    secret, made = new_secret(), f"signs{readable}"
    with receivers.running() as receiver, services_on(azurite, WEBHOOK_LOCAL_ORIGINS=receiver.origin) as context:
        lost = Secret(Sealer([OLD]).seal(new_secret(), f"acme/{made}"))
        good = Secret(context.sealer.seal(secret, f"acme/{made}"))
        one = endpoint(made, "", f"{receiver.origin}/ok/{made}")
        stored = (lost, good) if readable else (lost,)
        context.endpoints.create(Endpoint(**{**vars(one), "secrets": stored}), 20)
        context.deliveries.begin(Delivery(made, "d1", "acme", "evt_1", "ping", iso(utc_now()), '{"type":"ping"}'))
        job = DeliveryJob(tenant="acme", endpoint=made, delivery="d1", round=1, number=1, last=True)
        asyncio.run(attempt(job, context, Sender(context.webhook_rules, 5)))
        delivery = context.deliveries.get(made, "d1")
        assert delivery is not None
        (tried,) = delivery.attempts
        if readable:
            (got,) = receiver.wait(f"/ok/{made}")
            assert Webhook(secret).verify(got.body, got.headers) == {"type": "ping"}
        else:
            assert (tried.status, tried.error) == (0, "its signing secret cannot be read any more; rotate it")
            assert receiver.at(f"/ok/{made}") == []


def test_a_secret_is_in_no_message_of_ours() -> None:
    """Neither plain nor encrypted, however an endpoint is written out."""
    one = endpoint("wh1", "whsec_abcdef").rotated("sealed.v1.abcd.efgh", utc_now(), timedelta(hours=1))
    assert "whsec_abcdef" not in repr(one)
    assert "efgh" not in f"{one}"
