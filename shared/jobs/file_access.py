"""The only way to a URL of an export's file, for the API, the links in mails and their page.

First the rules are asked, then the download is written into the audit log, and only then there is a URL: without an
entry there is none. The note that the file was fetched comes last.
"""

import asyncio
from datetime import timedelta
from enum import StrEnum

import azure.durable_functions as df

from shared.audit.recorder import hand_out
from shared.errors import Conflict, Gone
from shared.identity.caller import Caller
from shared.jobs.deletion import FORGETTING
from shared.jobs.records import ExportRecord
from shared.jobs.rights import check_file_of
from shared.jobs.status import Status
from shared.notifications.read_receipts import no_news
from shared.services import Services
from shared.timestamps import from_iso, iso, utc_now

URL_LIFETIME = timedelta(minutes=10)


class NoFile(StrEnum):
    """Why an export has no file that could be handed out."""

    RUNNING = "running"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DELETED = "deleted"


_BY_STATUS = {
    Status.PENDING: NoFile.RUNNING,
    Status.PROCESSING: NoFile.RUNNING,
    Status.FAILED: NoFile.FAILED,
    Status.CANCELLED: NoFile.CANCELLED,
    Status.EXPIRED: NoFile.EXPIRED,
}


def why_no_file(record: ExportRecord) -> NoFile | None:
    """Why there is no file to hand out; None when there is one. A legal hold keeps a file beyond its end."""
    if record.phase == FORGETTING:
        return NoFile.DELETED
    if record.status != Status.COMPLETED:
        return _BY_STATUS[Status(record.status)]
    return NoFile.EXPIRED if not record.hold and from_iso(record.expires_at) <= utc_now() else None


def check_file(record: ExportRecord) -> None:
    """Raise ``Conflict`` or ``Gone``, which say why there is no file, unless there is one."""
    reason = why_no_file(record)
    if reason in (NoFile.RUNNING, NoFile.FAILED):
        raise Conflict(f"the export is {record.status}; there is a file to download when it is Completed")
    if reason is NoFile.EXPIRED and record.status == Status.COMPLETED:
        raise Gone(f"the file expired at {record.expires_at}; ask for the export again")
    if reason is NoFile.DELETED:
        raise Gone("the export is being deleted; its file is not there; ask for it again")
    if reason:
        raise Gone(f"the export is {record.status}; its file is not there; ask for it again")


async def file_url(
    record: ExportRecord,
    caller: Caller | None,
    context: Services,
    client: df.DurableOrchestrationClient,
    *,
    status: int,
    who: str,
) -> tuple[str, str]:
    """A URL that reads the file for ten minutes, and its end (ISO-8601 UTC).

    ``caller`` is None for whoever has a link; ``status`` is the one that the call will be answered with, and ``who``
    the person's name in the export's log. Raises ``NotAllowed`` for rights that are gone (``check_file_of``),
    ``Conflict`` or ``Gone`` when there is no file, and ``StorageUnavailable`` before there is a URL.
    """
    await asyncio.to_thread(check_file_of, record, caller, context)
    check_file(record)
    await asyncio.to_thread(hand_out, status)
    url, expires = await asyncio.to_thread(_read_url, record, context)
    await _note_download(record, context, client, who)
    return url, expires


def _read_url(record: ExportRecord, context: Services) -> tuple[str, str]:
    url, expires = context.blobs.read_url(
        record.file_blob, URL_LIFETIME, download_as=record.file_name, content_type=record.content_type
    )
    return url, iso(expires)


async def _note_download(
    record: ExportRecord, context: Services, client: df.DurableOrchestrationClient, who: str
) -> None:
    """Remember the first download, and wake the notification that may be waiting for it."""
    await asyncio.to_thread(context.log.add, record.tenant, record.id, "downloaded", f"{who} downloaded the file.")
    if record.downloaded_at:
        return
    await asyncio.to_thread(
        context.records.change, record.tenant, record.id, f"download-{record.attempt}", downloaded_at=iso(utc_now())
    )
    await no_news(record, "downloaded", context, client)
