"""The code in README and docs/ runs, and what their prose names is there: settings, paths, calls, targets, numbers."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from doc_tools.reference import DOCS, PAGES
from shared.catalog.export_types import ExportType
from shared.settings import Settings
from triggers.http.operation import operations

ROOT = DOCS.parent
WRITTEN = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted(path for path in DOCS.rglob("*.md") if path.relative_to(DOCS).as_posix() not in PAGES),
]
"""Every page that a person writes."""

OF_OTHERS = frozenset(
    {
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
        "ARROW_DEFAULT_MEMORY_POOL",
        "AZURE_FUNCTIONS_ENVIRONMENT",
        "CONTAINER_APP_",
        "CONTAINER_NAME",
        "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT",
        "FUNCTIONS_WORKER_PROCESS_COUNT",
        "IDENTITY_ENDPOINT",
        "LEGION_SERVICE_HOST",
        "MALLOC_ARENA_MAX",
        "MALLOC_MMAP_THRESHOLD_",
        "MALLOC_TRIM_THRESHOLD_",
        "MANAGED_ENVIRONMENT",
        "OTEL_BSP_SCHEDULE_DELAY",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_METRIC_EXPORT_INTERVAL",
        "OTEL_RESOURCE_ATTRIBUTES",
        "OTEL_TRACES_SAMPLER",
        "PYTHON_THREADPOOL_THREAD_COUNT",
        "WEBSITE_AUTH_ENABLED",
        "WEBSITE_TIME_ZONE",
    }
)
"""Variables of the platform and of libraries."""

OF_THIS_REPOSITORY = frozenset({"EXPORT_TYPES", "JWT_DIRECTORIES", "LOCAL_HOST_ASKS_FOR_NO_KEYS", "SLUICE_HOME"})
"""Names in the code that are no settings of the app."""

MADE_WHEN_NEEDED = frozenset({"exports/countries.py", "shared/notifications/channels/slack.py"})
"""Files that a page adds."""

NOT_ALONE = {"docs/how-to/channels.md"}
"""Pages whose blocks are tried by a test of their own: tests/notices/test_a_channel_of_ones_own.py."""

NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(path: Path, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def code_words(path: Path) -> Iterator[str]:
    """What stands between backticks, and the lines of code blocks."""
    text = path.read_text(encoding="utf-8")
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from block.splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def given(path: str) -> Mapping[str, object]:
    """The names that the blocks of a page use and do not define."""
    if path != "docs/how-to/webhooks.md":
        return {}
    body = b'{"type": "export.completed"}'
    secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    now = datetime.now(UTC)
    signature = Webhook(secret).sign("evt_1", now, body.decode())
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    return {"body": body, "headers": headers, "secret": secret}


PYTHON_PAGES = [path for path in WRITTEN if blocks(path, "python") and name(path) not in NOT_ALONE]


@pytest.mark.parametrize("path", PYTHON_PAGES, ids=name)
def test_the_python_of_a_page_runs(path: Path) -> None:
    """The blocks of a page run in their order, in one namespace."""
    names = dict(given(name(path)))
    for block in blocks(path, "python"):
        ast.parse(block)
        exec(compile(block, name(path), "exec"), names)
    assert len(names) > len(given(name(path)))


def test_the_export_type_of_the_readme_passes_the_suites_of_export_types(tmp_path: Path) -> None:
    """Pasted into a copy of the project as the README says: one file, and two changes in the list."""
    project = tmp_path / "project"
    for folder in ("exports", "shared", "demo", "tests"):
        shutil.copytree(ROOT / folder, project / folder, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    shutil.copy(ROOT / "pyproject.toml", project)
    (block,) = blocks(ROOT / "README.md", "python")
    (project / "exports" / "countries.py").write_text(block, encoding="utf-8")
    listed = project / "exports" / "__init__.py"
    text = listed.read_text(encoding="utf-8")
    line = "from exports.countries import COUNTRIES"
    assert f"`{line}`" in (ROOT / "README.md").read_text(encoding="utf-8")
    text = text.replace("from exports.employees", f"{line}\nfrom exports.employees", 1)
    text = text.replace("    SESSIONS,\n", "    SESSIONS,\n    COUNTRIES,\n", 1)
    listed.write_text(text, encoding="utf-8")
    suites = [
        "tests/exports/test_export_types.py",
        "tests/exports/test_exports_of_demo_rows.py",
        "tests/app/test_rules.py",
    ]
    chosen = "test_export_types or (countries and not postgresql)"
    command = [sys.executable, "-m", "pytest", "-v", "-n", "0", "-p", "no:cacheprovider", *suites, "-k", chosen]
    ran = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-1000:]
    assert "test_every_type_describes_itself[countries] PASSED" in ran.stdout
    assert "test_every_filter_and_date_can_be_asked_for[sqlite-countries] PASSED" in ran.stdout
    names: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), names)
    assert isinstance(names["COUNTRIES"], ExportType)


@pytest.mark.parametrize("path", WRITTEN, ids=name)
def test_every_setting_that_is_named_is_a_setting(path: Path) -> None:
    """Or a variable of the platform, of a library or of this repository, each listed above."""
    named = {word for code in code_words(path) for word in re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+_?\b", code)}
    known = {field.upper() for field in Settings.model_fields} | OF_OTHERS | OF_THIS_REPOSITORY
    assert not {word for word in named if word not in known}


@pytest.mark.parametrize("path", WRITTEN, ids=name)
def test_every_path_that_is_named_is_there(path: Path) -> None:
    """Within the folders of the repository."""
    folders = {entry.name for entry in ROOT.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    named = {code for code in code_words(path) if re.fullmatch(r"[\w.-]+(?:/[\w.-]*)+", code)}
    ours = {code for code in named if code.partition("/")[0] in folders}
    assert not {code for code in ours - MADE_WHEN_NEEDED if not (ROOT / code).exists()}


@pytest.mark.parametrize("path", WRITTEN, ids=name)
def test_every_call_that_is_named_is_an_operation(path: Path) -> None:
    """As ``GET /exports/{id}`` in prose, and as the calls of curl in code."""
    declared = {(one.method, _pattern(one.route)) for one in operations()}
    named = set()
    for code in code_words(path):
        if found := re.match(r"(GET|HEAD|POST|PUT|PATCH|DELETE) /([^\s?#]*)", code):
            named.add((found[1], found[2]))
        for call in re.findall(r"curl [^|]*\$API/[^|]*", code):
            route = re.search(r"\$API/([^\s?\"')]+)", call)
            method = re.search(r"-X (\w+)", call)
            assert route
            named.add((method[1] if method else "POST" if " -d " in call else "GET", route[1]))
    unknown = {(method, route) for method, route in named if not _declared(method, route, declared)}
    of_others = {("POST", "sluice")}  # what a receiver of webhooks offers
    assert not {one for one in unknown - of_others if not one[1].startswith("admin/")}  # the host's own calls


def _pattern(route: str) -> str:
    return re.sub(r"\\\{\w+\\\}", r"[^/]+", re.escape(route))


def _declared(method: str, route: str, declared: set[tuple[str, str]]) -> bool:
    route = route.strip("/").removeprefix("api/")
    return any(method == one and re.fullmatch(pattern, route) for one, pattern in declared)


@pytest.mark.parametrize("path", WRITTEN, ids=name)
def test_every_target_that_is_named_is_in_the_makefile(path: Path) -> None:
    """``make demo`` and its kin."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {target for code in code_words(path) for target in re.findall(r"\bmake ([a-z-]+)", code)}
    assert named <= targets


def test_a_number_of_things_is_the_number_of_things() -> None:
    """Timers: the app has as many as the pages say."""
    timers = sum(
        text.count("@bp.timer_trigger(")
        for text in (path.read_text(encoding="utf-8") for path in (ROOT / "triggers" / "timers").glob("*.py"))
    )
    claims = [
        claim.lower()
        for path in WRITTEN
        for claim in re.findall(rf"\b({'|'.join(NUMBERS)})\s+timers", path.read_text(encoding="utf-8"), re.IGNORECASE)
    ]
    assert claims
    assert {NUMBERS[claim] for claim in claims} == {timers}
