"""Who may come in at all, and what is remembered of those who do.

A worker looks at what is kept of a person every ten seconds at most, so that who was offboarded is out everywhere soon,
and writes when they come as something else, or an hour after the last time. Other calls touch no storage for it.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.errors import NotAllowed, StorageUnavailable
from shared.identity.caller import Caller
from shared.services import Services
from shared.timestamps import from_iso, utc_now

_LOOK_AGAIN = timedelta(seconds=10)
_WRITE_AGAIN = timedelta(hours=1)
_REMEMBERED = 10_000
OFFBOARDED = "you were offboarded here; somebody who may offboard people can lift that"


@dataclass(frozen=True)
class _Known:
    caller: Caller
    looked_at: datetime
    left: bool


_known: OrderedDict[tuple[str, str], _Known] = OrderedDict()


def is_fresh(caller: Caller) -> bool:
    """Whether enough is known of a caller to need no look. Raises ``NotAllowed`` when they were offboarded."""
    known = _known.get((caller.tenant, caller.user))
    if known is None or known.caller != caller or utc_now() - known.looked_at >= _LOOK_AGAIN:
        return False
    _check(known)
    return True


def look(caller: Caller, context: Services) -> None:
    """See whether the caller was offboarded, and keep what they are now. Links of who may not export any more go.

    Blocks. Raises ``NotAllowed``, and ``StorageUnavailable`` when a caller is not known at all; others are as before.
    """
    key, now = (caller.tenant, caller.user), utc_now()
    try:
        person = context.people.get(*key)
        left = person is not None and bool(person.offboarded_at)
        if not left and (person is None or not person.was(caller) or now - from_iso(person.seen_at) >= _WRITE_AGAIN):
            if person is not None and person.exports and not caller.exports:
                context.links.revoke_links_of(*key, now)
            context.people.note(caller, now)
    except StorageUnavailable:
        if key not in _known:
            raise
        left = _known[key].left
    _known[key] = _Known(caller, now, left)
    _known.move_to_end(key)
    while len(_known) > _REMEMBERED:
        _known.popitem(last=False)
    _check(_known[key])


def look_again(tenant: str, user: str) -> None:
    """What this worker remembers of a person is not so any more."""
    _known.pop((tenant, user), None)


def _check(known: _Known) -> None:
    if known.left:
        raise NotAllowed(OFFBOARDED)
