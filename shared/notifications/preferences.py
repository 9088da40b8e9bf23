"""How each person wants to be told about their exports: one row of a table."""

import json

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableServiceClient, UpdateMode

from shared.requests.export_request import Notify
from shared.storage.accounts import storage_errors
from shared.storage.names import PREFERENCES_TABLE
from shared.storage.tables import ensure_table
from shared.storage.user_key import person_key


class Preferences:
    """The table of preferences. Every method raises ``StorageUnavailable`` when the account is away."""

    def __init__(self, service: TableServiceClient) -> None:
        self._table = service.get_table_client(PREFERENCES_TABLE)

    def prepare(self) -> None:
        """Create the table unless it is there."""
        ensure_table(self._table)

    def get(self, tenant: str, user: str) -> Notify:
        """What a person has chosen; nothing at first."""
        with storage_errors():
            try:
                entity = self._table.get_entity(tenant, person_key(user))
            except ResourceNotFoundError:
                return Notify()
        known = {field.alias for field in Notify.model_fields.values()}
        chosen = json.loads(entity["choices"])  # of a channel, perhaps, that this release does not have
        return Notify.model_validate({name: value for name, value in chosen.items() if name in known})

    def put(self, tenant: str, user: str, choices: Notify) -> None:
        """Replace what a person has chosen."""
        text = choices.model_dump_json(by_alias=True, exclude_none=True)
        entity = {"PartitionKey": tenant, "RowKey": person_key(user), "choices": text}
        with storage_errors():
            self._table.upsert_entity(entity, mode=UpdateMode.REPLACE)

    def switch_mail_off(self, tenant: str, user: str) -> None:
        """What the link in a mail does."""
        self.put(tenant, user, self.get(tenant, user).model_copy(update={"email": False}))
