"""``--reload``: notices when files of the app change.

The folder is looked at once a second; this is for development and off otherwise.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

_SUFFIXES = {".py", ".json", ".env"}
_SKIPPED = {"__pycache__", "node_modules", "site-packages"}
_SECONDS = 1.0

Snapshot = dict[str, tuple[int, int]]
"""Time of change and size of files, by path."""


def snapshot(app_dir: Path) -> Snapshot:
    """Return the state of the app's files; hidden folders and installed packages are left out."""
    found: Snapshot = {}
    for folder, folders, files in os.walk(app_dir):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _SKIPPED]
        for name in files:
            path = Path(folder) / name
            if path.suffix in _SUFFIXES:
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue
                found[str(path)] = (status.st_mtime_ns, status.st_size)
    return found


async def changed(app_dir: Path, before: Snapshot) -> str:
    """Wait until a file of the app is other than in the snapshot, and return its path."""
    while True:
        now = await asyncio.to_thread(snapshot, app_dir)
        if now != before:
            return min(path for path in now.keys() | before.keys() if now.get(path) != before.get(path))
        await asyncio.sleep(_SECONDS)
