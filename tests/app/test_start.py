"""A start: what importing the function app loads, and what it leaves for the first use."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

ON_FIRST_USE = (
    "adbc_driver_manager",
    "adbc_driver_postgresql",
    "adbc_driver_sqlite",
    "azure.communication.email",
    "azure.identity",
    "azure.storage.blob",
    "babel",
    "cryptography",
    "flask_swagger_ui",
    "fontTools",
    "jinja2",
    "jwt",
    "openpyxl",
    "opentelemetry.exporter",
    "opentelemetry.sdk",
    "prometheus_client",
    "pyarrow.dataset",
    "pyarrow.fs",
    "pyarrow.parquet",
    "requests",
    "standardwebhooks",
)
"""Libraries that cost a start time and memory, and that many a process never needs."""


@pytest.fixture(scope="module")
def loaded() -> dict[str, bool]:
    """The modules that a process has after the import; and whether it has read its settings."""
    script = (
        "import json, sys, function_app; from shared.settings import settings; "
        "print(json.dumps(dict.fromkeys(sys.modules, False) | {'settings': settings.cache_info().currsize > 0}))"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env={})
    found: dict[str, bool] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", ON_FIRST_USE)
def test_a_heavy_library_is_loaded_where_it_is_used(loaded: dict[str, bool], name: str) -> None:
    """Not by the import of the app, which every process waits for at its start."""
    assert importlib.util.find_spec(name) is not None
    assert name not in loaded


def test_the_import_reads_no_settings(loaded: dict[str, bool]) -> None:
    """So that an app with wrong settings starts, and tells what is wrong."""
    assert "triggers.http.exports" in loaded
    assert not loaded["settings"]
