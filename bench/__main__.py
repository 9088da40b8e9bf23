"""``make bench``: every benchmark, or those that are named (``python -m bench service``)."""

import importlib
import os
import platform
import sys
from pathlib import Path

from bench import measure

SUITES = tuple(sorted(p.stem for p in Path(__file__).parent.glob("[a-z]*.py") if p.stem != "measure"))


def main() -> int:
    """Run the suites and print their tables."""
    wanted = sys.argv[1:] or SUITES
    unknown = [name for name in wanted if name not in SUITES]
    if unknown:
        print(f"unknown suite {unknown[0]}; known: {', '.join(SUITES)}", file=sys.stderr)
        return 2
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores {measure.processor()}".rstrip()
    print(f"{machine}, Python {platform.python_version()}")
    for name in wanted:
        print(f"\n## {name}\n", flush=True)
        importlib.import_module(f"bench.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
