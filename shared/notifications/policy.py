"""Who is told what, through which channels and when: the export type's word, then the person's, then the request's.

A switch that the person or the request puts off stays off; who has unsubscribed gets no mail, whatever a request says.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeVar

from shared.catalog.export_types import ExportType
from shared.durable.inputs import ReasonCode
from shared.jobs.records import ExportRecord
from shared.requests.export_request import Notify
from shared.settings import Settings
from shared.timestamps import from_iso

Kind = Literal["completed", "failed", "expiring"]
"""What there is to tell: the file is there, the export failed, the file goes soon."""

T = TypeVar("T")


@dataclass(frozen=True)
class Reason:
    """Why a channel does not tell: a code for metrics, and a sentence for the log."""

    code: ReasonCode
    sentence: str


_NOT_TOLD = {
    "failed": Reason("kind-switched-off", "failures are not told"),
    "expiring": Reason("kind-switched-off", "nobody asked for a reminder"),
}


@dataclass(frozen=True)
class Policy:
    """What holds for one export of one person."""

    export_type: ExportType
    preferences: Notify
    request: Notify
    settings: Settings

    @property
    def grace(self) -> timedelta:
        """How long after the export's end a message that waits is held back."""
        chosen = _first((self.request.grace_seconds, self.preferences.grace_seconds))
        if chosen is not None:
            return timedelta(seconds=chosen)
        own = self.export_type.notify_grace
        return timedelta(seconds=self.settings.notify_grace_seconds) if own is None else own

    @property
    def after(self) -> timedelta:
        """An export that is quicker sends no message that waits, unless its request asks for one."""
        chosen = _first((self.request.after_seconds, self.preferences.after_seconds))
        if chosen is not None:
            return timedelta(seconds=chosen)
        own = self.export_type.notify_after
        return timedelta(seconds=self.settings.notify_after_seconds) if own is None else own

    def against(self, kind: Kind, channel: str) -> Reason | None:
        """The reason why this channel does not tell this; None when it does."""
        for who, choices in (("the request", self.request), ("the user", self.preferences)):
            if choices.wants(channel) is False:
                return Reason("switched-off", f"{who} switched it off")
        if kind != "completed":
            field, own = {
                "failed": ("on_failure", self.export_type.notify_on_failure),
                "expiring": ("before_expiry", self.export_type.notify_before_expiry),
            }[kind]
            chosen = _first((getattr(self.request, field), getattr(self.preferences, field)))
            if not (own if chosen is None else chosen):
                return _NOT_TOLD[kind]
        if channel in self.export_type.notify_channels:
            return None
        if self.request.wants(channel) or self.preferences.wants(channel):
            return None
        return Reason("not-of-type", f"exports of type '{self.export_type.name}' do not use it")

    def too_quick(self, record: ExportRecord, channel: str) -> Reason | None:
        """The reason why a message about so quick an export is none; None when it is one, or was asked for."""
        took = from_iso(record.completed_at) - from_iso(record.created_at)
        if self.request.wants(channel) or took >= self.after:
            return None
        limit = self.after.total_seconds()
        return Reason("quick", f"the export took {took.total_seconds():.0f} s, quicker than {limit:.0f} s")


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)
