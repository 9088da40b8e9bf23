"""What functions work with: settings, storage, records and the log, built once per process on first use."""

import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache, lru_cache

from shared.audit.digests import Digests
from shared.audit.log import AuditLog
from shared.catalog.limits import max_bytes
from shared.catalog.registry import export_type_named, export_types
from shared.catalog.tenancy import refused
from shared.durable.inputs import ExportRef
from shared.errors import ExportCancelled, PermanentError
from shared.events.outbox import Outbox
from shared.identity.people import People
from shared.jobs import plan as plans
from shared.jobs.dead_letters import DeadLetters
from shared.jobs.export_log import ExportLog
from shared.jobs.idempotency import Claims
from shared.jobs.pauses import Control, Controls
from shared.jobs.plan import ExportPlan
from shared.jobs.quotas import Limits, Usage
from shared.jobs.records import ExportRecord, ExportRecords
from shared.jobs.status import Status
from shared.notifications.channels import CHANNELS
from shared.notifications.inbox import Notifications
from shared.notifications.link_rules import asks_for_sign_in
from shared.notifications.policy import Policy
from shared.notifications.preferences import Preferences
from shared.notifications.send_once import Delivery
from shared.notifications.sent_messages import SentMail
from shared.observability import metrics, telemetry
from shared.observability.metrics_table import CountsTable
from shared.requests.export_request import ExportRequest
from shared.retention.rules import kept_for
from shared.schedules.store import Schedules
from shared.settings import Settings, settings
from shared.storage.accounts import Patience, blob_service, table_service
from shared.storage.blobs import BlobStore
from shared.storage.checkpoints import Checkpoints
from shared.storage.links import Links
from shared.storage.names import plan_blob
from shared.webhooks.addresses import Rules
from shared.webhooks.deliveries import Deliveries
from shared.webhooks.endpoints import Endpoints
from shared.webhooks.sealing import Sealer


@dataclass(frozen=True)
class Services:
    """Everything that reaches outside. Build it with ``services``."""

    settings: Settings
    blobs: BlobStore
    records: ExportRecords
    log: ExportLog
    delivery: Delivery
    notifications: Notifications
    preferences: Preferences
    claims: Claims
    usage: Usage
    outbox: Outbox
    endpoints: Endpoints
    deliveries: Deliveries

    @property
    def webhook_rules(self) -> Rules:
        """Where webhooks may go."""
        return Rules(self.settings.webhook_local_origins)

    letters: DeadLetters
    checkpoints: Checkpoints
    schedules: Schedules
    audit: AuditLog
    audit_digests: Digests
    counts: CountsTable
    controls: Controls
    links: Links
    people: People

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
            known.run_at_once_per_tenant,
        )

    def max_bytes(self, export_type: str) -> int | None:
        """How many bytes the file of an export of this type may have."""
        return max_bytes(export_type_named(export_type), self.settings)

    def limits_of(self, tenant: Control) -> Limits:
        """What a tenant and a user in it may have: the tenant's own quotas, else the settings'."""
        return replace(self.limits, **tenant.quotas)

    def limits_for(self, tenant: str) -> Limits:
        """The same, of the tenant of this name."""
        return self.limits_of(self.controls.of(tenant, "")[0])

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

    def policy(self, record: ExportRecord) -> Policy:
        """Who is told of this export, and how."""
        chosen = self.preferences.get(record.tenant, record.created_by)
        request = ExportRequest.model_validate_json(record.request["body"])
        return Policy(export_type_named(record.export_type), chosen, request.notify, self.settings)

    @property
    def sealer(self) -> Sealer:
        """What encrypts the secrets of webhooks."""
        return Sealer(self.settings.sealing_keys, plain=not self.settings.webhook_secrets_encrypted)

    def retention(self, tenant: str, export_type: str) -> timedelta:
        """How long the files of a tenant's export of this type are kept, from its end on."""
        known = self.settings
        own = export_type_named(export_type).retention_days
        return kept_for(known.retention_days_by_tenant, tenant, export_type, own, known.retention_days)

    def link_asks_for_sign_in(self, tenant: str, export_type: str) -> bool:
        """Whether the links to a tenant's export of this type ask for sign-in, also of a type that is gone."""
        own = next((t.links_require_sign_in for t in export_types() if t.name == export_type), None)
        known = self.settings
        return asks_for_sign_in(known.links_require_sign_in, tenant, export_type, own, known.auth_mode == "easyauth")

    def record_retention(self, tenant: str, export_type: str) -> timedelta:
        """How long the record of a tenant's export is kept after its files are gone, also of a type that is gone."""
        known = self.settings
        own = next((t.record_retention_days for t in export_types() if t.name == export_type), None)
        rules = known.record_retention_days_by_tenant
        return kept_for(rules, tenant, export_type, own, known.record_retention_days)

    @property
    def shortest_record_retention(self) -> float:
        """In days, of all tenants and types."""
        return min(self._record_days)

    @property
    def longest_retention(self) -> float:
        """In days: no export is remembered for longer, unless it is under a legal hold."""
        known = self.settings
        own = [t.retention_days for t in export_types() if t.retention_days is not None]
        files = [known.retention_days, *own, *known.retention_days_by_tenant.values()]
        return max(files) + max(self._record_days)

    @property
    def _record_days(self) -> list[float]:
        known = self.settings
        own = [t.record_retention_days for t in export_types() if t.record_retention_days is not None]
        return [known.record_retention_days, *own, *known.record_retention_days_by_tenant.values()]

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
    refused(current)  # says in the log what is not offered
    logging.getLogger("azure").setLevel(logging.WARNING)  # the SDK logs each request and answer at INFO
    tables = table_service(current, patience)
    sent = SentMail(tables)
    blobs = blob_service(current, patience)
    built = Services(
        current,
        BlobStore(blobs),
        ExportRecords(tables),
        ExportLog(tables),
        Delivery({name: make(current, tables) for name, make in CHANNELS.items()}, sent),
        Notifications(tables),
        Preferences(tables),
        Claims(tables),
        Usage(tables),
        Outbox(tables),
        Endpoints(tables),
        Deliveries(tables),
        DeadLetters(tables),
        Checkpoints(tables),
        Schedules(tables),
        AuditLog(tables),
        Digests(blobs),
        CountsTable(tables),
        Controls(tables),
        Links(tables),
        People(tables),
    )
    built.blobs.prepare()
    built.records.prepare()
    built.log.prepare()
    built.claims.prepare()
    built.usage.prepare()
    built.notifications.prepare()
    built.preferences.prepare()
    built.endpoints.prepare()
    built.deliveries.prepare()
    built.letters.prepare()
    built.checkpoints.prepare()
    built.schedules.prepare()
    built.audit.prepare()
    built.counts.prepare()
    built.controls.prepare()
    built.links.prepare()
    built.people.prepare()
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
