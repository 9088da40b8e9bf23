"""The command line: ``python -m local_host start`` and ``python -m local_host replay``."""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
from pathlib import Path

from local_host.errors import AppLoadError, HostError

_REPLAY = (
    "import sys; root, app, data = sys.argv[1:]; sys.path.insert(0, root); import local_host.replay as r; "
    "sys.path.remove(root); sys.exit(r.main(app, data))"
)
"""The app is loaded by a process that has neither this folder nor the host's on its path, as workers are."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status: 0 done, 1 could not start or histories differ, 2 wrong
    arguments."""
    options = _parser().parse_args(arguments)
    command = _replay if options.command == "replay" else _start
    try:
        return command(options)
    except HostError as error:
        if isinstance(error, AppLoadError) and error.details:
            print(error.details, file=sys.stderr)  # noqa: T201 - the output of the command
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1


def _start(options: argparse.Namespace) -> int:
    from local_host.host import StartOptions, serve

    start = StartOptions(
        app_dir=options.app.resolve(),
        data_dir=options.data.resolve(),
        host=options.host,
        port=options.port,
        rpc_port=options.rpc_port,
        auth=options.auth,
        reload=options.reload,
    )
    environment = dict(os.environ)
    if asyncio.run(serve(start)):
        # A new process with the first environment, so that local.settings.json is read anew too.
        os.execve(sys.executable, [sys.executable, "-m", "local_host", *(sys.argv[1:])], environment)  # noqa: S606
    return 0


def _replay(options: argparse.Namespace) -> int:
    root = str(Path(__file__).resolve().parent.parent)
    command = [sys.executable, "-P", "-c", _REPLAY, root, str(options.app.resolve()), str(options.data.resolve())]
    return subprocess.run(command, cwd=options.app, check=False).returncode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local_host", description="A Durable Functions host in Python.")
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start", help="serve a function app until Ctrl-C")
    start.add_argument("--app", type=Path, default=Path(), metavar="DIR", help="folder of function_app.py (default: .)")
    start.add_argument("--data", type=Path, default=Path(".local_host"), metavar="DIR", help="folder of the task hub")
    start.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on (default: %(default)s)"
    )
    start.add_argument(
        "--port", type=int, default=7071, metavar="N", help="port, 0 for a free one (default: %(default)s)"
    )
    start.add_argument(
        "--rpc-port", type=int, default=0, metavar="N", help="port of the SDK's client (default: a free one)"
    )
    start.add_argument("--auth", action="store_true", help="ask for keys as the platform does (default: anonymous)")
    start.add_argument("--reload", action="store_true", help="start again when a file of the app changes")
    replay = commands.add_parser("replay", help="replay all recorded histories against the app's code")
    replay.add_argument("--app", type=Path, default=Path(), metavar="DIR", help="folder of function_app.py")
    replay.add_argument("--data", type=Path, default=Path(".local_host"), metavar="DIR", help="folder of the task hub")
    return parser
