"""The app as azure-functions sees it: every function, and nothing else at import."""

import ast
import importlib
import pkgutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import pytest

import activities
import function_app
import orchestrators
import triggers
from shared.api.operations import Access
from triggers.http.operation import operations

ROOT = Path(__file__).resolve().parents[2]

TIMERS = [
    ("retention", "timer", "%RETENTION_SCHEDULE%"),
    ("watchdog", "timer", "%WATCHDOG_SCHEDULE%"),
    ("outbox", "timer", "%WATCHDOG_SCHEDULE%"),
    ("scheduler", "timer", "%SCHEDULER_SCHEDULE%"),
]
ORCHESTRATORS = ["export", "export_parts", "notification", "webhook_delivery"]
ACTIVITIES = [
    ("next_turns", "ref", True),
    ("plan_export", "ref", False),
    ("encode_part", "job", False),
    ("merge_export", "ref", False),
    ("publish_export", "merged", False),
    ("fail_export", "failed", False),
    ("start_notification", "ref", True),
    ("send_notification", "start", False),
    ("skip_notification", "skipped", False),
    ("announce_export", "ref", True),
    ("deliver_webhook", "job", False),
    ("remove_parts", "ref", False),
    ("remove_cancelled", "ref", False),
]
ANSWER = {"type": "http", "direction": "OUT", "name": "$return"}
CLIENT = {"type": "durableClient", "direction": "IN", "name": "client"}


def plain(binding: Any) -> dict[str, Any]:
    """A binding as plain values."""
    found = dict(binding.get_dict_repr())
    found["direction"] = found["direction"].name
    if "authLevel" in found:
        found["authLevel"] = found["authLevel"].value
        found["methods"] = [method.value for method in found["methods"]] if "methods" in found else None
    return found


def expected() -> dict[str, list[dict[str, Any]]]:
    """Every function with its bindings."""
    functions: dict[str, list[dict[str, Any]]] = {}
    for one in operations():
        level = "function" if one.access is Access.FUNCTION_KEY else "anonymous"
        trigger = {"type": "httpTrigger", "direction": "IN", "name": "req", "authLevel": level, "route": one.route}
        methods = [m.method for m in operations() if m.function == one.function]
        functions[one.function] = [{**trigger, "methods": methods}, ANSWER]
    leftover = {"type": "httpTrigger", "direction": "IN", "name": "req", "authLevel": "anonymous", "route": "{*path}"}
    functions["elsewhere"] = [{**leftover, "methods": None}, ANSWER]
    for name, parameter, schedule in TIMERS:
        trigger = {"type": "timerTrigger", "direction": "IN", "name": parameter, "schedule": schedule}
        functions[name] = [CLIENT, {**trigger, "runOnStartup": False}]
    for name in ORCHESTRATORS:
        functions[name] = [{"type": "orchestrationTrigger", "direction": "IN", "name": "context"}]
    for name, parameter, client in ACTIVITIES:
        trigger = {"type": "activityTrigger", "direction": "IN", "name": parameter}
        functions[name] = [CLIENT] * client + [trigger]
    return functions


def test_the_app_has_exactly_these_functions() -> None:
    """Names, routes, methods, authorisation levels and bindings: every operation as it is declared, and nothing else.

    Which operations ask for the durable client is their handlers' own affair.
    """
    found = {f.get_function_name(): [plain(b) for b in f.get_bindings()] for f in function_app.app.get_functions()}
    http = {name for name, bindings in found.items() if ANSWER in bindings}
    assert {n: [b for b in bs if n not in http or b != CLIENT] for n, bs in found.items()} == expected()


@pytest.mark.parametrize("package", [triggers, orchestrators, activities], ids=lambda p: p.__name__)
def test_every_blueprint_is_registered(package: Any) -> None:
    """A file with a blueprint that nobody lists would be a feature that is silently not there."""
    modules = [importlib.import_module(m.name) for m in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    made = [m.bp for m in modules if isinstance(getattr(m, "bp", None), df.Blueprint)]
    assert {id(bp) for bp in package.BLUEPRINTS} == {id(bp) for bp in made}
    assert len(package.BLUEPRINTS) == len(made)


def test_importing_the_app_does_nothing() -> None:
    """No environment, connection, file or thread: a mistake in a setting must not take away functions."""
    script = """
        import builtins, os, sys, threading
        import azure.functions, azure.durable_functions, pyarrow, pyarrow.compute, pydantic
        import azure.storage.blob, azure.data.tables, azure.communication.email, jwt

        problems = []

        def watch(event, arguments):
            if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.system"):
                problems.append(f"{event} {arguments}")
            if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
                problems.append(f"{event} {arguments}")

        class Watched(dict):
            def __getitem__(self, key):
                self.note(key)
                return super().__getitem__(key)
            def get(self, key, default=None):
                self.note(key)
                return super().get(key, default)
            def note(self, key):
                reader = sys._getframe(2).f_code.co_filename
                if "site-packages" not in reader and reader.startswith(os.getcwd()):
                    problems.append(f"environment {key} by {reader}")

        sys.addaudithook(watch)
        os.environ = Watched()
        threads = threading.active_count()
        import function_app
        if threading.active_count() != threads:
            problems.append("threads")
        names = [f.get_function_name() for f in function_app.app.get_functions()]
        print(len(names), problems)
    """
    done = subprocess.run(
        [sys.executable, "-B", "-c", textwrap.dedent(script)],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == f"{len(expected())} []"


_ALLOWED_IMPORTS = {
    "collections",
    "collections.abc",
    "contextlib",
    "dataclasses",
    "datetime",
    "random",
    "typing",
    "azure.durable_functions",
    "orchestrators",
    "orchestrators.parts",
    "orchestrators.steps",
    "shared.durable.inputs",
    "shared.durable.instance_ids",
    "shared.timestamps",
}
_NONDETERMINISTIC_CALLS = {
    "now",
    "utcnow",
    "utc_now",
    "today",
    "time",
    "monotonic",
    "uuid4",
    "urandom",
    "getenv",
    "open",
    "input",
}


def lines_of_chance(source: str) -> list[str]:
    """What in an orchestrator's code could differ between two replays."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [f"import {a.name}" for a in node.names if a.name not in _ALLOWED_IMPORTS]
        elif isinstance(node, ast.ImportFrom) and node.module not in _ALLOWED_IMPORTS:
            found.append(f"from {node.module} import")
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in _NONDETERMINISTIC_CALLS:
                found.append(f"{name}()")
            owner = getattr(getattr(node.func, "value", None), "id", "")
            if owner == "random" and not (name == "Random" and node.args):
                found.append(f"random.{name}() without a seed")
        elif isinstance(node, ast.Attribute) and node.attr == "environ":
            found.append("environ")
        elif isinstance(node, (ast.AsyncFunctionDef, ast.Await, ast.Global)):
            found.append(type(node).__name__)
        elif isinstance(node, ast.For) and isinstance(node.iter, ast.Set):
            found.append("order of a set")
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "orchestrators").glob("*.py")), ids=lambda p: p.name)
def test_orchestrators_leave_nothing_to_chance(path: Path) -> None:
    """No clock, random numbers only from a seed, no environment, no I/O: a replay must do what the first run did."""
    source = path.read_text()
    if path.name != "__init__.py":
        assert lines_of_chance(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "import os",
        "from time import monotonic",
        "from shared.settings import settings",
        "datetime.now(UTC)",
        "random.random()",
        "random.Random()",
        "open('x')",
        "os.environ['X']",
        "async def f(): pass",
    ],
)
def test_the_check_of_orchestrators_finds_chance(source: str) -> None:
    """A check that finds nothing proves something only if it can find."""
    assert lines_of_chance(source) != []
