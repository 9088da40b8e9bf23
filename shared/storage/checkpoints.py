"""How far a sweeper has come: one table row for each, there only while a sweep is not at its end."""

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableServiceClient

from shared.storage.accounts import storage_errors
from shared.storage.names import SWEEPS_TABLE
from shared.storage.tables import ensure_table


class Checkpoints:
    """The table of checkpoints. Every method raises ``StorageUnavailable`` when the account is away."""

    def __init__(self, service: TableServiceClient) -> None:
        self._table = service.get_table_client(SWEEPS_TABLE)

    def prepare(self) -> None:
        """Create the table unless it is there."""
        ensure_table(self._table)

    def get(self, sweeper: str) -> str:
        """The cursor where the sweeper goes on; empty at the beginning."""
        with storage_errors():
            try:
                return str(self._table.get_entity(sweeper, "")["cursor"])
            except ResourceNotFoundError:
                return ""

    def keep(self, sweeper: str, cursor: str) -> None:
        """Go on there next time; with an empty cursor, from the beginning."""
        with storage_errors():
            if cursor:
                self._table.upsert_entity({"PartitionKey": sweeper, "RowKey": "", "cursor": cursor})
            else:
                self._table.delete_entity(sweeper, "")
