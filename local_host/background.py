"""Tasks nobody waits for: they are kept from the garbage collector, their failures logged, and ended together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

from local_host import logs


class BackgroundTasks:
    """The background tasks of one part of the host."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, coroutine: Coroutine[object, object, None]) -> None:
        """Run a coroutine as a task."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def stop(self) -> None:
        """Cancel all tasks and wait until they have ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logs.event("host.error", level=logging.CRITICAL, error=repr(task.exception()))
