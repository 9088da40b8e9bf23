"""Parts run side by side, and those that fail again: the app's own orchestrator, with an activity that does as told."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.local_host.conftest import HostFactory, RunningHost

ROOT = Path(__file__).resolve().parents[2]

APP = """
sys.path.append(os.environ["PROJECT"])
from activities.outcome import Payload, outcome
from orchestrators import parts
from shared.errors import QueryFailed, SourceUnavailable
from shared.durable.inputs import PartDone

app.register_functions(parts.bp)

LAST = 39

def next_begins(index):
    (MARKS / f"began-{index}").touch()
    late = time.monotonic() + 20
    while index < LAST and not (MARKS / f"began-{index + 1}").exists():
        if time.monotonic() > late:
            return False
        time.sleep(0.002)
    return True

@app.activity_trigger("job")
def encode_part(job: Payload):
    if job["tenant"] == "many" and not next_begins(job["index"]):
        return outcome(lambda: 1 / 0, job)
    with (MARKS / "jobs").open("a") as file:
        file.write(json.dumps({**job, "at": time.time()}) + "\\n")

    def work():
        if job["tenant"] == "cramped" and job["index"] == 1 and job["halvings"] < 2:
            raise MemoryError
        if job["tenant"] == "cramped" and job["index"] == 2 and not job["halvings"]:
            raise __import__("pyarrow").lib.ArrowMemoryError("malloc of size 1000000 failed")
        if job["tenant"] == "shaky" and job["index"] == 1 and job["attempt"] < 4:
            raise SourceUnavailable("the database does not answer")
        if job["tenant"] == "wrong" and job["index"] == 1:
            raise QueryFailed("no such column")
        return PartDone(job["index"], 10, 100)

    return outcome(work, job)
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """A host on the orchestrator of parts."""
    factory = HostFactory(tmp_path_factory.mktemp("parts"))
    yield factory(APP, env={"PROJECT": str(ROOT)})
    factory.close()


def run(host: RunningHost, tenant: str, parts: int = 4, in_flight: int = 2) -> tuple[Any, list[dict[str, Any]]]:
    """So many parts for this tenant: the group's answer, and the jobs in order."""
    start = {"tenant": tenant, "export_id": "x", "attempts": 5, "retry_first_seconds": 0.5}
    start["parts_in_flight"] = in_flight
    answer = host.run("export_parts", {"start": start, "first": 0, "last": parts, "total": parts})
    jobs = [json.loads(line) for line in (host.marks / "jobs").read_text().splitlines()]
    return answer, [job for job in jobs if job["tenant"] == tenant]


def test_a_part_that_runs_out_of_memory_gets_half_the_batches(host: RunningHost) -> None:
    """Each part by itself, as often as it takes, whether Python or Arrow was short of memory."""
    answer, jobs = run(host, "cramped")
    assert answer == {"rows": 40, "bytes": 400}
    tried = [(job["index"], job["attempt"], job["halvings"]) for job in jobs]
    assert sorted(tried) == [(0, 1, 0), (1, 1, 0), (1, 2, 1), (1, 3, 2), (2, 1, 0), (2, 2, 1), (3, 1, 0)]


def test_a_failure_that_may_pass_is_tried_again_later_and_later(host: RunningHost) -> None:
    """Alone, with full batches, after pauses that double and are up to a fifth longer."""
    answer, jobs = run(host, "shaky")
    assert answer == {"rows": 40, "bytes": 400}
    assert sorted(job["index"] for job in jobs) == [0, 1, 1, 1, 1, 2, 3]
    assert {job["halvings"] for job in jobs} == {0}
    times = [job["at"] for job in jobs if job["index"] == 1]
    pauses = [later - earlier for earlier, later in pairwise(times[1:])]
    assert pauses[0] >= 1.0
    assert pauses[1] >= 2.0


def test_many_parts_run_side_by_side_to_the_end(host: RunningHost) -> None:
    """Each ends when the next one has begun: had one to wait for the end of the one before, both would wait."""
    answer, jobs = run(host, "many", parts=40, in_flight=8)
    assert answer == {"rows": 400, "bytes": 4000}
    assert sorted(job["index"] for job in jobs) == list(range(40))


def test_a_failure_that_cannot_pass_is_not_tried_again(host: RunningHost) -> None:
    """Once, and no part is begun after it came."""
    answer, jobs = run(host, "wrong")
    message = "part 2 of 4 failed: the database refused the query"
    assert answer == {"failure": {"code": "query-failed", "message": message, "transient": False, "retry_after": 0}}
    assert [job["attempt"] for job in jobs if job["index"] == 1] == [1]
    assert len(jobs) < 4
