"""The bill of materials: valid, complete, and right about what is inside the binaries."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from cyclonedx.output.json import JsonV1Dot6

from supply_chain.native import _version
from supply_chain.sbom import bill_of_materials, pins

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def lock() -> str:
    """The list of packages that the app is installed from."""
    return (ROOT / "requirements.txt").read_text()


@pytest.fixture(scope="module")
def bom(lock: str) -> dict[str, Any]:
    """The document, as it is written."""
    found: dict[str, Any] = json.loads(JsonV1Dot6(bill_of_materials(lock)).output_as_string())
    return found


def component(bom: dict[str, Any], name: str) -> dict[str, Any]:
    """A package in it."""
    (found,) = [c for c in bom["components"] if c["name"] == name]
    return dict(found)


def inside(bom: dict[str, Any], package: str) -> dict[str, set[str]]:
    """The libraries inside a package, and their versions."""
    found: dict[str, set[str]] = {}
    for library in component(bom, package).get("components", ()):
        found.setdefault(library["name"], set()).add(library.get("version", ""))
    return found


def test_it_is_what_the_standard_says(bom: dict[str, Any]) -> None:
    """CycloneDX 1.6, by its JSON schema; and no component or reference is there twice."""
    folder = files("cyclonedx.schema._res")
    schema = json.loads(folder.joinpath("bom-1.6.SNAPSHOT.schema.json").read_text())
    others = {
        f"http://cyclonedx.org/schema/{name}.SNAPSHOT.schema.json": json.loads(
            folder.joinpath(f"{name}.SNAPSHOT.schema.json").read_text()
        )
        for name in ("spdx", "jsf-0.82")
    }
    registry = jsonschema_rs.Registry(list(others.items()))
    validator = jsonschema_rs.validator_for(schema, registry=registry)
    assert [error.message for error in validator.iter_errors(bom)] == []
    broken = {**bom, "components": [{"type": "library"}]}
    assert not validator.is_valid(broken)


def test_every_package_is_in_it_with_the_hashes_of_its_files(bom: dict[str, Any], lock: str) -> None:
    """Those of this platform, and no others."""
    wanted = {pin.name: pin for pin in pins(lock)}
    assert len(wanted) >= 70
    assert {c["name"]: c["version"] for c in bom["components"]} == {n: p.version for n, p in wanted.items()}
    for name, pin in wanted.items():
        (reference,) = component(bom, name)["externalReferences"]
        assert {h["content"] for h in reference["hashes"]} == set(pin.hashes) != set()


def test_the_libraries_that_speak_tls_and_sql_are_found_with_their_versions(bom: dict[str, Any]) -> None:
    """As the libraries themselves say when they run."""
    import adbc_driver_sqlite.dbapi
    from cryptography.hazmat.backends.openssl.backend import backend

    with adbc_driver_sqlite.dbapi.connect() as connection, connection.cursor() as cursor:
        cursor.execute("select sqlite_version()")
        ((sqlite,),) = cursor.fetchall()
    assert inside(bom, "adbc-driver-sqlite")["sqlite"] == {sqlite}
    assert backend.openssl_version_text().split()[1] in inside(bom, "cryptography")["openssl"]
    postgresql = inside(bom, "adbc-driver-postgresql")
    assert set(postgresql) >= {"libpq", "openssl"}
    assert all(version[:2] in ("3.", "4.") for version in postgresql["openssl"])


def test_what_a_wheel_declares_itself_is_taken_over(bom: dict[str, Any]) -> None:
    """Rust's crates (PEP 770); and where a wheel declares nothing, what its binaries show."""
    assert len(inside(bom, "pydantic-core")) >= 50
    assert set(inside(bom, "pyarrow")) >= {"zlib", "zstd", "lz4", "snappy", "brotli", "curl", "openssl", "abseil"}
    assert set(inside(bom, "flask-swagger-ui")) == {"dompurify"}
    assert inside(bom, "jinja2") == {}


def test_a_package_that_is_another_than_the_list_says_is_refused(lock: str) -> None:
    """The document would be wrong."""
    with pytest.raises(LookupError, match=r"jinja2 \S+ is installed, not 0\.0\.1"):
        bill_of_materials("jinja2==0.0.1 \\\n    --hash=sha256:" + "0" * 64)
    with pytest.raises(LookupError, match="no-such-package is not installed"):
        bill_of_materials("no-such-package==1")
    assert list(pins('jinja2==1 ; python_full_version < "3"\n')) == []


@pytest.mark.parametrize(
    ("tag", "version"),
    [("v1.2.3", "1.2.3"), ("url-8_23_0", "8.23.0"), ("20260107.1", "20260107.1"), ("86bb745f55", "86bb745f55")],
)
def test_versions_in_the_names_of_tags(tag: str, version: str) -> None:
    """And a commit stays one."""
    assert _version("curl", tag) == version
