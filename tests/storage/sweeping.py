"""A process that runs retention once, and tells whose durable history it would purge: it is made to be killed."""

import asyncio
import sys
from datetime import datetime

from shared.jobs.records import ExportRecord
from shared.retention.runner import run_sweepers
from shared.retention.sweepers import Sweep
from shared.services import services
from shared.webhooks.deliveries import Delivery


async def purge(record: ExportRecord) -> None:
    """Say so."""
    sys.stdout.write(f"{record.id}\n")
    sys.stdout.flush()


async def purge_delivery(_: Delivery) -> bool:
    """No webhook has any."""
    return True


def remind(_: ExportRecord) -> None:
    """No file is about to expire."""


if __name__ == "__main__":
    sweep = Sweep(services("activity"), datetime.fromisoformat(sys.argv[1]), purge, remind, purge_delivery)
    removed = asyncio.run(run_sweepers(sweep, seconds=36_000))
    sys.stdout.write(f"removed {sum(removed.values())}\n")
