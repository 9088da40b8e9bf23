"""What functions work with: settings, storage, records and the log, built once per process on first use."""

import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache, lru_cache

from shared import metrics, telemetry
from shared import plan as plans
from shared.audit import AuditLog
from shared.catalogue import export_type_named
from shared.channels.email import EmailChannel
from shared.claims import Claims
from shared.controls import Control, Controls
from shared.errors import ExportCancelled, PermanentError
from shared.export_log import ExportLog
from shared.models import ExportRef
from shared.plan import ExportPlan
from shared.records import ExportRecord, ExportRecords
from shared.settings import Settings, settings
from shared.storage.accounts import Patience, blob_service, table_service
from shared.storage.blobs import BlobStore
from shared.storage.counts import CountsTable
from shared.storage.names import plan_blob
from shared.storage.sent_mail import SentMail
from shared.transitions import Status
from shared.usage import Limits, Usage


@dataclass(frozen=True)
class Services:
    """Everything that reaches outside. Build it with ``services``."""

    settings: Settings
    blobs: BlobStore
    records: ExportRecords
    log: ExportLog
    mail: EmailChannel
    claims: Claims
    usage: Usage
    audit: AuditLog
    counts: CountsTable
    controls: Controls

    @property
    def limits(self) -> Limits:
        """What a tenant and a user may have."""
        known = self.settings
        return Limits(
            known.max_running_per_tenant,
            known.max_running_per_user,
            known.max_exports_per_day_per_tenant,
            known.max_exports_per_day_per_user,
            known.max_bytes_per_day_per_tenant,
            known.max_bytes_per_day_per_user,
        )

    def limits_of(self, tenant: Control) -> Limits:
        """What a tenant and a user in it may have: the tenant's own quotas, else the settings'."""
        return replace(self.limits, **tenant.quotas)

    def admit(self, tenant: str, export_type: str) -> Limits:
        """What a tenant may have that wants to begin an export. Raises ``Paused``."""
        of_tenant, of_type = self.controls.of(tenant, export_type)
        of_tenant.check()
        of_type.check()
        return self.limits_of(of_tenant)

    def dedup_window(self, export_type: str) -> timedelta:
        """How long after its completion an export of this type answers the same request again."""
        own = export_type_named(export_type).dedup_window
        return timedelta(seconds=self.settings.dedup_window_seconds) if own is None else own

    def retention(self, export_type: str) -> timedelta:
        """How long the files of an export of this type are kept, from its end on."""
        own = export_type_named(export_type).retention_days
        return timedelta(days=self.settings.retention_days if own is None else own)

    def record(self, ref: ExportRef) -> ExportRecord:
        """The record of an export that runs. Raises ``PermanentError`` when somebody deleted it."""
        record = self.records.get(ref.tenant, ref.export_id)
        if record is None:
            raise PermanentError("the export was deleted while it ran")
        return record

    def wanted(self, ref: ExportRef) -> ExportRecord:
        """The record of an export that runs. Raises ``ExportCancelled`` too."""
        record = self.record(ref)
        if record.status == Status.CANCELLED:
            raise ExportCancelled("the export was cancelled")
        return record


@cache
def services(patience: Patience) -> Services:
    """The services of this process, for somebody who waits for an answer or for an activity.

    Creates the container and the tables on first use. Raises ``SettingsError`` and ``StorageUnavailable``; a failure is
    not remembered.
    """
    current = settings()
    telemetry.begin(current)
    logging.getLogger("azure").setLevel(logging.WARNING)  # the SDK logs each request and answer at INFO
    tables = table_service(current, patience)
    sent = SentMail(tables)
    built = Services(
        current,
        BlobStore(blob_service(current, patience)),
        ExportRecords(tables),
        ExportLog(tables),
        EmailChannel(current, sent),
        Claims(tables),
        Usage(tables),
        AuditLog(tables),
        CountsTable(tables),
        Controls(tables),
    )
    built.blobs.prepare()
    built.records.prepare()
    built.log.prepare()
    built.claims.prepare()
    built.usage.prepare()
    built.audit.prepare()
    built.counts.prepare()
    built.controls.prepare()
    metrics.keep_in(built.counts)
    sent.prepare()
    return built


@lru_cache(maxsize=8)
def plan_of(tenant: str, export_id: str) -> tuple[ExportPlan, str]:
    """The plan of an export that runs, and its hash. A plan never changes once written, so the last ones are kept."""
    data = services("activity").blobs.get(plan_blob(tenant, export_id))
    if data is None:
        raise PermanentError("the export's plan is gone from storage")
    return plans.load(data), plans.plan_hash(data)
