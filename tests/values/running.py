"""An export that the activities make, step by step, in this process."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from activities.encode_part import encode
from activities.merge import merge
from shared.durable.inputs import ExportRef, FinalFile, PartJob
from shared.formats import FORMATS
from shared.formats.base import Compression, FileSpec
from shared.jobs import plan as plans
from shared.jobs.records import ExportRecord, new_export_id
from shared.jobs.status import Status
from shared.requests.query import Query
from shared.services import Services
from shared.storage.names import plan_blob
from shared.timestamps import iso
from tests.databases import Database

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Running:
    """An export that is planned."""

    context: Services
    tenant: str
    id: str

    @classmethod
    def planned(
        cls,
        context: Services,
        database: Database,
        query: Query,
        name: str,
        sizes: Iterator[int],
        compression: Compression = "none",
    ) -> "Running":
        """With parts of these sizes, from what the database holds now."""
        tenant, id_ = uuid4().hex, new_export_id(NOW)
        spec = FileSpec(query.columns, options=FORMATS[name].options({}), compression=compression)
        ranges = tuple(database.source.plan(query, sizes))
        plan = plans.ExportPlan("sessions", name, spec, query=query, ranges=ranges)
        record = ExportRecord(tenant, id_, "sessions", name, Status.PROCESSING, "ada", iso(NOW), {}, {})
        assert context.records.create(record)
        context.blobs.put(plan_blob(tenant, id_), plans.dump(plan), "application/json")
        return cls(context, tenant, id_)

    def encode(self, *indexes: int) -> None:
        """Make these parts."""
        for index in indexes:
            encode(PartJob(self.tenant, self.id, index), self.context)

    def merge(self) -> tuple[FinalFile, bytes]:
        """The file, and its bytes."""
        file = merge(ExportRef(self.tenant, self.id), self.context)
        return file, self.context.blobs.get(file.blob) or b""

    def log(self) -> dict[str, str]:
        """What the export's log says, by action."""
        return {line.action: line.message for line in self.context.log.page(self.id, 50, "")[0]}
