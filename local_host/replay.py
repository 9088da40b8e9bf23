"""Replays recorded histories against the app's code: ``python -m local_host replay``.

Every episode of every history in a folder is run again as it was: of task hubs (``*.db``), and of histories that were
kept (``*.jsonl.gz``, one ``Recorded`` a line). The decisions must be the ones that were recorded; a difference is what
would stop a live instance with "Non-Deterministic workflow detected" after a deployment.
"""

from __future__ import annotations

import gzip
import json
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from local_host import app_index, episode
from local_host.errors import HostError, SettingsError
from local_host.history import Event, EventType

_CREATED = {
    EventType.TASK_SCHEDULED,
    EventType.SUB_ORCHESTRATION_CREATED,
    EventType.TIMER_CREATED,
    EventType.EVENT_SENT,
}
_KINDS = {
    "activity": EventType.TASK_SCHEDULED,
    "http": EventType.TASK_SCHEDULED,
    "sub": EventType.SUB_ORCHESTRATION_CREATED,
    "timer": EventType.TIMER_CREATED,
    "call_entity": EventType.EVENT_SENT,
    "signal_entity": EventType.EVENT_SENT,
}


@dataclass(frozen=True)
class Recorded:
    """A recorded history. ``input`` is JSON text."""

    instance_id: str
    execution_id: str
    name: str
    input: str | None
    parent_id: str | None
    events: list[Event]


@dataclass(frozen=True)
class Difference:
    """An episode (counted from 1) that decides otherwise now."""

    instance_id: str
    episode: int
    reason: str


@dataclass(frozen=True)
class Report:
    """What a replay has found."""

    histories: int
    episodes: int
    differences: list[Difference]


def main(app: str, data: str) -> int:
    """Replay, print what differs and a summary, and return the exit status: 0 nothing differs, 1 something does."""
    try:
        report = replay_hubs(Path(app), Path(data))
    except HostError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the output of the command
        return 1
    for difference in report.differences:
        print(f"instance {difference.instance_id} episode {difference.episode}: {difference.reason}")  # noqa: T201
    differ = len(report.differences)
    print(f"{report.histories} histories, {report.episodes} episodes replayed, {differ} differ")  # noqa: T201
    return 1 if differ else 0


def replay_hubs(app_dir: Path, data_dir: Path) -> Report:
    """Load the app into this process and replay all histories of the folder.

    Raises AppLoadError, and SettingsError when the folder holds neither a task hub nor kept histories.
    """
    hubs, kept = sorted(data_dir.glob("*.db")), sorted(data_dir.glob("*.jsonl.gz"))
    if not hubs and not kept:
        raise SettingsError(f"no task hub and no kept histories in {data_dir}")
    functions = {
        f.metadata.durable_name.lower(): f for f in app_index.load_app(app_dir) if f.metadata.kind == "orchestration"
    }
    episode.use_fast_timestamps()
    histories = episodes = 0
    differences: list[Difference] = []
    for recorded in chain(*map(read_histories, hubs), *map(kept_histories, kept)):
        histories += 1
        function = functions.get(recorded.name.lower())
        if function is None:
            differences.append(Difference(recorded.instance_id, 1, f"no orchestrator is named {recorded.name!r} now"))
            continue
        for number, (history, expected) in enumerate(split_episodes(recorded.events), 1):
            episodes += 1
            outcome = episode.run(function.call, recorded.name, recorded.execution_id, _context(recorded, history))
            reason = _difference(outcome, expected)
            if reason:
                differences.append(Difference(recorded.instance_id, number, reason))
                break
    return Report(histories, episodes, differences)


def read_histories(hub: Path) -> Iterator[Recorded]:
    """Read all histories of a task hub without locking it."""
    db = sqlite3.connect(f"{hub.resolve().as_uri()}?mode=ro", uri=True)
    try:
        rows = db.execute("SELECT instance_id, execution_id, name, input, parent_id FROM instances").fetchall()
        for row in rows:
            events = db.execute("SELECT event FROM history WHERE instance_id=? ORDER BY seq", (row[0],))
            yield Recorded(row[0], row[1], row[2], row[3], row[4], [json.loads(text) for (text,) in events])
    finally:
        db.close()


def kept_histories(path: Path) -> Iterator[Recorded]:
    """Read histories that were kept: JSON of a ``Recorded`` in each line, compressed."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield Recorded(**json.loads(line))


def split_episodes(events: list[Event]) -> Iterator[tuple[list[Event], list[Event]]]:
    """Yield the history each episode has seen, and the events of the tasks it created.

    Episodes that ran no code (terminated, suspended) are left out.
    """
    starts = [i for i, e in enumerate(events) if e["EventType"] == EventType.ORCHESTRATOR_STARTED]
    for start, end in zip(starts, [*starts[1:], len(events)], strict=True):
        part = events[start:end]
        ran = any(e["EventType"] in (EventType.ORCHESTRATOR_COMPLETED, EventType.EXECUTION_COMPLETED) for e in part)
        suspended = any(e["EventType"] == EventType.EXECUTION_SUSPENDED for e in part)
        if ran and not suspended:
            created = [e for e in part if e["EventType"] in _CREATED]
            seen = [e for e in part if e["EventType"] not in _CREATED]
            yield events[:start] + [{**e, "IsPlayed": False} for e in seen], created


def _context(recorded: Recorded, history: list[Event]) -> str:
    context: dict[str, Any] = {
        "history": history,
        "input": json.loads(recorded.input or "null"),
        "instanceId": recorded.instance_id,
        "isReplaying": len(history) > 2,
        "parentInstanceId": recorded.parent_id,
        **episode.CONTEXT_OPTIONS,
    }
    return json.dumps(context)


def _difference(outcome: episode.Outcome, expected: list[Event]) -> str | None:
    if outcome.status == "failed" and expected:
        return outcome.output
    decided = [(_KINDS[d["kind"]], d["id"], d.get("name")) for d in outcome.decisions]
    recorded = [(EventType(e["EventType"]), e["EventId"], _task_name(e)) for e in expected]
    if decided == recorded:
        return None
    return f"recorded {_words(recorded)}, decided {_words(decided)}"


def _task_name(event: Event) -> str | None:
    named = event["EventType"] in (EventType.TASK_SCHEDULED, EventType.SUB_ORCHESTRATION_CREATED)
    return event.get("Name") if named else None


def _words(tasks: list[tuple[EventType, int, str | None]]) -> str:
    return (
        ", ".join(f"{kind.name.lower()} {task_id} {name or ''}".strip() for kind, task_id, name in tasks) or "nothing"
    )
