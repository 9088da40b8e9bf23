"""Deciding who is notified of an export's end, through which channels and when, and doing it."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import azure.durable_functions as df

from shared.durable.client import is_known, tell
from shared.durable.inputs import NO_NEWS, ExportRef, NotificationStart, ReasonCode, SkippedMail
from shared.durable.instance_ids import notification_instance
from shared.errors import NotAllowed, PermanentError, TransientError
from shared.events.outbox import Entry
from shared.identity.caller import Caller
from shared.jobs.records import ExportRecord, announcement_id
from shared.jobs.rights import check_file_of
from shared.jobs.status import Status
from shared.notifications.channels.base import Channel, Message
from shared.notifications.links import current_key, file_token, unsubscribe_token
from shared.notifications.message import message
from shared.notifications.policy import Kind, Policy, Reason
from shared.observability.logging import logger
from shared.observability.metrics import MAILS, count
from shared.services import Services
from shared.storage.links import Link, token_hash
from shared.timestamps import from_iso, iso, utc_now

_STATUS: dict[Kind, Status] = {"completed": Status.COMPLETED, "failed": Status.FAILED}


_NO_ADDRESS = Reason("no-address", "no address is known of who asked, or none that mail can go to")


_LEFT = Reason("left", "who asked was offboarded, or may not export any more")


@dataclass(frozen=True)
class Decision:
    """``waits``, ``sent`` or ``skipped``, and the reason in a sentence."""

    decision: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        return {"decision": self.decision, "reason": self.reason}


async def announce_entries(
    entries: Iterable[Entry], before: datetime, context: Services, client: df.DurableOrchestrationClient
) -> None:
    """Tell who asked for exports how they ended, of those that ended before that time and of whom nobody did.

    Raises ``StorageUnavailable``; what was not told by then stays in the outbox.
    """
    for entry in entries:
        if "asker" not in entry.to_tell or from_iso(entry.at) > before:
            continue
        record = await asyncio.to_thread(context.records.get, entry.tenant, str(entry.data["id"]))
        if record is not None and announcement_id(record) == entry.id:
            try:
                await announce(ExportRef(record.tenant, record.id), context, client)
                continue
            except PermanentError as error:  # such as an export type that is gone
                extra = {"action": "asker-not-told", "export_id": record.id, "tenant": record.tenant}
                logger.warning("who asked for %s was not told: %s", record.id, error, extra=extra)
        # it cannot be told, or the export was deleted, retried or has expired since
        await asyncio.to_thread(context.outbox.note, entry, "asker")


async def announce(ref: ExportRef, context: Services, client: df.DurableOrchestrationClient) -> Decision:
    """Tell that an export has ended: through some channels at once, through others unless it is no news by then."""
    plan = await asyncio.to_thread(plan_notification, ref, context)
    if isinstance(plan, NotificationStart):
        instance = notification_instance(plan.export_id, plan.attempt)
        if not await is_known(instance, client):
            await client.start_new("notification", instance, plan.to_json())
    record = await asyncio.to_thread(context.record, ref)
    await asyncio.to_thread(_note_told, record, context)
    if event := no_news(record):  # meanwhile, too: whoever noted that had nobody to tell it to
        now = iso(utc_now())
        await asyncio.to_thread(context.notifications.read, record.tenant, record.created_by, record.id, now)
        await wake(record, event, client)
    return plan if isinstance(plan, Decision) else Decision("waits", f"until {plan.wait_until}")


def _note_told(record: ExportRecord, context: Services) -> None:
    for entry in context.outbox.of_export(record.tenant, record.id):
        if entry.id == announcement_id(record):
            context.outbox.note(entry, "asker")


async def wake(record: ExportRecord, event: str, client: df.DurableOrchestrationClient) -> None:
    """Tell the notification that may be waiting that there is no need for it any more."""
    await tell(notification_instance(record.id, record.attempt), event, client)


def plan_notification(ref: ExportRef, context: Services) -> NotificationStart | Decision:
    """Tell what is told at once; give what waits, or why nothing does. Each decision is logged with its reason."""
    record = context.record(ref)
    kind = next((k for k, status in _STATUS.items() if status == record.status), None)
    if kind is None:
        return Decision("skipped", _by_now(record).sentence)
    policy, gone = context.policy(record), _left(record, context)
    waiting: list[str] = []
    decision = Decision("skipped", "there is no channel")
    for name, channel in sorted(context.delivery.channels.items(), key=lambda item: item[1].waits):
        told = _message(record, kind, name, channel, context)
        reason = gone or _against(policy, record, kind, name, told, channel)
        if channel.waits and not reason:
            reason = _known_already(record)
        if reason:
            decision = _skipped(record, channel, reason, context)
        elif channel.waits:
            waiting.append(name)
        else:
            try:
                decision = _deliver(record, name, channel, told, context)
            except TransientError:
                waiting.append(name)
    if not waiting:
        return decision
    until = iso(from_iso(record.completed_at) + policy.grace)
    for name in waiting:
        channel = context.delivery.channels[name]
        sentence = f"The {channel.title} waits until {until} for a download."
        context.log.add(ref.tenant, ref.export_id, _action(channel, "waits"), sentence)
    pace = context.settings
    return NotificationStart(
        ref.tenant,
        ref.export_id,
        until,
        pace.part_attempts,
        pace.retry_first_seconds,
        ref.request_id,
        kind,
        record.attempt,
        tuple(waiting),
        ref.trace_parent,
    )


def no_news(record: ExportRecord) -> ReasonCode | None:
    """The event after which who asked knows already; None when there was none."""
    return "downloaded" if record.downloaded_at else "seen" if record.seen_at else None


def _known_already(record: ExportRecord) -> Reason | None:
    event = no_news(record)
    return Reason(event, NO_NEWS[event]) if event else None


def _left(record: ExportRecord, context: Services) -> Reason | None:
    """The reason why somebody is told nothing who may not have what they asked for any more; None of others."""
    if not context.people.may_have(record.tenant, record.created_by):
        return _LEFT
    try:
        check_file_of(record, None, context)
    except NotAllowed:
        return _LEFT
    return None


def _by_now(record: ExportRecord) -> Reason:
    return Reason("not-completed", f"the export is {record.status} by now")


def _against(
    policy: Policy, record: ExportRecord, kind: Kind, name: str, told: Message, channel: Channel
) -> Reason | None:
    """The reason why a channel does not tell this, whatever has happened since; None when it does."""
    reason = policy.against(kind, name) or (None if told.recipient else _NO_ADDRESS)
    return reason or (policy.too_quick(record, name) if channel.waits else None)


def send(start: NotificationStart, context: Services) -> Decision:
    """Tell through the channels that waited, unless it is no news any more.

    A channel that fails does not keep the others. Raises ``TransientError`` when trying again may help.
    """
    record = context.record(ExportRef(start.tenant, start.export_id))
    kind: Kind = "failed" if start.kind == "failed" else "completed"
    news = record.status == _STATUS[kind] and record.attempt == start.attempt
    stale = _left(record, context) or _known_already(record) or (None if news else _by_now(record))
    policy = context.policy(record)
    decision = Decision("skipped", "there is no channel")
    failure: TransientError | None = None
    for name in start.channels:
        channel = context.delivery.channels[name]
        told = _message(record, kind, name, channel, context)
        if reason := stale or policy.against(kind, name) or (None if told.recipient else _NO_ADDRESS):
            decision = _skipped(record, channel, reason, context)
            continue
        try:
            decision = _deliver(record, name, channel, told, context)
        except TransientError as error:
            failure = error
    if failure:
        raise failure
    return decision


def skip(skipped: SkippedMail, context: Services) -> Decision:
    """Log why those who were not told are not."""
    record = context.record(ExportRef(skipped.tenant, skipped.export_id))
    kind: Kind = "failed" if record.status == Status.FAILED else "completed"
    for name in skipped.channels:
        channel = context.delivery.channels[name]
        if not context.delivery.accepted(_message(record, kind, name, channel, context)):
            _skipped(record, channel, Reason(skipped.code, skipped.reason), context)
    return Decision("skipped", skipped.reason)


def remind(record: ExportRecord, context: Services) -> None:
    """Tell whoever has not fetched a file that it goes soon, once."""
    policy, gone = context.policy(record), _left(record, context)
    for name, channel in context.delivery.channels.items():
        told = _message(record, "expiring", name, channel, context)
        if reason := gone or _against(policy, record, "expiring", name, told, channel):
            _skipped(record, channel, reason, context)
        else:
            _deliver(record, name, channel, told, context)
    context.records.change(record.tenant, record.id, "remind", reminded_at=iso(utc_now()))


def _message(record: ExportRecord, kind: Kind, name: str, channel: Channel, context: Services) -> Message:
    return message(record, kind, name, channel.address(Caller.from_json(record.caller)), context.settings)


def _deliver(record: ExportRecord, name: str, channel: Channel, told: Message, context: Services) -> Decision:
    _keep_links(record, name, told, context)
    try:
        receipt = context.delivery.send(name, told)
    except PermanentError as error:
        _skipped(record, channel, Reason("not-sent", f"it could not be sent: {error}"), context)
        return Decision("skipped", f"it could not be sent: {error.outline}")
    if receipt == "sent":
        if name == "email":
            count(MAILS, outcome="sent", reason="")
        sentence = f"Sent the {channel.title}."
        context.log.add(record.tenant, record.id, _action(channel, "sent"), sentence)
    return Decision("sent", receipt)


def _keep_links(record: ExportRecord, name: str, told: Message, context: Services) -> None:
    """Let the links of a message work, before it goes out; the same ones however often it is tried."""
    if told.link:
        token = file_token(told.operation_id, record.links, context.settings)
        link = Link(
            tenant=record.tenant,
            export_id=record.id,
            id=token_hash(token),
            user=record.created_by,
            channel=name,
            kind=told.kind,
            generation=record.links,
            created_at=iso(utc_now()),
            key=current_key(context.settings),
        )
        context.links.keep(link)
    if told.unsubscribe:
        token = unsubscribe_token(record.tenant, record.created_by, context.settings)
        context.links.keep_unsubscribe(token, record.tenant, record.created_by)


def _skipped(record: ExportRecord, channel: Channel, reason: Reason, context: Services) -> Decision:
    if channel is context.delivery.channels["email"]:
        count(MAILS, outcome="skipped", reason=reason.code)
    context.log.add(record.tenant, record.id, _action(channel, "skipped"), f"No {channel.title}: {reason.sentence}.")
    return Decision("skipped", reason.sentence)


def _action(channel: Channel, what: str) -> str:
    return f"{channel.title.replace(' ', '-')}-{what}"
