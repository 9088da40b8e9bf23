"""The command line: ``python -m local_host start``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from local_host.errors import AppLoadError, HostError


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status: 0 stopped when asked to, 1 could not start, 2 wrong arguments."""
    options = _parser().parse_args(arguments)
    from local_host.host import StartOptions, serve

    start = StartOptions(
        app_dir=options.app.resolve(),
        data_dir=options.data.resolve(),
        host=options.host,
        port=options.port,
        rpc_port=options.rpc_port,
        auth=options.auth,
    )
    try:
        asyncio.run(serve(start))
    except HostError as error:
        if isinstance(error, AppLoadError) and error.details:
            print(error.details, file=sys.stderr)  # noqa: T201 - the output of the command
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


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
    return parser
