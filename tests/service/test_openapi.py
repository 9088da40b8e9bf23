"""The OpenAPI document: complete, true whatever is sent, and readable without a network."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import requests

from demo import processes, stack
from demo.client import Client
from demo.stack import Stack
from exports import EXPORT_TYPES
from tests.routes import routes
from tests.service.conftest import Service

ROOT = Path(__file__).resolve().parents[2]

SECONDS = os.environ.get("SCHEMATHESIS_SECONDS", "")
"""How long schemathesis tries each phase as each of those who call; ``make test-api`` gives it minutes."""

LARGE_BODIES = ("start_export", "estimate_export", "create_schedule", "change_schedule")
WITHOUT_LARGE_BODIES = [option for name in LARGE_BODIES for option in ("--exclude-operation-id", name)]
SHORT = ["--max-examples", "5", "--exclude-method", "HEAD"]
LONG = ["--max-examples", "100", "--max-time", SECONDS]
SHORT_RUNS = [
    (
        "bea",
        "coverage,fuzzing",
        [*SHORT, *WITHOUT_LARGE_BODIES, "--exclude-tag", "admin", "--exclude-tag", "operation"],
    ),
    ("sam", "coverage,fuzzing", [*SHORT, "--include-tag", "admin", "--include-tag", "operation"]),
    ("gus", "stateful", [*SHORT, "--exclude-tag", "admin", "--exclude-tag", "operation"]),
]
LONG_RUNS = [
    (user, phase, LONG)
    for user in ("nobody", "vic", "gus", "bea", "sam")
    for phase in ("coverage", "fuzzing", "stateful")
]
"""As nobody, and as one of each role (Viewer, Manager, Admin, SuperAdmin): boundary and random values, chains of calls.

The short runs leave out what others show too (the matrix of all routes: refusals), and the boundary values of an export
request, which are thousands.
"""


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory, database: Path) -> Iterator[Stack]:
    """A service of its own, for it is asked for hundreds of exports."""
    home = tmp_path_factory.mktemp("openapi")
    (home / "demo.db").symlink_to(database)
    settings = {
        "RETENTION_SCHEDULE": "0 0 0 1 1 *",
        "WEBHOOK_LOCAL_ORIGINS": "http://127.0.0.1:9",
        "MAX_WEBHOOKS_PER_TENANT": "100000",
    }
    with stack.running(home, processes.free_port(), "sqlite", settings) as running:
        yield running


@pytest.fixture(scope="module")
def document(tried: Stack) -> dict[str, Any]:
    """The document as anybody gets it."""
    answer = requests.get(f"{tried.api}/openapi.json", timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("user", "phase", "options"), LONG_RUNS if SECONDS else SHORT_RUNS)
def test_the_service_does_what_its_document_says(
    tried: Stack, tmp_path: Path, user: str, phase: str, options: list[str]
) -> None:
    """Schemathesis with all its checks, whoever calls: no 5xx, nothing undocumented, no wrong input that is taken."""
    headers = []
    if user != "nobody":
        headers = ["--header", f"Authorization: {Client(tried.api, user)._session.headers['Authorization']}"]
    own = "201,202 emea" if user in ("bea", "gus") else "123,124,125 north,south"
    companies, scopes = own.split()
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{tried.api}/openapi.json", *headers),
        *("--checks", "all", "--phases", phase, *options, "--seed", "1"),
        *("--continue-on-failure", "--request-timeout", "30", "--no-color", "--warnings", "off"),
    ]
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "tests.service.schemathesis_hooks",
        "PYTHONPATH": str(ROOT),
        "OWN_COMPANIES": companies,
        "OWN_SCOPES": scopes,
    }
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    resume_everything(tried)
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    for name in phase.split(","):
        assert f"✅ {name.capitalize()}" in " ".join(done.stdout.split()), done.stdout


def resume_everything(tried: Stack) -> None:
    """An operator who tries everything pauses export types, too."""
    sam = Client(tried.api, "sam")
    for pause in sam.call("GET", "/ops/pauses").json()["items"]:
        assert sam.call("POST", f"/ops/{pause['kind']}s/{pause['name']}/resume").status_code == 200


def test_it_names_every_route(document: dict[str, Any]) -> None:
    """With this service's settings: those of services are switched off."""
    named = {(m.upper(), path.strip("/")) for path, item in document["paths"].items() for m in item}
    assert named == set(routes()) - {("POST", "service/token")}
    assert document["openapi"] == "3.1.1"


def test_outside_dev_mode_it_says_nothing_of_dev(jwt_service: Service) -> None:
    """What is not there is not described."""
    assert not [path for path in jwt_service.get("/openapi.json").json()["paths"] if path.startswith("/dev")]


def validator(document: dict[str, Any], name: str) -> Any:
    """A validator of one of the document's schemas."""
    return jsonschema_rs.validator_for({**document, "$ref": f"#/components/schemas/{name}"})


@pytest.mark.parametrize(
    ("body", "valid"),
    [
        ({"exportType": "sessions"}, True),
        ({"exportType": "sessions", "format": "xlsx", "columns": ["id"], "dateRange": {"from": "2026-01-01"}}, True),
        ({"exportType": "sessions", "filters": {"status": ["active"], "minAmount": "12.50"}}, True),
        ({"exportType": "sessions", "compression": "gzip"}, True),
        ({"exportType": "sessions", "format": "xlsx", "compression": "gzip"}, False),
        ({"exportType": "sessions", "format": "xlsx", "formatOptions": {"delimiter": ";"}}, False),
        ({"exportType": "sessions", "filters": {"status": "unheard of"}}, False),
        ({"exportType": "sessions", "columns": []}, False),
        ({"exportType": "sessions", "columns": ["id", "id"]}, False),
        ({"exportType": "exemptions", "columns": ["id"]}, False),
        ({"exportType": "unheard-of"}, False),
        ({"format": "csv"}, False),
    ],
    ids=json.dumps,
)
def test_it_knows_what_each_type_takes(
    tried: Stack, document: dict[str, Any], body: dict[str, Any], valid: bool
) -> None:
    """Its formats, columns, filters and options: the document and the service say the same."""
    assert validator(document, "ExportRequest").is_valid(body) is valid
    answer = Client(tried.api, "bea").call("POST", "/exports", json=body)
    assert answer.status_code == (202 if valid else 400), answer.text


def test_every_type_and_format_has_its_schema(document: dict[str, Any]) -> None:
    """A new export type is described without a line of its own."""
    schema = validator(document, "ExportRequest")
    for export_type in EXPORT_TYPES:
        for name in export_type.formats:
            assert schema.is_valid({"exportType": export_type.name, "format": name})


def test_a_finished_export_is_as_described(tried: Stack, document: dict[str, Any]) -> None:
    """With its file, for schemathesis rarely waits for one; and a field that nobody described would be found."""
    client = Client(tried.api, "bea")
    export = client.wait(client.start(exportType="users"), seconds=60)
    schema = validator(document, "Export")
    schema.validate(export)
    assert not schema.is_valid({**export, "more": 1})
    validator(document, "LogPage").validate(client.call("GET", f"/exports/{export['id']}/logs").json())
    validator(document, "Operation").validate(client.call("GET", f"/operations/{export['id']}").json())


def test_a_notification_is_as_described(tried: Stack, document: dict[str, Any]) -> None:
    """Somebody who has not looked at the export's end has one."""
    bea = Client(tried.api, "bea")
    export_id = bea.start(exportType="users", notify={"inApp": True})
    bea.wait_for_log(export_id, "mail-waits", "mail-skipped", "mail-sent")  # which comes after it
    page = bea.call("GET", "/notifications").json()
    assert page["items"]
    validator(document, "NotificationPage").validate(page)
    read = bea.call("POST", f"/notifications/{page['items'][0]['id']}/read").json()
    validator(document, "Notification").validate(read)


@pytest.mark.parametrize("written", [349, 349.0])
def test_a_whole_number_is_one_however_it_is_written(tried: Stack, document: dict[str, Any], written: float) -> None:
    """To JSON Schema and to the service, which shows it as it is."""
    assert validator(document, "Notify").is_valid({"graceSeconds": written})
    answer = Client(tried.api, "bea").call("PUT", "/preferences", json={"graceSeconds": written})
    assert answer.status_code == 200, answer.text
    assert '"graceSeconds":349,' in answer.text


def test_its_page_needs_nothing_from_outside(tried: Stack) -> None:
    """A strict policy, and files of our own with the right media types."""
    page = requests.get(f"{tried.api}/docs", timeout=30)
    policy = page.headers["Content-Security-Policy"]
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    references = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(references) == 4
    assert "<script>" not in page.text
    types = {}
    for reference in references:
        assert reference.startswith("docs/")
        answer = requests.get(f"{tried.api}/{reference}", timeout=30)
        assert (answer.status_code, answer.headers["X-Content-Type-Options"]) == (200, "nosniff")
        types[reference.removeprefix("docs/")] = answer.headers["Content-Type"]
    assert types == {
        "favicon-32x32.png": "image/png",
        "swagger-ui.css": "text/css; charset=utf-8",
        "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
        "start.js": "text/javascript; charset=utf-8",
    }


def test_its_files_are_not_sent_twice(tried: Stack) -> None:
    """304 for the entity tag that was given; 404 for what is not one of them."""
    url = f"{tried.api}/docs/swagger-ui.css"
    tag = requests.get(url, timeout=30).headers["ETag"]
    again = requests.get(url, headers={"If-None-Match": tag}, timeout=30)
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    for name in ("swagger-ui.js", "..%2f..%2fMETADATA", "index.html"):
        assert requests.get(f"{tried.api}/docs/{name}", timeout=30).status_code == 404
