"""What operators switch at run time: a tenant or an export type that is paused, and quotas of a tenant's own.

One row of a table for each; no row means: not paused, quotas as the settings say.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import TableServiceClient, UpdateMode

from shared.errors import Paused, StorageUnavailable
from shared.storage.accounts import storage_errors
from shared.storage.names import CONTROLS_TABLE
from shared.storage.tables import ensure_table, quoted

Kind = Literal["tenant", "export-type"]

_RACES = 20


@dataclass(frozen=True)
class Control:
    """What is switched for a tenant or an export type. ``since`` is ISO-8601 UTC, empty when it is not paused.

    ``quotas`` are fields of ``shared.jobs.quotas.Limits``, for a tenant only.
    """

    kind: Kind
    name: str
    since: str = ""
    reason: str = ""
    by: str = ""
    quotas: Mapping[str, int] = field(default_factory=dict)

    @property
    def paused(self) -> bool:
        return bool(self.since)

    def check(self) -> None:
        """Raise ``Paused`` with the operator's reason."""
        if self.paused:
            what = (
                f"exports of type {self.name} are" if self.kind == "export-type" else "your organisation's exports are"
            )
            raise Paused(f"{what} paused: {self.reason}; exports that have begun go on; try again later")

    @classmethod
    def from_entity(cls, entity: Mapping[str, Any]) -> Self:
        """The control in a table row."""
        texts = {name: str(entity.get(name, "")) for name in ("since", "reason", "by")}
        return cls(entity["PartitionKey"], entity["RowKey"], **texts, quotas=json.loads(entity["quotas"]))


class Controls:
    """The table. Every method raises ``StorageUnavailable`` when the account is away."""

    def __init__(self, service: TableServiceClient) -> None:
        self._table = service.get_table_client(CONTROLS_TABLE)

    def prepare(self) -> None:
        """Create the table unless it is there."""
        ensure_table(self._table)

    def all(self) -> list[Control]:
        """Every row that there is."""
        with storage_errors():
            return [Control.from_entity(entity) for entity in self._table.list_entities()]

    def of(self, tenant: str, export_type: str) -> tuple[Control, Control]:
        """What is switched for a tenant and for an export type, in one request."""
        tenant_row = f"(PartitionKey eq 'tenant' and RowKey eq '{quoted(tenant)}')"
        type_row = f"(PartitionKey eq 'export-type' and RowKey eq '{quoted(export_type)}')"
        with storage_errors():
            rows = [Control.from_entity(e) for e in self._table.query_entities(f"{tenant_row} or {type_row}")]
        found = {control.kind: control for control in rows}
        return (
            found.get("tenant", Control("tenant", tenant)),
            found.get("export-type", Control("export-type", export_type)),
        )

    def change(self, kind: Kind, name: str, **changes: Any) -> Control:
        """Change a control, whoever else writes at the same time; give it as it is now."""
        for _ in range(_RACES):
            with storage_errors():
                try:
                    entity: Any = self._table.get_entity(kind, name)
                except ResourceNotFoundError:
                    entity = None
                changed = replace(Control.from_entity(entity) if entity else Control(kind, name), **changes)
                try:
                    if entity is None:
                        self._table.create_entity(_entity(changed))
                    else:
                        self._table.update_entity(
                            _entity(changed),
                            mode=UpdateMode.REPLACE,
                            etag=entity.metadata["etag"],
                            match_condition=MatchConditions.IfNotModified,
                        )
                except (ResourceExistsError, ResourceModifiedError):
                    continue
                return changed
        raise StorageUnavailable(f"{kind} {name} is being changed too often; try again")


def _entity(control: Control) -> dict[str, Any]:
    values = asdict(control)
    values["quotas"] = json.dumps(values["quotas"])
    return {"PartitionKey": values.pop("kind"), "RowKey": values.pop("name"), **values}
