"""The pace of mails: no more a minute and an hour than the service takes, over all workers. The others wait.

One row of a table counts by minute; it is changed under its ETag.
"""

import json
import random
import time

from azure.core import MatchConditions
from azure.core.exceptions import (
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceResponseError,
)
from azure.data.tables import TableServiceClient, UpdateMode

from shared.notifications.mail.base import MailNotAccepted
from shared.storage.accounts import storage_errors
from shared.storage.names import MAIL_TABLE
from shared.timestamps import utc_now

_ROW = ("pace", "minutes")
_HOUR = 60
_RACES = 20


class Pace:
    """Turns for mails. ``per_minute`` and ``per_hour`` are what the service takes."""

    def __init__(self, service: TableServiceClient, per_minute: int, per_hour: int) -> None:
        self._table = service.get_table_client(MAIL_TABLE)
        self._per_minute, self._per_hour = per_minute, per_hour

    def take(self) -> None:
        """Take a turn. Raises ``MailNotAccepted``, which tells when there may be one, and ``StorageUnavailable``."""
        for _ in range(_RACES):
            now = utc_now().timestamp()
            with storage_errors():
                try:
                    entity = self._table.get_entity(*_ROW)
                except ResourceNotFoundError:
                    entity = None
                counts = {int(m): n for m, n in json.loads(entity["counts"]).items()} if entity else {}
                changed = self._counted(counts, now)
                row = {"PartitionKey": _ROW[0], "RowKey": _ROW[1], "counts": json.dumps(changed)}
                try:
                    if entity is None:
                        self._table.create_entity(row)
                    else:
                        self._table.update_entity(
                            row,
                            mode=UpdateMode.REPLACE,
                            etag=entity.metadata["etag"],
                            match_condition=MatchConditions.IfNotModified,
                        )
                except (ResourceExistsError, ResourceModifiedError, ServiceResponseError):
                    time.sleep(random.uniform(0, 0.1))  # noqa: S311 - spreads load, hides nothing
                else:
                    return
        raise MailNotAccepted("too many mails want to go out at the same time", retry_after=5)

    def _counted(self, counts: dict[int, int], now: float) -> dict[int, int]:
        """The counts of the last hour with one mail more."""
        minute = int(now // 60)
        recent = {m: n for m, n in counts.items() if m > minute - _HOUR}
        if sum(recent.values()) >= self._per_hour:
            free_at = (min(recent) + _HOUR) * 60
            raise MailNotAccepted(f"{self._per_hour} mails went out in the last hour", retry_after=free_at - now)
        if recent.get(minute, 0) >= self._per_minute:
            raise MailNotAccepted(f"{self._per_minute} mails went out in this minute", retry_after=60 - now % 60)
        return {**recent, minute: recent.get(minute, 0) + 1}
