"""docs/reference/errors.md: every error code with cause and cure, from the tree in ``shared/errors.py``."""

from typing import TypeVar

import shared.notifications.channels
import shared.webhooks.sealing  # noqa: F401  # with the line above: every module that adds to the tree
from doc_tools.api_page import phrase
from doc_tools.error_causes import CAUSES
from shared.errors import (
    IssuerUnavailable,
    RequestError,
    SettingsError,
    SluiceError,
    SourceUnavailable,
    StorageUnavailable,
)

_Kind = TypeVar("_Kind", bound=SluiceError)
_UNAVAILABLE = (SettingsError, SourceUnavailable, StorageUnavailable, IssuerUnavailable)

_INTRODUCTION = """# Errors

Generated from `shared/errors.py` by `make reference`. Every error is a problem document (RFC 9457). The field `type` is
`urn:sluice:problem:<code>`; the codes below are stable. The same codes are in `error.code` of a failed export.

"""


def page() -> str:
    """The whole page."""
    text = _INTRODUCTION
    by_status = statuses()
    for status in sorted(by_status):
        text += f"## {status} {phrase(status)} {{ #{status} }}\n\n"
        text += "".join(_section(code) for code in by_status[status])
    text += "## Failures of exports, mails and webhooks { #failures }\n\n"
    text += "The codes `limit-reached` and `quota-reached` above also end exports that pass a limit while they run.\n\n"
    return text + "".join(_section(code) for code in sorted(codes() - set().union(*by_status.values())))


def codes() -> set[str]:
    """Every code of the tree."""
    return {kind.code for kind in _kinds(SluiceError)}


def statuses() -> dict[int, list[str]]:
    """The codes of problem documents by their HTTP status."""
    pairs = {(kind.status, kind.code) for kind in _kinds(RequestError)}
    pairs |= {(503, kind.code) for kind in _UNAVAILABLE} | {(500, SluiceError.code)}
    pairs -= {(429, RequestError.code)}  # only its kinds are raised
    return {status: sorted(code for other, code in pairs if other == status) for status, _ in pairs}


def _kinds(kind: type[_Kind]) -> set[type[_Kind]]:
    return {kind}.union(*(_kinds(one) for one in kind.__subclasses__()))


def _section(code: str) -> str:
    cause, cure = CAUSES[code]
    return f"### `{code}` {{ #{code} }}\n\nCause: {cause}\n\nCure: {cure}\n\n"
