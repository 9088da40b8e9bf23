"""How often a user, a tenant and an address may come: token buckets in the memory of each worker process.

No call goes to storage, so an app with N worker processes lets through up to N times the rates. A bucket fills in half
a minute, is one number (the generic cell rate algorithm, ITU-T I.371), and the one that was used longest ago makes room
for a new one. The libraries for this take locks or threads of their own, or keep every caller for ever.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import partial

import azure.functions as func

from shared.audit.recorder import address_of, network_of
from shared.errors import TooManyRequests
from shared.identity.caller import Caller
from shared.settings import Settings, settings

_FILLS_IN_SECONDS = 30.0
_MOST_BUCKETS = 20_000


class Buckets:
    """A bucket for each key. Use it from one thread."""

    def __init__(self, per_minute: int, *, most: int = _MOST_BUCKETS, clock: Callable[[], float] = time.monotonic):
        self._seconds_each = 60.0 / per_minute
        self._most, self._clock = most, clock
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()

    def take(self, key: Hashable) -> float:
        """Take one out of the bucket; give 0.0, or in how many seconds there is one, when there is none."""
        now = self._clock()
        before = max(self._full_at.get(key, now), now)
        full_at = before + self._seconds_each
        wait = full_at - now - max(_FILLS_IN_SECONDS, self._seconds_each)
        self._full_at[key] = before if wait > 0.0 else full_at
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._most:
            self._full_at.popitem(last=False)
        return max(0.0, wait)

    def give_back(self, key: Hashable) -> None:
        """Put back what was taken out of the bucket."""
        if key in self._full_at:
            self._full_at[key] -= self._seconds_each


class _Rates:
    """The buckets of a process with these settings."""

    def __init__(self, known: Settings) -> None:
        self.known = known
        self.users = Buckets(known.requests_per_minute_per_user)
        self.tenants = Buckets(known.requests_per_minute_per_tenant)
        self.addresses = Buckets(known.failed_sign_ins_per_minute_per_address)
        self.tokens = Buckets(known.failed_sign_ins_per_minute_per_address)


_rates: list[_Rates] = []


def _present() -> _Rates:
    known = settings()
    if not _rates or _rates[0].known is not known:
        _rates[:] = [_Rates(known)]
    return _rates[0]


def count_request(caller: Caller) -> None:
    """Let a request of somebody who is signed in through. Raises ``TooManyRequests``."""
    rates = _present()
    if wait := rates.users.take((caller.tenant, caller.user)):
        raise _too_many("you make", "requests", rates.known.requests_per_minute_per_user, wait)
    if wait := rates.tenants.take(caller.tenant):
        raise _too_many("your organisation makes", "requests", rates.known.requests_per_minute_per_tenant, wait)


def count_failed_sign_in(address: str) -> None:
    """Note that somebody at this address is not signed in. Raises ``TooManyRequests``; good tokens are not refused."""
    rates = _present()
    if wait := rates.addresses.take(network_of(address)):
        most = rates.known.failed_sign_ins_per_minute_per_address
        raise _too_many("your address makes", "failed sign-ins", most, wait)


def count_token(req: func.HttpRequest) -> Callable[[], None]:
    """Count a token from a mail, before it is looked up, as one that nobody knows; call what this gives if it is known.

    Raises ``TooManyRequests``: whoever tries tokens out must not have storage asked for each.
    """
    rates = _present()
    network = network_of(address_of(req.headers, rates.known.trusted_proxies))
    if wait := rates.tokens.take(network):
        most = rates.known.failed_sign_ins_per_minute_per_address
        raise _too_many("your address sends", "links that nobody knows", most, wait)
    return partial(rates.tokens.give_back, network)


def _too_many(who: str, what: str, most: int, wait: float) -> TooManyRequests:
    return TooManyRequests(f"{who} too many {what}; the limit is {most:,} a minute", max(1, math.ceil(wait)))
