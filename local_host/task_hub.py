"""The task hub: one SQLite file that holds everything a restart needs.

Tables: ``instances`` (one row each), ``history`` (events of the current execution), ``inbox`` (events an instance has
not seen), ``activities`` (scheduled, not finished), ``timers`` (created, not fired), ``entities`` and
``entity_inbox``, ``timer_triggers``. An episode commits in one transaction: history, instance row, new work and
consumed inbox together, or none of it.

The file is in WAL mode with ``synchronous=NORMAL``: a committed transaction survives any kill of the process, since
the operating system has the bytes; after a power cut the newest transactions may be missing, and the file is intact.

One host has a task hub at a time, see ``lease``; every transaction makes sure of it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_host.errors import InstanceExistsError, InvalidRequestError
from local_host.history import EventType, new_event, to_text
from local_host.lease import Lease

LIVE = frozenset({"Pending", "Running", "Suspended", "ContinuedAsNew"})
FINISHED = frozenset({"Completed", "Failed", "Terminated", "Canceled"})
STORAGE_PAUSE = 1.0
"""Seconds after which a transaction that failed as a whole (a full disk, say) is tried again."""

INLINE_INPUT = 8 * 1024
"""Activity inputs longer than this (characters) stay in the file until the activity runs."""

_LIVE_SQL = "('Pending','Running','Suspended','ContinuedAsNew')"
_ADD_IF_LIVE = (
    "INSERT INTO inbox (instance_id, execution_id, event) SELECT ?,?,? WHERE EXISTS (SELECT 1 FROM instances WHERE "  # noqa: S608 - constants
    f"instance_id=? AND (? IS NULL OR execution_id=?) AND status IN {_LIVE_SQL})"
)
_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS instances (
    instance_id TEXT PRIMARY KEY, execution_id TEXT NOT NULL, name TEXT NOT NULL, version TEXT, status TEXT NOT NULL,
    input TEXT, output TEXT, custom_status TEXT, created TEXT NOT NULL, updated TEXT NOT NULL,
    parent_id TEXT, parent_execution TEXT, parent_task INTEGER);
CREATE INDEX IF NOT EXISTS instances_by_created ON instances (created, instance_id);
CREATE INDEX IF NOT EXISTS instances_by_parent ON instances (parent_id) WHERE parent_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS history (
    instance_id TEXT NOT NULL, seq INTEGER NOT NULL, event TEXT NOT NULL, PRIMARY KEY (instance_id, seq));
CREATE TABLE IF NOT EXISTS inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, instance_id TEXT NOT NULL, execution_id TEXT, event TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS inbox_by_instance ON inbox (instance_id, id);
CREATE TABLE IF NOT EXISTS activities (
    id INTEGER PRIMARY KEY AUTOINCREMENT, instance_id TEXT NOT NULL, execution_id TEXT NOT NULL,
    task_id INTEGER NOT NULL, name TEXT NOT NULL, input TEXT);
CREATE INDEX IF NOT EXISTS activities_by_instance ON activities (instance_id);
CREATE TABLE IF NOT EXISTS timers (
    id INTEGER PRIMARY KEY AUTOINCREMENT, instance_id TEXT NOT NULL, execution_id TEXT NOT NULL,
    task_id INTEGER NOT NULL, fire_at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS timers_by_instance ON timers (instance_id);
CREATE TABLE IF NOT EXISTS entities (
    entity_id TEXT PRIMARY KEY, state TEXT, updated TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS entity_inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, entity_id TEXT NOT NULL, request TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS entity_inbox_by_entity ON entity_inbox (entity_id, id);
CREATE TABLE IF NOT EXISTS timer_triggers (
    function TEXT PRIMARY KEY, last TEXT NOT NULL, next TEXT NOT NULL, updated TEXT NOT NULL, schedule TEXT NOT NULL);
"""


@dataclass
class Instance:
    """One orchestration instance. ``input``, ``output`` and ``custom_status`` are JSON text, times ISO 8601."""

    instance_id: str
    execution_id: str
    name: str
    version: str | None
    status: str
    input: str | None
    output: str | None
    custom_status: str | None
    created: str
    updated: str
    parent_id: str | None = None
    parent_execution: str | None = None
    parent_task: int | None = None


@dataclass(frozen=True)
class Message:
    """An event for an instance. With an ``execution_id`` it is dropped when that execution is over."""

    instance_id: str
    execution_id: str | None
    event: str


@dataclass(frozen=True)
class InboxRow:
    """A message an instance has not seen."""

    row_id: int
    execution_id: str | None
    event: dict[str, Any]


@dataclass(frozen=True)
class Activity:
    """A scheduled activity. ``input`` is None when it is too long to keep in memory, see ``TaskHub.activity_input``."""

    row_id: int
    instance_id: str
    execution_id: str
    task_id: int
    name: str
    input: str | None


@dataclass(frozen=True)
class DurableTimer:
    """A created timer. ``fire_at`` is ISO 8601."""

    row_id: int
    instance_id: str
    execution_id: str
    task_id: int
    fire_at: str


@dataclass(frozen=True)
class EntityRequest:
    """An operation for an entity.

    ``request`` has name, input, isSignal, and for calls id, parent_id and parent_execution.
    """

    entity_id: str
    request: dict[str, Any]


@dataclass
class Episode:
    """What one episode writes. ``events`` are played events as JSON text, added after the ``seq`` there are.

    ``instance`` is the row as it shall be. ``fresh`` starts a new execution: history and timers go first.
    """

    instance: Instance
    seq: int
    consumed: list[int] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    activities: list[tuple[int, str, str | None]] = field(default_factory=list)
    timers: list[tuple[int, str]] = field(default_factory=list)
    children: list[tuple[Instance, str]] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    entity_requests: list[EntityRequest] = field(default_factory=list)
    fresh: bool = False


@dataclass
class Committed:
    """What came out of an episode's commit, to be dispatched."""

    activities: list[Activity] = field(default_factory=list)
    timers: list[DurableTimer] = field(default_factory=list)
    instances: set[str] = field(default_factory=set)
    entities: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class InstanceQuery:
    """Filters of a list. Times are ISO 8601 as stored; ``statuses`` empty means all; ``top`` None means no limit."""

    created_from: str | None = None
    created_to: str | None = None
    statuses: tuple[str, ...] = ()
    prefix: str | None = None
    top: int | None = None
    continuation: str | None = None


class TaskHub:
    """An open task hub. Methods are short and blocking; each is one transaction."""

    def __init__(self, path: Path, lease: Lease) -> None:
        """Open the file, which the lease has made."""
        self.path = path
        self._lease = lease
        self._db = sqlite3.connect(path, isolation_level=None, cached_statements=256)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA busy_timeout=5000")
        self._db.executescript(_SCHEMA)
        self._db.execute(f"PRAGMA user_version={_SCHEMA_VERSION}")

    def close(self) -> None:
        """Close the file and release the lease."""
        self._db.close()
        self._lease.release()

    def renew_lease(self) -> None:
        """Tell other hosts that this one lives. Raises TaskHubLostError when one has taken over, as all writes do."""
        with self._transaction() as db:
            self._lease.renew(db)

    def check_lease(self) -> None:
        """Raise TaskHubLostError when another host has taken over."""
        self._lease.check(self._db)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._lease.check(self._db)
            yield self._db
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # Instances

    def get_instance(self, instance_id: str) -> Instance | None:
        """Return the row, or None."""
        row = self._db.execute("SELECT * FROM instances WHERE instance_id=?", (instance_id,)).fetchone()
        return Instance(*row) if row else None

    def create_instance(self, instance: Instance, start_event: str) -> None:
        """Add a pending instance and its start message; a finished one with that id is replaced.

        Raises InstanceExistsError when a live one has the id.
        """
        with self._transaction() as db:
            _create(db, instance, start_event)

    def list_instances(self, query: InstanceQuery) -> tuple[list[Instance], str | None]:
        """Return instances in order of creation and the token of the next page, or None at the end.

        Raises InvalidRequestError when the query's token is none.
        """
        where, values = _filters(query)
        if query.continuation:
            where.append("(created, instance_id) > (?, ?)")
            values += _parse_token(query.continuation)
        limit = "" if query.top is None else f" LIMIT {query.top + 1}"
        sql = f"SELECT * FROM instances WHERE {' AND '.join(where)} ORDER BY created, instance_id{limit}"  # noqa: S608
        rows = [Instance(*row) for row in self._db.execute(sql, values)]
        if query.top is None or len(rows) <= query.top:
            return rows, None
        rows = rows[: query.top]
        return rows, _token(rows[-1])

    def purge_instance(self, instance_id: str) -> None:
        """Remove all traces of an instance and of its sub-orchestrations."""
        with self._transaction() as db:
            _purge(db, instance_id)

    def purge_instances(self, query: InstanceQuery) -> int:
        """Remove finished instances that match, and return how many."""
        where, values = _filters(query)
        where.append(f"status NOT IN {_LIVE_SQL}")
        with self._transaction() as db:
            sql = f"SELECT instance_id FROM instances WHERE {' AND '.join(where)}"  # noqa: S608
            ids = [row[0] for row in db.execute(sql, values)]
            return sum(_purge(db, instance_id) for instance_id in ids)

    def children(self, instance_id: str) -> list[Instance]:
        """Return the sub-orchestrations an instance has started."""
        rows = self._db.execute("SELECT * FROM instances WHERE parent_id=?", (instance_id,))
        return [Instance(*row) for row in rows]

    def set_status(self, instance_id: str, status: str, updated: str) -> None:
        """Change the status alone."""
        with self._transaction() as db:
            db.execute("UPDATE instances SET status=?, updated=? WHERE instance_id=?", (status, updated, instance_id))

    def counts(self) -> dict[str, int]:
        """Return the number of instances per status."""
        return dict(self._db.execute("SELECT status, count(*) FROM instances GROUP BY status").fetchall())

    # History and inbox

    def history(self, instance_id: str) -> list[str]:
        """Return the events of the current execution as JSON text."""
        rows = self._db.execute("SELECT event FROM history WHERE instance_id=? ORDER BY seq", (instance_id,))
        return [row[0] for row in rows]

    def replace_history(self, instance: Instance, events: Iterable[str], messages: Iterable[Message]) -> None:
        """Write an edited history, the instance row and messages in one transaction."""
        with self._transaction() as db:
            db.execute("DELETE FROM history WHERE instance_id=?", (instance.instance_id,))
            _add_history(db, instance.instance_id, 0, events)
            _save(db, instance)
            _add_messages(db, messages)

    def inbox(self, instance_id: str, limit: int) -> list[InboxRow]:
        """Return the oldest messages of an instance; the one that starts an execution comes first.

        External events may be older than the execution that gets them, see ContinueAsNew.
        """
        rows = self._db.execute(
            "SELECT id, execution_id, event FROM inbox WHERE instance_id=? "
            "ORDER BY event LIKE '{\"EventType\":0,%' DESC, id LIMIT ?",
            (instance_id, limit),
        )
        return [InboxRow(row[0], row[1], json.loads(row[2])) for row in rows]

    def send(self, messages: Iterable[Message]) -> None:
        """Add messages."""
        with self._transaction() as db:
            _add_messages(db, messages)

    def drop_messages(self, row_ids: Iterable[int]) -> None:
        """Remove messages nobody will read."""
        with self._transaction() as db:
            db.executemany("DELETE FROM inbox WHERE id=?", [(i,) for i in row_ids])

    # Episodes

    def commit_episode(self, episode: Episode) -> Committed:
        """Write one episode."""
        instance, result = episode.instance, Committed()
        with self._transaction() as db:
            if episode.fresh:
                db.execute("DELETE FROM history WHERE instance_id=?", (instance.instance_id,))
                db.execute("DELETE FROM timers WHERE instance_id=?", (instance.instance_id,))
            db.executemany("DELETE FROM inbox WHERE id=?", [(i,) for i in episode.consumed])
            _add_history(db, instance.instance_id, episode.seq, episode.events)
            _save(db, instance)
            for task_id, name, text in episode.activities:
                row_id = db.execute(
                    "INSERT INTO activities (instance_id, execution_id, task_id, name, input) VALUES (?,?,?,?,?)",
                    (instance.instance_id, instance.execution_id, task_id, name, text),
                ).lastrowid
                result.activities.append(
                    Activity(row_id or 0, instance.instance_id, instance.execution_id, task_id, name, _inline(text))
                )
            for task_id, fire_at in episode.timers:
                row_id = db.execute(
                    "INSERT INTO timers (instance_id, execution_id, task_id, fire_at) VALUES (?,?,?,?)",
                    (instance.instance_id, instance.execution_id, task_id, fire_at),
                ).lastrowid
                result.timers.append(
                    DurableTimer(row_id or 0, instance.instance_id, instance.execution_id, task_id, fire_at)
                )
            for child, start_event in episode.children:
                result.instances.add(_create_child(db, child, start_event))
            _add_messages(db, episode.messages)
            _add_entity_requests(db, episode.entity_requests)
            if instance.status in FINISHED:
                db.execute("DELETE FROM timers WHERE instance_id=?", (instance.instance_id,))
                db.execute("DELETE FROM inbox WHERE instance_id=?", (instance.instance_id,))
        result.instances.update(m.instance_id for m in episode.messages)
        result.entities.update(r.entity_id for r in episode.entity_requests)
        return result

    def complete_activities(self, results: Iterable[tuple[Activity, str]]) -> None:
        """Turn finished activities into messages; one that was finished before changes nothing."""
        with self._transaction() as db:
            for activity, event in results:
                if db.execute("DELETE FROM activities WHERE id=?", (activity.row_id,)).rowcount:
                    _add_message_if_live(db, activity.instance_id, activity.execution_id, event)

    def activity_input(self, row_id: int) -> str | None:
        """Return the input of a scheduled activity as JSON text."""
        row = self._db.execute("SELECT input FROM activities WHERE id=?", (row_id,)).fetchone()
        return row[0] if row else None

    def fire_timers(self, timers: Iterable[tuple[DurableTimer, str]]) -> None:
        """Turn due timers into messages."""
        with self._transaction() as db:
            for timer, event in timers:
                if db.execute("DELETE FROM timers WHERE id=?", (timer.row_id,)).rowcount:
                    _add_message_if_live(db, timer.instance_id, timer.execution_id, event)

    # Recovery

    def pending_instances(self) -> list[str]:
        """Return ids of instances with messages."""
        return [row[0] for row in self._db.execute("SELECT DISTINCT instance_id FROM inbox")]

    def pending_entities(self) -> list[str]:
        """Return ids of entities with requests."""
        return [row[0] for row in self._db.execute("SELECT DISTINCT entity_id FROM entity_inbox")]

    def pending_activities(self) -> list[Activity]:
        """Return all scheduled activities, oldest first."""
        rows = self._db.execute(
            "SELECT id, instance_id, execution_id, task_id, name, "
            "CASE WHEN length(input) <= ? THEN input END FROM activities ORDER BY id",
            (INLINE_INPUT,),
        )
        return [Activity(*row) for row in rows]

    def pending_timers(self) -> list[DurableTimer]:
        """Return all timers that have not fired."""
        rows = self._db.execute("SELECT id, instance_id, execution_id, task_id, fire_at FROM timers")
        return [DurableTimer(*row) for row in rows]

    # Entities

    def entity_state(self, entity_id: str) -> str | None:
        """Return the state as JSON text, None when the entity does not exist."""
        row = self._db.execute("SELECT state FROM entities WHERE entity_id=?", (entity_id,)).fetchone()
        return row[0] if row else None

    def list_entities(self, name: str | None) -> list[tuple[str, str, str]]:
        """Return (id, state, time of the last operation) of entities, of one name or of all."""
        pattern = "@%" if name is None else f"@{_like(name.lower())}@%"
        rows = self._db.execute(
            "SELECT entity_id, state, updated FROM entities WHERE entity_id LIKE ? ESCAPE '\\' ORDER BY entity_id",
            (pattern,),
        )
        return [(row[0], row[1], row[2]) for row in rows]

    def entity_requests(self, entity_id: str, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """Return the oldest requests of an entity with their row ids."""
        rows = self._db.execute(
            "SELECT id, request FROM entity_inbox WHERE entity_id=? ORDER BY id LIMIT ?", (entity_id, limit)
        )
        return [(row[0], json.loads(row[1])) for row in rows]

    def signal(self, requests: Iterable[EntityRequest]) -> None:
        """Add requests for entities."""
        with self._transaction() as db:
            _add_entity_requests(db, requests)

    def commit_batch(
        self,
        entity_id: str,
        state: str | None,
        updated: str,
        consumed: Iterable[int],
        messages: list[Message],
        requests: list[EntityRequest],
    ) -> Committed:
        """Write the outcome of one entity batch; a state of None removes the entity."""
        with self._transaction() as db:
            db.executemany("DELETE FROM entity_inbox WHERE id=?", [(i,) for i in consumed])
            if state is None:
                db.execute("DELETE FROM entities WHERE entity_id=?", (entity_id,))
            else:
                db.execute(
                    "INSERT INTO entities VALUES (?,?,?) ON CONFLICT (entity_id) DO UPDATE SET "
                    "state=excluded.state, updated=excluded.updated",
                    (entity_id, state, updated),
                )
            for message in messages:
                _add_message_if_live(db, message.instance_id, message.execution_id, message.event)
            _add_entity_requests(db, requests)
        return Committed(instances={m.instance_id for m in messages}, entities={r.entity_id for r in requests})

    # Timer triggers

    def timer_state(self, function: str) -> dict[str, str] | None:
        """Return ``last``, ``next``, ``updated`` and ``schedule`` of a timer function, or None."""
        row = self._db.execute(
            "SELECT last, next, updated, schedule FROM timer_triggers WHERE function=?", (function,)
        ).fetchone()
        return dict(zip(("last", "next", "updated", "schedule"), row, strict=True)) if row else None

    def save_timer_state(self, function: str, state: dict[str, str]) -> None:
        """Keep what ``timer_state`` returns."""
        with self._transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO timer_triggers VALUES (?,?,?,?,?)",
                (function, state["last"], state["next"], state["updated"], state["schedule"]),
            )


def _inline(text: str | None) -> str | None:
    return text if text is None or len(text) <= INLINE_INPUT else None


def _save(db: sqlite3.Connection, instance: Instance) -> None:
    db.execute("INSERT OR REPLACE INTO instances VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", tuple(vars(instance).values()))


def _create(db: sqlite3.Connection, instance: Instance, start_event: str) -> None:
    row = db.execute("SELECT status FROM instances WHERE instance_id=?", (instance.instance_id,)).fetchone()
    if row:
        if row[0] in LIVE:
            raise InstanceExistsError(row[0])
        _purge_one(db, instance.instance_id)
    _save(db, instance)
    db.execute(
        "INSERT INTO inbox (instance_id, execution_id, event) VALUES (?,?,?)",
        (instance.instance_id, instance.execution_id, start_event),
    )


def _create_child(db: sqlite3.Connection, child: Instance, start_event: str) -> str:
    """Create a sub-orchestration, or tell the parent why not; return the id of the instance that has a message now."""
    try:
        _create(db, child, start_event)
    except InstanceExistsError as error:
        failed = new_event(
            EventType.SUB_ORCHESTRATION_FAILED,
            child.created,
            TaskScheduledId=child.parent_task,
            Reason=f"{error} (instance ID '{child.instance_id}')",
            Details=None,
        )
        parent = child.parent_id or ""
        _add_messages(db, [Message(parent, child.parent_execution, to_text(failed))])
        return parent
    return child.instance_id


def _purge(db: sqlite3.Connection, instance_id: str) -> int:
    """Remove an instance and, as the platform does, the sub-orchestrations it started."""
    child_ids = [r[0] for r in db.execute("SELECT instance_id FROM instances WHERE parent_id=?", (instance_id,))]
    return sum(_purge(db, child_id) for child_id in child_ids) + _purge_one(db, instance_id)


def _purge_one(db: sqlite3.Connection, instance_id: str) -> int:
    for table in ("history", "inbox", "activities", "timers"):
        db.execute(f"DELETE FROM {table} WHERE instance_id=?", (instance_id,))  # noqa: S608 - names are ours
    return db.execute("DELETE FROM instances WHERE instance_id=?", (instance_id,)).rowcount


def _add_history(db: sqlite3.Connection, instance_id: str, seq: int, events: Iterable[str]) -> None:
    db.executemany(
        "INSERT INTO history (instance_id, seq, event) VALUES (?,?,?)",
        [(instance_id, seq + offset, event) for offset, event in enumerate(events)],
    )


def _add_messages(db: sqlite3.Connection, messages: Iterable[Message]) -> None:
    db.executemany(
        "INSERT INTO inbox (instance_id, execution_id, event) VALUES (?,?,?)",
        [(m.instance_id, m.execution_id, m.event) for m in messages],
    )


def _add_message_if_live(db: sqlite3.Connection, instance_id: str, execution_id: str | None, event: str) -> None:
    db.execute(_ADD_IF_LIVE, (instance_id, execution_id, event, instance_id, execution_id, execution_id))


def _add_entity_requests(db: sqlite3.Connection, requests: Iterable[EntityRequest]) -> None:
    db.executemany(
        "INSERT INTO entity_inbox (entity_id, request) VALUES (?,?)",
        [(r.entity_id, json.dumps(r.request)) for r in requests],
    )


def _filters(query: InstanceQuery) -> tuple[list[str], list[Any]]:
    where: list[str] = ["1"]
    values: list[Any] = []
    if query.created_from is not None:
        where.append("created >= ?")
        values.append(query.created_from)
    if query.created_to is not None:
        where.append("created <= ?")
        values.append(query.created_to)
    if query.statuses:
        where.append(f"status IN ({','.join('?' * len(query.statuses))})")
        values += query.statuses
    if query.prefix:
        where.append("substr(instance_id, 1, ?) = ?")
        values += [len(query.prefix), query.prefix]
    return where, values


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _token(instance: Instance) -> str:
    return base64.urlsafe_b64encode(json.dumps([instance.created, instance.instance_id]).encode()).decode()


def _parse_token(token: str) -> list[str]:
    try:
        created, instance_id = json.loads(base64.urlsafe_b64decode(token.encode()))
    except ValueError as error:
        raise InvalidRequestError(f"The continuation token {token!r} is not one of this task hub.") from error
    return [str(created), str(instance_id)]
