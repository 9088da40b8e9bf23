"""Versions of orchestrations: which of them a host runs."""

from __future__ import annotations

import json

import pytest

from local_host.versions import Match, Versioning
from tests.local_host.conftest import HostFactory, RunningHost, until

APP = """
@app.orchestration_trigger("context")
def flow(context):
    return context.version
    yield
"""


@pytest.mark.parametrize(
    ("default", "match", "version", "runs"),
    [
        ("", Match.STRICT, "7", True),
        ("2.0", Match.NONE, "7", True),
        ("2.0", Match.STRICT, "2.0", True),
        ("2.0", Match.STRICT, "2.0.0", False),
        ("2.0", Match.STRICT, None, False),
        ("2.0", Match.CURRENT_OR_OLDER, None, True),
        ("2.0", Match.CURRENT_OR_OLDER, "1.10", True),
        ("2.0", Match.CURRENT_OR_OLDER, "2.0", True),
        ("2.0", Match.CURRENT_OR_OLDER, "2.0.0", False),
        ("2.0", Match.CURRENT_OR_OLDER, "10.0", False),
        ("2.0", Match.CURRENT_OR_OLDER, "10", True),
        ("b-release", Match.CURRENT_OR_OLDER, "A-release", True),
        ("b-release", Match.CURRENT_OR_OLDER, "C-release", False),
    ],
)
def test_what_runs(default: str, match: Match, version: str | None, runs: bool) -> None:
    """Two to four numbers are compared as such, all else as text; no version is older than any."""
    assert Versioning(default, match).runs(version) is runs


def versions(host: RunningHost, **settings: str) -> RunningHost:
    """The host with these settings of durableTask."""
    (host.app_dir / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"durableTask": settings}}))
    return host


def begin(host: RunningHost, version: str) -> str:
    """A new instance of that version."""
    answer = host.manage("POST", "orchestrators/flow", version=version)
    assert answer.status == 202, answer
    return answer.json()["id"]


def rejected(host: RunningHost, instance_id: str) -> bool:
    """Whether the host has said so."""
    return any("orchestration.rejected" in line and instance_id in line for line in host.log().splitlines())


def test_newer_instances_wait_for_a_newer_host(new_host: HostFactory) -> None:
    """They stay Pending, whatever is asked of them, and run when the app has come as far; older ones run meanwhile."""
    host = versions(new_host.make(APP), defaultVersion="1.0").start()
    newer = begin(host, "2.0")
    assert host.manage("POST", f"instances/{newer}/terminate").status == 202
    until(lambda: rejected(host, newer))
    assert host.run("flow") == "1.0"
    assert host.finish(begin(host, "0.9"))["output"] == "0.9"
    other = begin(host, "2.0")
    until(lambda: rejected(host, other))
    assert [host.status(i)["runtimeStatus"] for i in (newer, other)] == ["Pending", "Pending"]
    host.stop()
    versions(host, defaultVersion="2.0").start()
    assert host.finish(newer)["runtimeStatus"] == "Terminated"
    assert host.finish(other)["output"] == "2.0"


def test_instances_of_another_version_can_be_failed(new_host: HostFactory) -> None:
    """With the words of the framework, and without a run."""
    settings = {"defaultVersion": "1.0", "versionMatchStrategy": "strict", "versionFailureStrategy": "Fail"}
    host = versions(new_host.make(APP), **settings).start()
    failed = host.finish(begin(host, "0.9"))
    words = "Orchestration version did not comply with Worker Versioning"
    assert (failed["runtimeStatus"], failed["output"]) == ("Failed", words)
    assert host.run("flow") == "1.0"
