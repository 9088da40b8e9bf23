"""What the mails to operators, and to the owners of schedules, say."""

from collections.abc import Sequence
from html import escape

from shared.channels.base import Message, operation_id
from shared.dead_letters import DeadLetter
from shared.words import count

_NAMED = 20
"""Failures that an alert names one by one."""


def alert(name: str, letters: Sequence[DeadLetter], recipient: str, public_url: str) -> Message:
    """The mail that says that exports failed for good."""
    lines = [f"{x.id} ({x.tenant}, {x.export_type}, {x.failure_class}): {x.message}" for x in letters[:_NAMED]]
    if len(letters) > _NAMED:
        lines.append(f"and {len(letters) - _NAMED:,} more")
    what = f"{count(len(letters), 'export')} failed for good"
    where = f"{public_url.rstrip('/')}/api/ops/dead-letters"
    hint = f"They are listed at {where}, and can be driven again there once the cause is gone."
    return Message(
        operation_id=operation_id(name, recipient, "alert"),
        recipient=recipient,
        recipient_name="Operators",
        subject=what,
        text="\n".join([f"{what}:", "", *lines, "", hint, ""]),
        html=_html([f"{what}:", *lines, hint]),
        export_id=letters[0].id,
        kind="alert",
    )


def schedule_stopped(schedule: str, notice: str, recipient: str, name: str, title: str, reason: str) -> Message:
    """The mail that says that the schedule of this id was stopped; ``notice`` tells this stop from others."""
    lines = [f"Hello {name},", f"your schedule '{title}' was stopped: {reason}.", "Resume it when the cause is gone."]
    return Message(
        operation_id=operation_id(notice, recipient, "schedule-stopped"),
        recipient=recipient,
        recipient_name=name,
        subject=f"Your schedule '{' '.join(title.split())}' was stopped",
        text="\n\n".join([*lines, ""]),
        html=_html(lines),
        export_id=schedule,
        kind="schedule-stopped",
    )


def _html(lines: Sequence[str]) -> str:
    body = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return f'<!doctype html><html lang="en"><body style="font-family:sans-serif;line-height:1.5">{body}</body></html>'
