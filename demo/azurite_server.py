"""Azurite, the storage emulator: installed from npm with the Node that comes from PyPI, run on loopback."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo import npm, processes

_PACKAGE = Path(__file__).with_name("azurite")
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The emulator's account and key are public and the same for everybody."""


@dataclass(frozen=True)
class Azurite:
    """A running emulator."""

    process: "subprocess.Popen[bytes]"
    blob_port: int
    table_port: int
    account: str = _ACCOUNT

    @property
    def connection_string(self) -> str:
        return (
            f"DefaultEndpointsProtocol=http;AccountName={self.account};AccountKey={_KEY};"
            f"BlobEndpoint=http://127.0.0.1:{self.blob_port}/{self.account};"
            f"TableEndpoint=http://127.0.0.1:{self.table_port}/{self.account};"
        )


def install() -> Path:
    """Install Azurite next to its package-lock.json unless that is done, and give its program."""
    version = json.loads((_PACKAGE / "package-lock.json").read_text())["packages"]["node_modules/azurite"]["version"]
    return npm.install(_PACKAGE, version) / "azurite" / "dist" / "src" / "azurite.js"


@contextmanager
def running(
    home: Path, port: int | None = None, accounts: Sequence[str] = (_ACCOUNT,), options: Sequence[str] = ()
) -> Iterator[Azurite]:
    """Run Azurite with its files under ``home``; blobs on ``port``, tables on the port after the next, or on free ones.

    ``accounts`` share the emulator's key; the first is the one that is given. ``options`` are more of its own.
    Raises ``StartFailed`` when a port is taken or it does not start.
    """
    program = install()
    ports = (port, port + 1, port + 2) if port else tuple(processes.free_port() for _ in range(3))
    if port:
        for wanted in ports:
            processes.require_free(wanted, "AZURITE_PORT")
    log = home / "logs" / "azurite.log"
    command = [str(npm.node()), str(program), "--location", str(home / "azurite"), "--silent", "--skipApiVersionCheck"]
    command += ["--disableTelemetry", "--disableProductStyleUrl", *options]
    for service, number in zip(("blob", "queue", "table"), ports, strict=True):
        command += [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(number)]
    known = ";".join(f"{account}:{_KEY}" for account in accounts)
    process = processes.start(command, log, environment={**os.environ, "AZURITE_ACCOUNTS": known})
    try:
        for number in (ports[0], ports[2]):
            processes.wait_for_port(process, number, "Azurite", log, 60)
        yield Azurite(process, ports[0], ports[2], accounts[0])
    finally:
        processes.stop(process)
