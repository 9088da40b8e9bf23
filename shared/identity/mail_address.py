"""Mail addresses: which text is one that mail can be sent to, and how it is written on the wire.

An address is ``local@domain`` (RFC 5321, section 4.1.2) without display name, comment, quotation marks or list. A
domain in another script is written as the mail system needs it (IDNA 2008, RFC 5891). A local part in one needs
SMTPUTF8 (RFC 6531) from every server on the way, which nobody can know beforehand: such an address gets no mail.
"""

import re

import idna

_LOCAL = re.compile(r"(?!.*=\?)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
"""RFC 5322, section 3.2.3: a dot-atom, but none that a mail program would take for an encoded word (RFC 2047)."""

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_LONGEST_LOCAL, _LONGEST_DOMAIN, _LONGEST = 64, 253, 254
"""Octets (RFC 5321, section 4.5.3.1; errata 1690 for the whole)."""


def mail_address(text: str) -> str:
    """The address as mail goes to it, in ASCII; empty when the text is none that mail can be sent to.

    >>> mail_address("ada@bücher.example")
    'ada@xn--bcher-kva.example'
    >>> mail_address("Ada <ada@acme.example>")
    ''
    """
    local, at, domain = text.rpartition("@")
    if not at or len(text) > _LONGEST or len(local) > _LONGEST_LOCAL or not _LOCAL.fullmatch(local):
        return ""
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True, std3_rules=True).decode()
        except idna.IDNAError:
            return ""
    whole = f"{local}@{domain}"
    good = all(map(_LABEL.fullmatch, domain.split(".")))
    return whole if good and len(domain) <= _LONGEST_DOMAIN and len(whole) <= _LONGEST else ""
