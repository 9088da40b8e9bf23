"""The calls of the README, the tutorial and the runbook, run by a shell as they stand there."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from demo.stack import Stack
from tests.service.conftest import People

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed on this machine")
PREAMBLE = """
set -eu
curl() { command curl --fail-with-body --max-time 60 "$@" || { echo "$*" >> failed; return 22; }; }
"""
"""A call that is answered with an error fails, also in a pipe, where it leaves a line in the file ``failed``."""

WAITS = """
until curl -s -H "Authorization: Bearer $TOKEN" $API/exports/$ID | grep -q '"status":"Completed"'; do sleep 0.2; done
"""
"""What the page asks the reader to do: repeat until the export is completed."""


def calls(page: str) -> list[str]:
    """The shell blocks of a page that call the API."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [block for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL) if "$API" in block]


def shell(script: str, folder: Path, **variables: str) -> str:
    """Run a script in a folder, and give what it says. Every call has to succeed."""
    assigned = "".join(f"{name}='{value}'\n" for name, value in variables.items())
    command = ["bash", "-c", PREAMBLE + assigned + script]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr
    assert not (folder / "failed").exists(), (folder / "failed").read_text() + ran.stdout[-2000:]
    return ran.stdout


def test_the_readme_exports_a_file(service: Stack, tmp_path: Path) -> None:
    """From the token to the file on disk."""
    (block,) = calls("README.md")
    *begins, downloads = block.strip().splitlines()
    script = "\n".join(begins).replace("http://127.0.0.1:7071/api", service.api) + WAITS + downloads
    shell(script, tmp_path)
    assert len((tmp_path / "sessions.csv").read_text(encoding="utf-8-sig").splitlines()) > 1000


def test_the_tutorial_reaches_its_end(service: Stack, tmp_path: Path) -> None:
    """Every step works; only the mistake of the last step is answered as one."""
    blocks = calls("docs/tutorial/first-export.md")
    text = "".join(blocks[:-1]).replace("http://127.0.0.1:7071/api", service.api)
    before, polls, after = text.partition('curl -s -H "$AUTH" $API/exports/$ID |')
    said = shell(before + WAITS + polls + after, tmp_path)
    assert (tmp_path / "sessions.csv").stat().st_size > 0
    assert '"status": "Completed"' in said
    signs_in = blocks[0].replace("http://127.0.0.1:7071/api", service.api)
    assert "did you mean 'sessions'?" in shell(signs_in + blocks[-1].replace("curl", "command curl"), tmp_path)


@pytest.mark.parametrize("page", ["docs/how-to/runbook.md", "docs/explanation/schedules.md"])
def test_the_calls_of_a_page_are_answered(service: Stack, people: People, tmp_path: Path, page: str) -> None:
    """As an operator, with an export that there is."""
    export = people.ada.start(exportType="sessions", format="csv")
    signed_in = f"Authorization: {people.sam.headers['Authorization']}"
    said = shell("".join(calls(page)), tmp_path, API=service.api, AUTH=signed_in, ID=export)
    assert json.loads("[" + re.sub(r"}\s*{", "},{", said) + "]")
