"""An audit log in an account of its own, to be changed behind the service's back."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.data.tables import TableClient, TableServiceClient, UpdateMode

from demo.azurite_server import Azurite
from shared.audit.digests import Digests, keep_digests
from shared.audit.log import AuditEntry, AuditLog
from shared.audit.verify import Report, verify
from shared.settings import settings_from
from shared.storage.accounts import blob_service, table_service
from shared.timestamps import iso
from tests.app.test_settings import RIGHT
from tests.conftest import NewAccount

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
KEPT = timedelta(days=30)


@dataclass
class Trail:
    """A log in an account of its own. ``days``: so many days before now; a process is an ``AuditLog``."""

    account: Azurite
    make: Callable[[], AuditLog]
    digests: Digests
    table: TableClient
    tables: TableServiceClient

    def add(self, process: AuditLog, day: float, tenant: str = "acme", **changes: Any) -> None:
        """An entry of so many days ago."""
        time = iso(NOW - timedelta(days=day))
        values = {"action": "seen", "status": 200, "user": "o'hara", "name": "Ö \U0001f600", "address": "192.0.2.1"}
        process.add(AuditEntry(tenant, time, **values | {"agent": "a\n", "request_id": "r"} | changes))

    def digest(self, days_ago: float = 0, oldest: float = 30) -> str:
        """Make the digest that is due at that time; gives until when there are digests then."""
        now = NOW - timedelta(days=days_ago)
        keep_digests(self.make(), self.digests, now, now - timedelta(days=oldest))
        last = self.digests.end().last
        assert last
        return last.until

    def verify(self, kept: timedelta = KEPT, unchained_until: str = "") -> Report:
        """What verification finds now."""
        return verify(self.make(), self.digests, NOW, kept, unchained_until)

    def found(self, kept: timedelta = KEPT) -> set[str]:
        """The kinds of problems."""
        return {problem.kind for problem in self.verify(kept).problems}

    def rows(self) -> list[dict[str, Any]]:
        """All rows, oldest first."""
        found = [dict(entity) for entity in self.table.list_entities()]
        return sorted(found, key=lambda row: (row["RowKey"][:13], -row.get("seq", 0)), reverse=True)

    def replace(self, row: dict[str, Any], **changes: Any) -> None:
        """Change a row behind the service's back."""
        self.table.upsert_entity({**row, **changes}, mode=UpdateMode.REPLACE)

    def delete(self, row: dict[str, Any]) -> None:
        """Remove a row behind the service's back."""
        self.table.delete_entity(row["PartitionKey"], row["RowKey"])


@pytest.fixture
def trail(new_account: NewAccount) -> Trail:
    """An empty log."""
    account = new_account()
    known = settings_from({**RIGHT, "AzureWebJobsStorage": account.connection_string})

    def make() -> AuditLog:
        return AuditLog(table_service(known, "request"))

    make().prepare()
    tables = TableServiceClient.from_connection_string(account.connection_string)
    return Trail(account, make, Digests(blob_service(known, "request")), tables.get_table_client("SluiceAudit"), tables)


@pytest.fixture
def lived(trail: Trail) -> Trail:
    """Two processes over four days, with tenants of their own, a digest after each day, and rows since the last one."""
    one, two = trail.make(), trail.make()
    for day in (4, 3, 2, 1):
        for hour in range(4):
            trail.add(one, day - hour / 100)
            trail.add(two, day - hour / 100 - 0.001, "globex")
        trail.digest(day - 0.9)
    for hour in range(3):
        trail.add(one, 0.2 - hour / 100)
        trail.add(two, 0.2 - hour / 100, "globex")
    return trail
