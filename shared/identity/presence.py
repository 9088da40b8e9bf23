"""Who may come in at all, and what is remembered of those who do.

A worker looks at what is kept of a person every ten seconds at most, so that who was offboarded is out everywhere soon,
and writes when they come as something else, or an hour after the last time. Other calls touch no storage for it. A
person who may do something else than in the calls of these ten seconds is looked at again at once, a few times at most:
several tokens of one person may be in use together, and a service may have one for each company.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.errors import NotAllowed, StorageUnavailable
from shared.identity.caller import Caller
from shared.identity.people import OffboardedBy
from shared.services import Services
from shared.timestamps import from_iso, utc_now

_LOOK_AGAIN = timedelta(seconds=10)
_LOOKS = 4
"""At a person, in that time."""

_WRITE_AGAIN = timedelta(hours=1)
_REMEMBERED = 10_000
OFFBOARDED = "you were offboarded here; somebody who may offboard people can lift that"

_Key = tuple[str, str]
_Rights = tuple[frozenset[str], frozenset[str], frozenset[str]]


def _rights_of(caller: Caller) -> _Rights:
    return frozenset(caller.roles), frozenset(caller.company_ids), frozenset(caller.operational_scope_ids)


@dataclass(frozen=True)
class _Known:
    """What a person came with since ``began``, when the first of these looks did.

    ``left``: as what somebody offboarded them (``OffboardedBy``), empty when nobody did.
    """

    seen: frozenset[_Rights]
    began: datetime
    left: OffboardedBy

    def covers(self, caller: Caller, now: datetime) -> bool:
        """Whether a call needs no look."""
        return self.is_recent(now) and (len(self.seen) >= _LOOKS or _rights_of(caller) in self.seen)

    def is_recent(self, now: datetime) -> bool:
        return now - self.began < _LOOK_AGAIN


class _Memory:
    """What this worker knows of people; those who called longest ago make room. For many threads."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._known: OrderedDict[_Key, _Known] = OrderedDict()
        self._dropped = 0

    def get(self, key: _Key) -> _Known | None:
        with self._turn:
            return self._known.get(key)

    def begin(self, key: _Key) -> tuple[_Known | None, int]:
        """What is known of a person, and what ``keep`` has to be given once it was looked again."""
        with self._turn:
            return self._known.get(key), self._dropped

    def keep(self, key: _Key, known: _Known, begun: int) -> None:
        """Remember what a look has found, unless something was dropped meanwhile: it may have read what was before."""
        with self._turn:
            if begun != self._dropped:
                return
            self._known[key] = known
            self._known.move_to_end(key)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)

    def drop(self, key: _Key) -> None:
        with self._turn:
            self._dropped += 1
            self._known.pop(key, None)


_memory = _Memory()


def is_fresh(caller: Caller) -> bool:
    """Whether enough is known of a caller to need no look. Raises ``NotAllowed`` when they were offboarded."""
    known = _memory.get((caller.tenant, caller.user))
    if known is None or not known.covers(caller, utc_now()):
        return False
    _check(known, caller)
    return True


def look(caller: Caller, context: Services) -> None:
    """See whether the caller was offboarded, and keep what they are now. Links of who may not export any more go.

    Blocks. Raises ``NotAllowed``, and ``StorageUnavailable`` when a caller is not known at all; others are as before.
    """
    key, now = (caller.tenant, caller.user), utc_now()
    before, begun = _memory.begin(key)
    try:
        person = context.people.get(*key)
        left: OffboardedBy = ""
        if person is not None and person.offboarded_at:
            left = person.offboarded_as or "operator"
        if not left and (person is None or not person.was(caller) or now - from_iso(person.seen_at) >= _WRITE_AGAIN):
            if person is not None and person.exports and not caller.exports:
                context.links.revoke_links_of(*key, now)
            context.people.note(caller, now)
    except StorageUnavailable:
        if before is None:
            raise
        left = before.left
    seen = frozenset({_rights_of(caller)})
    if before is not None and before.is_recent(now):
        known = _Known(before.seen | seen, before.began, left)
    else:
        known = _Known(seen, now, left)
    _memory.keep(key, known, begun)
    _check(known, caller)


def look_again(tenant: str, user: str) -> None:
    """What this worker remembers of a person is not so any more."""
    _memory.drop((tenant, user))


def _check(known: _Known, caller: Caller) -> None:
    """Raise ``NotAllowed`` for who has left. An operator is shut out by operators alone, not by an Admin's word."""
    if known.left == "operator" or (known.left and not caller.all_tenants):
        raise NotAllowed(OFFBOARDED)
