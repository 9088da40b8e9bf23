"""A process that runs retention once, and tells whose durable history it would purge: it is made to be killed."""

import asyncio
import sys
from datetime import datetime

from shared.jobs.records import ExportRecord
from shared.retention.runner import run_sweepers
from shared.retention.sweepers import Sweep
from shared.services import services


async def purge(record: ExportRecord) -> None:
    """Say so."""
    sys.stdout.write(f"{record.id}\n")
    sys.stdout.flush()


def remind(_: ExportRecord) -> None:
    """No file is about to expire."""


if __name__ == "__main__":
    sweep = Sweep(services("activity"), datetime.fromisoformat(sys.argv[1]), purge, remind)
    removed = asyncio.run(run_sweepers(sweep, seconds=36_000))
    sys.stdout.write(f"removed {sum(removed.values())}\n")
