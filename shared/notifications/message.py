"""The message about an export for one channel, made of its record."""

from datetime import timedelta

from shared.catalog.export_types import ExportType
from shared.catalog.registry import export_type_named
from shared.identity.caller import Caller
from shared.jobs.records import ExportRecord
from shared.locales import canonical
from shared.notifications.channels.base import Message, operation_id
from shared.notifications.links import file_link, file_token, unsubscribe_link, unsubscribe_token
from shared.notifications.policy import Kind
from shared.notifications.templates.mails import Facts, words
from shared.requests.export_request import ExportRequest
from shared.settings import Settings
from shared.timestamps import from_iso, iso


def message(record: ExportRecord, kind: Kind, channel: str, address: str, settings: Settings) -> Message:
    """What a channel tells of an export. It holds no data rows, and no key to the storage.

    Its links open nothing until they are kept; who sends it sees to that. In the app there are none: who reads that is
    signed in.
    """
    person = Caller.from_json(record.caller)
    about = kind if kind != "failed" or record.attempt == 1 else f"failed-{record.attempt}"
    recipient = address if channel == "email" else f"{channel}:{address}"
    operation = operation_id(record.id, recipient, about)
    link = unsubscribe = ""
    if channel != "in_app":
        link = file_link(file_token(operation, record.links, settings), settings)
        unsubscribe = unsubscribe_link(unsubscribe_token(record.tenant, record.created_by, settings), settings)
    told = words(kind, facts(record, kind, link, unsubscribe), locale_of(record))
    return Message(
        operation_id=operation,
        recipient=address,
        recipient_name=person.name,
        subject=told.subject,
        text=told.text,
        html=told.html,
        summary=told.summary,
        link=link,
        unsubscribe=unsubscribe,
        tenant=record.tenant,
        user=record.created_by,
        export_id=record.id,
        kind=kind,
        at=_happened(record, kind, settings),
    )


def facts(record: ExportRecord, kind: Kind, link: str, unsubscribe: str) -> Facts:
    """What a template may say of an export."""
    failed = kind == "failed"
    return Facts(
        name=str(record.caller["name"]),
        title=title_in(export_type_named(record.export_type), locale_of(record)),
        link=link,
        unsubscribe=unsubscribe,
        time_zone=time_zone_of(record),
        file_name="" if failed else record.file_name,
        rows=record.file_rows,
        bytes=record.file_bytes,
        expires_at=None if failed else from_iso(record.expires_at),
        error=record.error_message,
    )


def locale_of(record: ExportRecord) -> str:
    """The language that the request asked for, else that of who asked."""
    return ExportRequest.model_validate_json(record.request["body"]).locale or str(record.caller["locale"])


def time_zone_of(record: ExportRecord) -> str:
    """The time zone of the request."""
    return ExportRequest.model_validate_json(record.request["body"]).time_zone


def title_in(export_type: ExportType, locale: str) -> str:
    """The type's title in a locale, else the plain one."""
    language, region = canonical(locale)
    titles = export_type.titles
    return titles.get(f"{language}-{region}") or titles.get(language) or export_type.title


def _happened(record: ExportRecord, kind: Kind, settings: Settings) -> str:
    if kind == "expiring":
        return iso(from_iso(record.expires_at) - timedelta(hours=settings.expiry_notice_hours))
    return record.completed_at
