"""Counting for estimates: in threads of their own, of which nobody has all."""

import ast
import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from exports import EXPORT_TYPES
from shared.errors import SourceUnavailable, TookTooLong, TooManyRequests
from shared.identity.caller import Caller, demo_caller
from shared.jobs.estimate_pool import FairPool, in_a_counting_thread
from shared.jobs.estimates import estimate
from shared.requests.export_request import parse_request
from shared.schedules import run_due
from shared.settings import Settings
from shared.sources.deadline import Deadline
from triggers.http.endpoint import in_thread

_ROOT = Path(__file__).parents[2]
ADA, MAX, BEA = (demo_caller(name) for name in ("ada", "max", "bea"))


def plenty() -> Deadline:
    """A time that no test takes."""
    return Deadline.after(60)


class Busy:
    """Work that goes on until it is let go, and says who began."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self._go_on = threading.Event()

    def by(self, name: str) -> Callable[[], str]:
        def work() -> str:
            self.began.append(name)
            assert self._go_on.wait(60)
            return name

        return work

    def let_go(self) -> None:
        self._go_on.set()


async def _until(true: Callable[[], bool]) -> None:
    while not true():
        await in_thread(time.sleep, 0.001)


def importers(folder: str, *names: str) -> set[str]:
    """The modules of a folder that import one of these names."""
    return {
        str(path.relative_to(_ROOT / folder).with_suffix(""))
        for path in (_ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.alias) and node.name in names
    }


def test_only_estimates_ask_the_database() -> None:
    """Of what answers requests; health only looks whether the URL is one of a known database.

    Beside activities, which have threads of their own, it is asked where a timer decides on the runs of schedules.
    """
    asking = ("open_source", "SOURCES", "shared.sources")
    assert importers("triggers", *asking) == {"http/health"}
    assert importers("shared", *asking) == {"catalog/functions", "jobs/estimates", "jobs/planning", "schedules/runs"}
    assert importers("triggers", "planning", "shared.jobs.planning") == set()
    assert importers("triggers", "runs", "shared.schedules.runs") == set()


def test_what_the_timer_asks_is_asked_aside() -> None:
    """In threads that no request waits for."""

    async def run() -> tuple[str, str]:
        name = threading.current_thread
        return (await run_due.aside(lambda: name().name), await in_thread(lambda: name().name))

    aside, request = asyncio.run(run())
    assert aside.startswith("scheduler")
    assert not request.startswith("scheduler")
    calls = [
        node
        for node in ast.walk(ast.parse((_ROOT / "shared" / "schedules" / "run_due.py").read_text()))
        if isinstance(node, ast.Call) and any(isinstance(a, ast.Name) and a.id == "_decide" for a in node.args)
    ]
    assert [call.func.id for call in calls if isinstance(call.func, ast.Name)] == ["aside"]


def test_an_estimate_is_refused_elsewhere() -> None:
    """In the pool that answers requests, or on the event loop, it is a mistake that is told at once."""
    request = parse_request(b'{"exportType": "sessions"}')
    sessions = next(t for t in EXPORT_TYPES if t.name == "sessions")
    known = Settings.model_construct(source_url="sqlite:///none", estimate_seconds=20)

    async def elsewhere() -> None:
        await in_thread(estimate, request, ADA, sessions, known, plenty())

    with pytest.raises(RuntimeError, match="counting pool only"):
        asyncio.run(elsewhere())
    with pytest.raises(RuntimeError, match="counting pool only"):
        estimate(request, ADA, sessions, known, plenty())


def test_a_full_pool_holds_up_nobody_else() -> None:
    """A tenant has many that wait: what answers requests has its threads, and another tenant finds one here."""
    pool, busy = FairPool(3, 10, 10), Busy()

    async def run() -> None:
        counts = [asyncio.ensure_future(pool.run(ADA, busy.by(str(n)), plenty())) for n in range(10)]
        await _until(lambda: len(busy.began) == 2)
        assert [await in_thread(in_a_counting_thread) for _ in range(20)] == [False] * 20
        assert len(busy.began) == 2
        others = asyncio.ensure_future(pool.run(BEA, busy.by("globex"), plenty()))
        await _until(lambda: len(busy.began) == 3)
        assert busy.began[2] == "globex"
        busy.let_go()
        assert await others == "globex"
        assert await asyncio.gather(*counts) == [str(n) for n in range(10)]
        assert await pool.run(ADA, in_a_counting_thread, plenty())

    asyncio.run(run())


@pytest.mark.parametrize(
    ("callers", "taken", "who"),
    [
        ([ADA] * 10, 3, "you have 3"),
        ([ADA, ADA, replace(ADA, user="b"), replace(ADA, user="b"), *[replace(ADA, user="c")] * 3], 5, "has 5"),
        ([replace(ADA, tenant=f"t{n}") for n in range(20)], 17, "others have 16"),
    ],
    ids=["a user", "a tenant", "everybody"],
)
def test_so_many_may_run_or_wait(callers: list[Caller], taken: int, who: str) -> None:
    """The next one is refused at once, and taken again when one has ended."""
    pool, busy = FairPool(1, 3, 5), Busy()

    async def run() -> None:
        counts = []
        for caller in callers[:taken]:
            counts.append(asyncio.ensure_future(pool.run(caller, busy.by(caller.user), plenty())))
            await asyncio.sleep(0)
        with pytest.raises(TooManyRequests, match=who):
            await pool.run(callers[taken], busy.by("more"), plenty())
        busy.let_go()
        await asyncio.gather(*counts)
        assert await pool.run(callers[taken], busy.by("more"), plenty()) == "more"

    asyncio.run(run())


def test_what_fails_gives_its_place_back() -> None:
    """The error is raised where somebody waits, and the next one is taken."""
    pool = FairPool(1, 1, 1)

    def fails() -> None:
        raise ValueError("no")

    async def run() -> None:
        for _ in range(5):
            with pytest.raises(ValueError, match="no"):
                await pool.run(MAX, fails, plenty())

    asyncio.run(run())


def test_whoever_waits_is_answered_at_the_deadline() -> None:
    """The time in the queue counts; what has not begun by then never does, and gives its place back."""
    pool, busy = FairPool(1, 2, 10), Busy()

    async def run() -> None:
        first = asyncio.ensure_future(pool.run(ADA, busy.by("first"), plenty()))
        await _until(lambda: busy.began == ["first"])
        for _ in range(3):
            with pytest.raises(TookTooLong, match=r"the estimates before yours took the 0\.05 seconds"):
                await pool.run(ADA, busy.by("late"), Deadline.after(0.05))
        busy.let_go()
        await first
        assert await pool.run(ADA, busy.by("last"), plenty()) == "last"
        assert busy.began == ["first", "last"]

    asyncio.run(run())


def test_what_does_not_end_at_its_deadline_keeps_its_place() -> None:
    """Whoever waits is answered; the thread is taken, and its user has one less, until the work has ended."""
    pool, busy = FairPool(2, 1, 10), Busy()

    async def run() -> None:
        with pytest.raises(TookTooLong, match=r"has not counted the rows within 0\.2 seconds"):
            await pool.run(ADA, busy.by("hangs"), Deadline.after(0.2))
        with pytest.raises(TooManyRequests, match="you have 1"):
            await pool.run(ADA, busy.by("more"), plenty())
        busy.let_go()
        while True:
            try:
                assert await pool.run(ADA, busy.by("more"), plenty()) == "more"
            except TooManyRequests:
                await asyncio.sleep(0.001)
            else:
                return

    asyncio.run(run())


def test_what_the_timer_asks_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """One schedule does not hold up the others, whatever its database does."""
    monkeypatch.setattr(run_due, "_ASIDE_SECONDS", 0.05)
    busy = Busy()
    with pytest.raises(SourceUnavailable, match=r"has not answered within 0\.05 seconds"):
        asyncio.run(run_due.aside(busy.by("hangs")))
    busy.let_go()
