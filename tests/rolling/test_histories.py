"""A deployment in the middle of an export: what the last release began, this one ends."""

import ast
import gzip
import json
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from local_host.replay import Recorded, kept_histories, split_episodes
from shared.durable.inputs import ExportRef

ROOT = Path(__file__).resolve().parents[2]
HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.jsonl.gz"))


def replay(app: Path, data: Path) -> "subprocess.CompletedProcess[str]":
    """Replay a folder of histories against an app, as an operator would before a deployment."""
    command = [sys.executable, "-m", "local_host", "replay", "--app", str(app), "--data", str(data)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)


def test_every_history_of_a_release_replays() -> None:
    """Each episode decides what it decided then, task by task; otherwise the engine would stop the export."""
    done = replay(ROOT, HISTORIES[0].parent)
    histories = sum(1 for path in HISTORIES for _ in kept_histories(path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(rf"{histories} histories, \d+ episodes replayed, 0 differ\n", done.stdout)


def test_a_changed_orchestrator_is_found(tmp_path: Path) -> None:
    """Otherwise the test above would prove nothing: here the export merges under another name."""
    for name in ("activities", "exports", "orchestrators", "shared", "triggers", "function_app.py"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "orchestrators").unlink()
    (tmp_path / "orchestrators").mkdir()
    for path in (ROOT / "orchestrators").glob("*.py"):
        changed = path.read_text().replace('"merge_export"', '"join_export"')
        (tmp_path / "orchestrators" / path.name).write_text(changed)
    (tmp_path / "histories").mkdir()
    short = [asdict(r) for path in HISTORIES for r in kept_histories(path) if len(r.events) < 50]
    with gzip.open(tmp_path / "histories" / "short.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(recorded) + "\n" for recorded in short)
    done = replay(tmp_path, tmp_path / "histories")
    assert done.returncode == 1
    assert "recorded task_scheduled 5 merge_export, decided task_scheduled 5 join_export" in done.stdout


def orchestrators() -> set[str]:
    """The names under which the app has orchestrators."""
    return {
        node.name
        for path in (ROOT / "orchestrators").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        and any("orchestration_trigger" in ast.dump(decorator) for decorator in node.decorator_list)
    }


@pytest.mark.parametrize("path", HISTORIES, ids=lambda p: p.name)
def test_an_orchestrator_of_a_release_is_still_there(path: Path) -> None:
    """A name is kept until nothing runs under it any more; a new order of steps gets a new name."""
    assert {recorded.name for recorded in kept_histories(path)} <= orchestrators()


def test_every_orchestrator_has_histories() -> None:
    """Of the last release that had it, or of this one: record them before the first release that has a new one."""
    assert orchestrators() == {recorded.name for path in HISTORIES for recorded in kept_histories(path)}


def ways(recorded: Recorded) -> set[str]:
    """The tasks that a history has."""
    return {event["Name"] for _, created in split_episodes(recorded.events) for event in created if "Name" in event}


def test_the_histories_go_every_way() -> None:
    """Every step of every orchestrator is in one of them: an untravelled way proves nothing."""
    source = "".join(path.read_text() for path in (ROOT / "orchestrators").glob("*.py"))
    wanted = set(re.findall(r'"((?:\w+_(?:export|part|parts|cancelled|notification)))"', source))
    found = {name for path in HISTORIES for recorded in kept_histories(path) for name in ways(recorded)}
    assert wanted <= found
    assert wanted >= {"plan_export", "encode_part", "merge_export", "publish_export", "fail_export"}


def test_what_the_next_release_adds_is_left_out() -> None:
    """Workers of both releases run side by side while one takes the place of the other."""
    assert ExportRef("acme", "1") == ExportRef.from_json({"tenant": "acme", "export_id": "1", "of_tomorrow": True})
