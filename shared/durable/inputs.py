"""Records that cross durable boundaries: what orchestrators and activities hand to each other.

All are frozen, small and JSON-shaped; rows and bytes never travel here, only references to them. The engine keeps all
of it in its history, which its management API shows: nothing here names a person but by id, quotes a request or a row,
or reads a file for longer than ten minutes. A new field needs a default, because an orchestration may have been started
by the release before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self

from shared.errors import SluiceError, TransientError

_LEFT_OUT = ("trace_parent", "detail")
"""Fields that are left out where they are empty: a release that does not know them reads the rest."""


@dataclass(frozen=True)
class _Record:
    """Turns into a JSON object and back."""

    def to_json(self) -> dict[str, Any]:
        """The object; see ``_LEFT_OUT``."""
        return {name: value for name, value in asdict(self).items() if value or name not in _LEFT_OUT}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Fields that this release does not know are left out: the next one may have written them."""
        known = {f.name for f in fields(cls)}
        return cls(**{name: given for name, given in value.items() if name in known})


@dataclass(frozen=True)
class ExportRef(_Record):
    """Which export, and at whose request.

    Here and below, ``request_id`` is that of the POST, for the log, and ``trace_parent`` the W3C ``traceparent`` of the
    orchestration; empty when nothing is traced.
    """

    tenant: str
    export_id: str
    request_id: str = ""
    trace_parent: str = ""


@dataclass(frozen=True)
class ExportStart(_Record):
    """The input of an export's orchestration: which export, and at what pace.

    The pace is taken from the settings when the export starts and travels along, because an orchestrator may not read
    settings: they could change between two replays. ``attempts`` are those of a step; ``attempt`` is the export's own,
    which a retry by hand counts up.
    """

    tenant: str
    export_id: str
    parts_in_flight: int
    attempts: int
    retry_first_seconds: float
    attempt: int = 1
    request_id: str = ""
    trace_parent: str = ""

    @property
    def ref(self) -> ExportRef:
        return ExportRef(self.tenant, self.export_id, self.request_id, self.trace_parent)


@dataclass(frozen=True)
class PlanSummary(_Record):
    """What an orchestration needs of a plan: how many parts there are, and how many rows in all.

    ``max_bytes`` is what all parts together may have (0: no limit), ``over`` what is said when they have more.
    """

    rows: int
    parts: int
    max_bytes: int = 0
    over: str = ""


@dataclass(frozen=True)
class PartsJob(_Record):
    """A group of parts for one sub-orchestration: ``first`` included, ``last`` not.

    ``total`` parts and ``total_rows`` are those of the export, ``rows_before`` and ``bytes_before`` those of the groups
    that are done; ``max_bytes`` and ``over`` are the plan's.
    """

    start: Mapping[str, Any]
    first: int
    last: int
    total: int
    rows_before: int = 0
    total_rows: int = 0
    bytes_before: int = 0
    max_bytes: int = 0
    over: str = ""


@dataclass(frozen=True)
class PartJob(_Record):
    """One part to encode; ``attempt`` counts from 1, ``halvings`` how often a worker ran out of memory over it."""

    tenant: str
    export_id: str
    index: int
    attempt: int = 1
    halvings: int = 0
    request_id: str = ""
    trace_parent: str = ""


@dataclass(frozen=True)
class PartDone(_Record):
    """A part that is stored: the rows it really has, and its bytes."""

    index: int
    rows: int
    bytes: int


@dataclass(frozen=True)
class FinalFile(_Record):
    """The merged file: blob name, rows, bytes, the sha256 of its bytes in hexadecimal, and its media type."""

    blob: str
    rows: int
    bytes: int
    sha256: str
    content_type: str


@dataclass(frozen=True)
class Published(_Record):
    """The output of an export's orchestration: the file, and a URL that reads it until ``sas_expires_at``."""

    export_id: str
    blob: str
    rows: int
    bytes: int
    sha256: str
    sas_url: str
    sas_expires_at: str

    def to_output(self) -> dict[str, Any]:
        """In the API's camelCase."""
        return {
            "exportId": self.export_id,
            "blob": self.blob,
            "rows": self.rows,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "sasUrl": self.sas_url,
            "sasExpiresAt": self.sas_expires_at,
        }


OUT_OF_MEMORY = "out-of-memory"
"""The code of a failure after which a part is tried with smaller batches."""


@dataclass(frozen=True)
class Failure(_Record):
    """Why a step failed. ``transient``: trying again may help, though not before ``retry_after`` seconds.

    ``message`` ends with the error's outline; ``detail`` is where the export's log keeps the whole sentence, which may
    quote what is nobody's business but the export's own users'.
    """

    code: str
    message: str
    transient: bool = False
    retry_after: float = 0
    detail: str = ""

    @classmethod
    def of(cls, error: SluiceError, detail: str = "") -> Self:
        """The failure that this error means to an orchestration."""
        if isinstance(error, TransientError):
            return cls(error.code, error.outline, transient=True, retry_after=error.retry_after, detail=detail)
        return cls(error.code, error.outline, detail=detail)


@dataclass(frozen=True)
class FailedExport(_Record):
    """An attempt of an export to be marked as failed, and why."""

    tenant: str
    export_id: str
    failure: Mapping[str, Any]
    attempt: int = 1
    request_id: str = ""
    trace_parent: str = ""


@dataclass(frozen=True)
class NotificationStart(_Record):
    """The input of a notification's orchestration: wait until then (ISO-8601 UTC), unless it is no news any more.

    ``kind`` is ``completed`` or ``failed``, and ``channels`` are those that wait.
    """

    tenant: str
    export_id: str
    wait_until: str
    attempts: int
    retry_first_seconds: float
    request_id: str = ""
    kind: str = "completed"
    attempt: int = 1
    channels: tuple[str, ...] = ("email",)
    trace_parent: str = ""


ReasonCode = Literal[
    "downloaded",
    "seen",
    "quick",
    "switched-off",
    "kind-switched-off",
    "not-of-type",
    "no-address",
    "left",
    "not-completed",
    "not-sent",
    "other",
]
"""Why a message is not sent, as metrics count it; ``other``: the workflow began under a release without codes."""

NO_NEWS: Mapping[ReasonCode, str] = {"downloaded": "the file was downloaded", "seen": "who asked has seen it"}
"""The events that make a message that waits unnecessary, each with its reason."""


@dataclass(frozen=True)
class SkippedMail(_Record):
    """Messages that are not sent, and why: ``reason`` is a sentence."""

    tenant: str
    export_id: str
    reason: str
    request_id: str = ""
    channels: tuple[str, ...] = ("email",)
    trace_parent: str = ""
    code: ReasonCode = "other"


@dataclass(frozen=True)
class DeliveryStart(_Record):
    """The input of a delivery's orchestration: what goes where, and the pause before each attempt in seconds.

    The pace travels along, as an export's does. ``round`` counts redeliveries from 1.
    """

    tenant: str
    endpoint: str
    delivery: str
    round: int
    pauses: Sequence[float]
    retry_first_seconds: float


@dataclass(frozen=True)
class DeliveryJob(_Record):
    """One attempt of a delivery; ``number`` counts from 1 in each round, ``last``: there will be no other."""

    tenant: str
    endpoint: str
    delivery: str
    round: int
    number: int
    last: bool


@dataclass(frozen=True)
class Attempted(_Record):
    """What became of an attempt. ``ended``: the delivery has got through or never will.

    ``busy``: nothing was sent, for enough is on its way already; ``retry_after``: what the receiver asked for, in
    seconds.
    """

    ended: bool
    busy: bool = False
    retry_after: int = 0
