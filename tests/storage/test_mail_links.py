"""The links of a mail: kept before it goes out, the same ones however often it is tried, and none in the app."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from demo.azurite_server import Azurite
from shared.durable.inputs import ExportRef, NotificationStart
from shared.identity.caller import demo_caller
from shared.jobs.records import ExportRecord, new_export_id
from shared.notifications.decide import plan_notification, send
from shared.notifications.mail.eml_folder import Outbox
from shared.services import Services
from tests.in_process import services_on

ENDED = "2026-03-09T08:00:50.000Z"


@pytest.fixture(scope="module")
def context(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """The services; mails go into a folder."""
    with services_on(azurite, MAIL_OUTBOX_DIR=str(tmp_path_factory.mktemp("outbox"))) as made:
        yield made


@pytest.fixture
def record(context: Services) -> ExportRecord:
    """An export whose mail is due."""
    made = ExportRecord(
        tenant="acme",
        id=new_export_id(datetime.now(UTC)),
        export_type="sessions",
        format="csv",
        status="Completed",
        created_by="ada",
        created_at="2026-03-09T08:00:00.000Z",
        completed_at=ENDED,
        expires_at="2099-03-09T08:00:00.000Z",
        request={"body": '{"exportType":"sessions","notify":{"email":true}}'},
        caller=demo_caller("ada").to_json(),
        file_name="s.csv",
    )
    context.records.create(made)
    return made


def mailed(record: ExportRecord, context: Services) -> tuple[str, str]:
    """The links in the mail about an export, once it is sent."""
    send(NotificationStart(record.tenant, record.id, ENDED, 1, 0.1), context)
    (sent,) = context.links.of_export(record.tenant, record.id)
    mails = Outbox(context.settings.mail_outbox_dir, context.settings.mail_from).mails()
    (text,) = [mail["text"] for mail in mails if context.links.find(file_token(mail["text"])) == sent]
    return file_token(text), re.findall(r"/unsubscribe/(\S+)", text)[0]


def file_token(text: str) -> str:
    """The token of the link to the file."""
    return str(re.findall(r"/api/d#(\S+)", text)[0])


def test_a_mail_that_is_sent_again_has_the_same_links(context: Services, record: ExportRecord) -> None:
    """The activity ran twice, and nobody knows of the first time: there is one link, and one mail."""
    first = mailed(record, context)
    context.delivery.forget(record.id)
    assert mailed(record, context) == first
    assert context.links.unsubscribes(first[1]) == ("acme", "ada")


def test_a_link_works_before_its_mail_goes_out(context: Services, record: ExportRecord) -> None:
    """Who is quicker than the sender's next step finds it; a link whose mail was refused opens nothing of anybody's."""
    token, _ = mailed(record, context)
    (link,) = context.links.of_export("acme", record.id)
    assert context.links.find(token) == link
    assert (link.user, link.channel, link.kind, link.generation) == ("ada", "email", "completed", 1)


def test_links_of_a_new_generation_are_new(context: Services, record: ExportRecord) -> None:
    """After all links were revoked, a mail that is sent again has another."""
    token, _ = mailed(record, context)
    context.records.change("acme", record.id, "revoke", links=2)
    context.delivery.forget(record.id)
    send(NotificationStart(record.tenant, record.id, ENDED, 1, 0.1), context)
    old, new = context.links.of_export("acme", record.id)
    assert (old.generation, new.generation) == (1, 2)
    assert context.links.find(token) == old


def test_what_is_told_in_the_app_has_no_link(context: Services, record: ExportRecord) -> None:
    """Who reads it there is signed in."""
    changed = replace(record, id=new_export_id(datetime.now(UTC)), request={"body": '{"exportType":"sessions"}'})
    context.records.create(changed)
    plan_notification(ExportRef(changed.tenant, changed.id), context)
    actions = {line.action for line in context.log.page(changed.id, 50, "")[0]}
    assert "in-app-notification-sent" in actions
    assert context.links.of_export(changed.tenant, changed.id) == []
