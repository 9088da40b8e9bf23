"""That all links of a person were revoked, once no file is there that such a link could lead to."""

import asyncio
from datetime import timedelta

from shared.jobs.status import Status
from shared.retention.sweepers.base import PAGE, Page, Sweep
from shared.storage.links import RevokedPerson
from shared.storage.tables import quoted
from shared.timestamps import iso

_MAY_HAVE_A_FILE = (
    f"status ne '{Status.EXPIRED}' and status ne '{Status.CANCELLED}' "
    f"and (status ne '{Status.FAILED}' or expires_at ne '')"
)


class RevokedPeople:
    """See ``Sweeper``. A file can be there for longer than a setting says: it is held, or older than the setting."""

    name = "revoked-people"

    def page(self, sweep: Sweep, cursor: str) -> Page:
        before = iso(sweep.now - timedelta(days=sweep.context.longest_retention + 1))
        found, after = sweep.context.links.people_revoked(before, cursor, PAGE)
        return Page(found, after)

    async def remove(self, item: RevokedPerson, sweep: Sweep) -> bool:
        return await asyncio.to_thread(self._remove, item, sweep)

    def _remove(self, person: RevokedPerson, sweep: Sweep) -> bool:
        of_then = f"PartitionKey eq '{quoted(person.tenant)}' and created_at le '{person.revoked_at}'"
        cursor = ""
        while True:
            found, cursor = sweep.context.records.scan(f"{of_then} and {_MAY_HAVE_A_FILE}", cursor, 1)
            if found:
                return False
            if not cursor:
                return sweep.context.links.forget_person(person)
