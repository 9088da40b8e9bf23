"""The application's log: every line says which action, export, tenant and request it is about.

The fields are attributes of the log record, and stand at the end of its text as ``name=value`` too, for the platform
hands on the text alone. No line says a secret or an address, whatever an error's words are
(``shared/observability/redaction.py``).
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

from shared.observability.redaction import redact
from shared.text import writable

FIELDS = ("action", "export_id", "tenant", "request_id")

_about: ContextVar[Mapping[str, str]] = ContextVar("about", default=MappingProxyType({}))


@contextmanager
def about(**fields: str) -> Iterator[None]:
    """Meanwhile every line of this task or thread has these fields, unless it has its own."""
    token = _about.set({**_about.get(), **fields})
    try:
        yield
    finally:
        _about.reset(token)


def note(**fields: str) -> None:
    """From now on, until the ``about`` around it ends."""
    _about.set({**_about.get(), **fields})


def current_request() -> str:
    """The id of the request that this is done for; empty when there is none."""
    return _about.get().get("request_id", "")


_PLAIN = logging.Formatter()


class _WithFields(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        known = _about.get()
        found = {name: getattr(record, name, None) or known.get(name, "") for name in FIELDS}
        record.__dict__.update(found)
        told = " ".join(f"{name}={value}" for name, value in found.items() if value)
        record.msg, record.args = redact(writable(f"{record.getMessage()} {told}".rstrip())), ()
        if record.exc_info:
            record.exc_text = redact(writable(_PLAIN.formatException(record.exc_info)))
        return True


logger = logging.getLogger("sluice")
logger.addFilter(_WithFields())
