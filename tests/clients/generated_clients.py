"""Clients that generators make from the OpenAPI document: no warning, nothing left out, they compile and run.

`make test-clients` runs these; the generators are pinned in package-lock.json and requirements-clients.txt.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from demo import npm, processes, stack
from demo.client import Client
from demo.stack import Stack
from tests.service.database import make_small_database

HERE = Path(__file__).parent
TYPESCRIPT = {
    "compilerOptions": {
        "strict": True,
        "target": "es2022",
        "module": "nodenext",
        "types": [],
        "lib": ["es2022", "dom", "dom.iterable"],
    }
}
PROCESS = "declare const process: { argv: string[] };\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("clients")
    make_small_database(home)
    with stack.running(home, processes.free_port(), "sqlite") as running:
        yield running


@pytest.fixture(scope="module")
def document(service: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The document in a file."""
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    path.write_bytes(requests.get(f"{service.api}/openapi.json", timeout=60).content)
    return path


@pytest.fixture(scope="module")
def typescript(document: Path) -> Path:
    """A folder with the document, the npm packages, and the programs that use the clients."""
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    folder = document.parent
    (folder / "node_modules").symlink_to(npm.install(HERE, lock))
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "tsconfig.json").write_text(json.dumps(TYPESCRIPT))
    (folder / "process.d.ts").write_text(PROCESS)
    for program in (*HERE.glob("*.ts"), *HERE.glob("*.config.js")):
        shutil.copy(program, folder)
    return folder


def node(folder: Path, *command: str) -> str:
    """What a program of an npm package says; it has to succeed."""
    program, *options = command
    path = folder / "node_modules" / program if "/" in program else folder / program
    done = subprocess.run(
        [str(npm.node()), str(path), *options],
        cwd=folder,
        env=npm.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def generator(name: str, *options: str, folder: Path) -> str:
    """What a Python generator of clients says; it has to succeed."""
    programs = Path(os.environ["CLIENT_GENERATORS"])
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [str(programs / name), *options]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def components(document: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(document.read_text())["components"]["schemas"]
    return found


def token(service: Stack) -> str:
    return Client(service.api, "bea").headers["Authorization"].removeprefix("Bearer ")


def test_redocly_finds_no_error(typescript: Path) -> None:
    """With the recommended rules."""
    said = node(typescript, "@redocly/cli/bin/cli.js", "lint", "openapi.json", "--extends=recommended")
    assert "Your API description is valid" in said


def test_openapi_typescript(typescript: Path, service: Stack) -> None:
    """With its default flags: a program starts an export, polls it and reads its file."""
    said = node(typescript, "openapi-typescript/bin/cli.js", "openapi.json", "-o", "api.ts")
    assert "⚠" not in said
    compile_program(typescript, "fetch_client.ts")
    assert int(node(typescript, "fetch_client.js", service.api, token(service))) == lines(service)


def test_hey_api(typescript: Path, service: Stack) -> None:
    """The same with the client that @hey-api/openapi-ts writes."""
    said = node(typescript, "@hey-api/openapi-ts/bin/run.js")
    assert "warn" not in said.lower()
    compile_program(typescript, "hey_client.ts")
    assert int(node(typescript, "hey_client.js", service.api, token(service))) == lines(service)


def compile_program(folder: Path, program: str) -> None:
    """Compile a program with what it imports, strictly."""
    settings = {**TYPESCRIPT, "files": [program, "process.d.ts"]}
    (folder / "tsconfig.json").write_text(json.dumps(settings))
    node(folder, "typescript/bin/tsc", "--project", "tsconfig.json")


def lines(service: Stack) -> int:
    """The lines of the file of users: a header and a row for each."""
    client = Client(service.api, "bea")
    export = client.wait(client.start(exportType="users"))
    return int(export["file"]["rows"]) + 1


def test_openapi_python_client(document: Path, service: Stack) -> None:
    """No warning, a class for each model, and an export that it starts and reads."""
    folder = document.parent
    options = ("--path", "openapi.json", "--output-path", "sluice_client", "--meta", "none")
    said = generator("openapi-python-client", "generate", *options, folder=folder)
    assert said.strip() == "Generating sluice_client"
    made = re.findall(r"import (\w+)", (folder / "sluice_client" / "models" / "__init__.py").read_text())
    assert {name for name, schema in components(document).items() if "properties" in schema} <= set(made)
    program = HERE / "python_client.py"
    command = [str(Path(os.environ["CLIENT_GENERATORS"]) / "python"), str(program), service.api, token(service)]
    done = subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True)
    assert done.stdout.decode().strip() == "Pending", done.stderr.decode()


def test_datamodel_code_generator(document: Path) -> None:
    """No warning, and a class for each component."""
    folder = document.parent
    kinds = ("--input-file-type", "openapi", "--output-model-type", "pydantic_v2.BaseModel", "--formatters", "builtin")
    said = generator("datamodel-codegen", "--input", "openapi.json", "--output", "models.py", *kinds, folder=folder)
    assert said == ""
    made = set(re.findall(r"^class (\w+)\(", (folder / "models.py").read_text(), re.MULTILINE))
    assert set(components(document)) <= made
    subprocess.run([sys.executable, "-c", "import models"], cwd=folder, check=True)
