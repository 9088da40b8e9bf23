"""Which versions of orchestrations a host runs (Durable Functions, "Orchestration versioning").

The rules are those of DurableTask.Core: ``VersioningSettings`` and ``TaskOrchestrationDispatcher``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

MISMATCH = "Orchestration version did not comply with Worker Versioning"
"""Why an instance failed whose version the host does not run."""

_SYSTEM_VERSION = re.compile(r"\s*(\d+)\s*\.\s*(\d+)\s*(?:\.\s*(\d+)\s*(?:\.\s*(\d+)\s*)?)?")
"""What .NET's ``System.Version.TryParse`` takes."""


class Match(StrEnum):
    """``versionMatchStrategy``."""

    NONE = "None"
    STRICT = "Strict"
    CURRENT_OR_OLDER = "CurrentOrOlder"


class Failure(StrEnum):
    """``versionFailureStrategy``: what becomes of an instance of another version. A rejected one stays as it is."""

    REJECT = "Reject"
    FAIL = "Fail"


@dataclass(frozen=True)
class Versioning:
    """What host.json says of versions. Without a ``default`` nothing is compared."""

    default: str = ""
    match: Match = Match.CURRENT_OR_OLDER
    failure: Failure = Failure.REJECT

    def runs(self, version: str | None) -> bool:
        """Tell whether an instance of the version is run."""
        if not self.default or self.match is Match.NONE:
            return True
        if self.match is Match.STRICT:
            return (version or "") == self.default
        return not is_newer(version or "", self.default)


def is_newer(version: str, other: str) -> bool:
    """Tell whether one version is newer than the other: by number where both have two to four, else by their text."""
    if not version.strip() or not other.strip():
        return bool(version.strip())
    numbers, others = _numbers(version), _numbers(other)
    if numbers is not None and others is not None:
        return numbers > others
    return version.upper() > other.upper()


def _numbers(version: str) -> tuple[int, ...] | None:
    found = _SYSTEM_VERSION.fullmatch(version)
    return tuple(int(part) for part in found.groups() if part) if found else None
