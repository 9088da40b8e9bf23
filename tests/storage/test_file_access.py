"""A URL of a file: by one way only, and after its entry in the audit log."""

import ast
import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableServiceClient

from demo.azurite_server import Azurite
from shared.audit.recorder import begin, called_by
from shared.errors import Conflict, Gone
from shared.identity.caller import demo_caller
from shared.jobs.deletion import FORGETTING
from shared.jobs.file_access import check_file, file_url, why_no_file
from shared.jobs.records import ExportRecord
from shared.services import Services, services
from shared.storage.blobs import BlobStore
from shared.timestamps import iso, utc_now
from tests.in_process import services_on

ROOT = Path(__file__).resolve().parents[2]
PAST, FUTURE = iso(utc_now() - timedelta(days=1)), iso(utc_now() + timedelta(days=1))


def record(**changes: Any) -> ExportRecord:
    """A completed export with a file."""
    body = {"request": {"body": '{"exportType":"users"}'}, "caller": demo_caller("ada").to_json()}
    made = ExportRecord("acme", "e1", "users", "csv", "Completed", "ada", PAST, **body)
    return replace(made, **{"file_blob": "acme/e1/file.csv", "file_name": "u.csv", "expires_at": FUTURE, **changes})


@pytest.mark.parametrize(
    ("changes", "reason", "raised"),
    [
        ({}, None, None),
        ({"expires_at": PAST}, "expired", Gone),
        ({"expires_at": PAST, "hold": "a case"}, None, None),
        ({"status": "Expired"}, "expired", Gone),
        ({"status": "Cancelled"}, "cancelled", Gone),
        ({"status": "Failed"}, "failed", Conflict),
        ({"status": "Processing"}, "running", Conflict),
        ({"status": "Pending"}, "running", Conflict),
        ({"phase": FORGETTING}, "deleted", Gone),
    ],
    ids=["good", "past", "past-held", "expired", "cancelled", "failed", "processing", "pending", "forgotten"],
)
def test_the_api_and_the_links_in_mails_have_the_same_rules(
    changes: dict[str, Any], reason: str | None, raised: type[Exception] | None
) -> None:
    """A legal hold keeps the file for both of them, whatever its end was to be."""
    one = record(**changes)
    assert why_no_file(one) == reason
    if raised is None:
        check_file(one)
    else:
        with pytest.raises(raised):
            check_file(one)


@pytest.fixture
def context(azurite: Azurite) -> Iterator[Services]:
    """The services, on an account of their own."""
    with services_on(azurite) as made:
        yield made


def test_without_an_entry_in_the_audit_log_there_is_no_url(
    context: Services, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is signed, and the export is not marked as downloaded."""
    signed: list[str] = []
    monkeypatch.setattr(BlobStore, "read_url", lambda self, name, lifetime, **_: signed.append(name))
    one = record()
    context.records.create(one)
    begin("downloaded", func.HttpRequest("GET", "/api/exports/e1/download", body=b""), "r-1")
    called_by(demo_caller("ada"))
    services("request")  # makes the tables once, before one of them goes
    TableServiceClient.from_connection_string(azurite.connection_string).delete_table("SluiceAudit")
    with pytest.raises(ResourceNotFoundError):
        asyncio.run(file_url(one, demo_caller("ada"), context, client=None, status=302, who="Ada"))  # type: ignore[arg-type]
    assert signed == []
    present = context.records.get("acme", "e1")
    assert present is not None
    assert present.downloaded_at == ""


def test_nobody_else_signs_a_url() -> None:
    """The merge signs for the storage itself; whatever else gives a file away goes through ``file_access``."""
    callers = set()
    for folder in ("activities", "exports", "orchestrators", "shared", "triggers"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and "read_url" in ast.unparse(node.func):
                    callers.add(path.relative_to(ROOT).as_posix())
    assert callers == {
        "shared/storage/blobs.py",
        "shared/storage/merge.py",
        "shared/jobs/file_access.py",
        "activities/publish.py",
    }
