"""What goes into the audit log: every function is decided on, and an address is one that the platform gave."""

import pytest

from shared.audit import ACTIONS as KNOWN
from triggers.calls import CALLS
from triggers.trail import ACTIONS, NOT_AUDITED, address_of


def test_every_function_is_audited_or_is_not() -> None:
    """A new endpoint has to be put into one of the two lists."""
    assert set(ACTIONS) | NOT_AUDITED == {call.function for call in CALLS} | {"elsewhere"}
    assert not set(ACTIONS) & NOT_AUDITED
    assert set(ACTIONS.values()) <= set(KNOWN)


@pytest.mark.parametrize(
    ("header", "proxies", "address"),
    [
        ("192.0.2.1", 0, "192.0.2.1"),
        ("192.0.2.1:50123", 0, "192.0.2.1"),
        ("6.6.6.6, 192.0.2.1:50123", 0, "192.0.2.1"),
        ("6.6.6.6, 192.0.2.1, 10.0.0.1:443", 1, "192.0.2.1"),
        ("2001:db8::1", 0, "2001:db8::1"),
        ("[2001:db8::1]:50123", 0, "2001:db8::1"),
        ("192.0.2.1", 1, ""),
        ("<script>", 0, ""),
        ("", 0, ""),
    ],
)
def test_an_address_is_the_platforms_own_word(header: str, proxies: int, address: str) -> None:
    """The last entry, or the one before our proxies: what is further left, the caller may have sent."""
    assert address_of({"x-forwarded-for": header}, proxies) == address
