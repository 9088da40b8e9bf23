"""Which mails were begun and which were accepted: one table row for each operation id."""

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableServiceClient

from shared.storage.accounts import storage_errors
from shared.storage.names import MAIL_TABLE
from shared.storage.tables import ensure_table


class SentMail:
    """Every method raises ``StorageUnavailable`` when the account is away."""

    def __init__(self, service: TableServiceClient) -> None:
        self._table = service.get_table_client(MAIL_TABLE)

    def prepare(self) -> None:
        """Create the table unless it is there."""
        ensure_table(self._table)

    def accepted(self, export_id: str, operation_id: str) -> bool:
        """Whether the mail service has accepted this mail."""
        with storage_errors():
            try:
                return bool(self._table.get_entity(export_id, operation_id)["state"] == "accepted")
            except ResourceNotFoundError:
                return False

    def begin(self, export_id: str, operation_id: str, kind: str) -> bool:
        """Note that sending begins. True when it had begun before: it may have been sent and the answer lost."""
        entity = {"PartitionKey": export_id, "RowKey": operation_id, "state": "sending", "kind": kind}
        with storage_errors():
            try:
                self._table.create_entity(entity)
            except ResourceExistsError:
                return True
        return False

    def accept(self, export_id: str, operation_id: str) -> None:
        """Note that the mail service has accepted the mail."""
        with storage_errors():
            self._table.upsert_entity({"PartitionKey": export_id, "RowKey": operation_id, "state": "accepted"})

    def delete(self, export_id: str) -> None:
        """Forget the mails of an export."""
        with storage_errors():
            for entity in self._table.query_entities(f"PartitionKey eq '{export_id}'"):
                self._table.delete_entity(entity)
