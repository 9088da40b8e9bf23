"""Log records of the host: one line each, a stable ``action`` first, then ``key=value`` pairs.

``2026-01-31T08:30:00.123Z INFO  activity.completed function=resize invocation=3f… ms=12``

Records that functions write in workers arrive as ``function.log`` with the level and logger name they had.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "information": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "none": logging.CRITICAL + 10,
}

_logger = logging.getLogger("local_host")


class _LineFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = f"{seconds}.{int(record.msecs):03d}Z {record.levelname:<8} {record.getMessage()}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def configure(level: int) -> None:
    """Send the host's records at or above the level to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_LineFormatter())
    _logger.handlers[:] = [handler]
    _logger.propagate = False
    _logger.setLevel(level)


def event(action: str, *, level: int = logging.INFO, exc_info: bool = False, **fields: Any) -> None:
    """Write one record. Fields that are None are left out; text with blanks is quoted as JSON."""
    if _logger.isEnabledFor(level):
        _logger.log(level, "%s", line(action, **fields), exc_info=exc_info)


def line(action: str, **fields: Any) -> str:
    """Return the text of a record."""
    parts = [action]
    for name, value in fields.items():
        if value is None:
            continue
        if isinstance(value, float):
            text = f"{value:.1f}"
        else:
            text = str(value)
            if not text or not text.isprintable() or any(c in text for c in ' "='):
                text = printable(json.dumps(text, ensure_ascii=False))
        parts.append(f"{name}={text}")
    return " ".join(parts)


def printable(text: str, *, but: str = "") -> str:
    """The text with escapes for what is no printable character, unless it is one of ``but``."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in but else _escape(c) for c in text)


def _escape(character: str) -> str:
    return "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]  # JSON leaves DEL as it is


def forward(level: int, message: str) -> None:
    """Write a record of a function; its worker has already decided that the level is to be written."""
    text = printable(message, but="\n\t")
    _logger.handle(_logger.makeRecord(_logger.name, level, "", 0, "%s", (text,), None))
