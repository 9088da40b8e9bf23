"""The life of an export, as one table: which status may follow which."""

from enum import StrEnum


class Status(StrEnum):
    """The status of an export, as the API shows it."""

    PENDING = "Pending"
    PROCESSING = "Processing"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    EXPIRED = "Expired"


MAY_FOLLOW: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.PROCESSING, Status.FAILED, Status.CANCELLED}),
    Status.PROCESSING: frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED}),
    Status.COMPLETED: frozenset({Status.EXPIRED}),
    Status.FAILED: frozenset({Status.PENDING, Status.EXPIRED}),
    Status.CANCELLED: frozenset({Status.EXPIRED}),
    Status.EXPIRED: frozenset(),
}

FINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.EXPIRED})
"""Nothing is running any more."""


class IllegalTransition(Exception):
    """A bug, or the loser of a race: the record is already in a status that this one cannot follow."""

    def __init__(self, current: Status, wanted: Status) -> None:
        super().__init__(f"an export that is {current} cannot become {wanted}")
        self.current = current


def check_transition(current: Status, wanted: Status) -> None:
    """Raise ``IllegalTransition`` unless ``wanted`` may follow ``current``."""
    if wanted not in MAY_FOLLOW[current]:
        raise IllegalTransition(current, wanted)
