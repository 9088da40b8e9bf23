"""Celery with what a machine without servers has: SQLite for messages, files for results, two processes.

Messages in files are no alternative: a consumer that reads one while it is written loses it.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from celery import Celery
from kombu.transport.sqlalchemy import Transport

Transport.polling_interval = 0.002  # a second otherwise; the option of this name reaches SQLAlchemy, which refuses it

app = Celery("noop")


def configure(home: Path) -> None:
    """Keep everything in that folder."""
    (home / "results").mkdir(exist_ok=True)
    app.conf.update(
        broker_url=f"sqla+sqlite:///{home / 'queue.db'}",
        broker_transport_options={"connect_args": {"timeout": 60}},
        result_backend=f"file://{home / 'results'}",
        worker_prefetch_multiplier=16,
    )


if "CELERY_HOME" in os.environ:
    configure(Path(os.environ["CELERY_HOME"]))


@app.task
def noop(value: int) -> int:
    """Do nothing."""
    return value


@contextmanager
def running() -> Iterator[Callable[[str, int], None]]:
    """Give a function that runs so many tasks to their end, as ``fan_out`` or ``sequence``."""
    with tempfile.TemporaryDirectory() as home:
        configure(Path(home))
        command = [sys.executable, "-m", "celery", "-A", "bench.peers.celery_tasks", "worker"]
        command += ["--concurrency", "2", "--loglevel", "CRITICAL", "--without-gossip", "--without-mingle"]
        environment = {**os.environ, "CELERY_HOME": home}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield _run
        finally:
            process.terminate()
            process.wait()


def _run(name: str, count: int) -> None:
    if name == "fan_out":
        for result in [noop.delay(n) for n in range(count)]:
            result.get(timeout=300, interval=0.002)
        return
    for n in range(count):
        noop.delay(n).get(timeout=300, interval=0.002)
