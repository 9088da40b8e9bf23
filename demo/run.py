"""``make demo``: one large export that is downloaded, and a small one that is not and brings a mail."""

import os
import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from demo import processes, stack
from demo.client import Client

GRACE_SECONDS = 5
"""How long the mail waits for a download here; 120 s is what the service does otherwise."""


def main() -> int:
    """Run the demo; 0 when everything went as it should."""
    stack.exit_on_signals()
    console = Console(highlight=False)
    started = time.monotonic()
    try:
        home = stack.home_from(os.environ)
        port = stack.port_from(os.environ, "PORT", 7071) or 7071
        kind = os.environ.get("SOURCE") or "sqlite"
        with stack.running(home, port, kind, {"NOTIFY_GRACE_SECONDS": str(GRACE_SECONDS)}) as service:
            console.print(f"Everything runs after {time.monotonic() - started:.1f} s: {service.base_url}")
            client = Client(service.api, "ada")
            downloaded_export(client, service, console)
            forgotten_export(client, console)
    except processes.StartFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    console.print("Everything is stopped. `make run` serves until Ctrl-C.")
    return 0


def downloaded_export(client: Client, service: stack.Stack, console: Console) -> None:
    """The sessions of tenant acme, a million rows, downloaded as soon as they are there."""
    console.print("\n[bold]1. An export that is downloaded[/bold]")
    began = time.monotonic()
    export_id = client.start(exportType="sessions", format="csv", notify={"email": True})
    console.print(f"POST /exports answered with id {export_id} in {time.monotonic() - began:.2f} s")
    status = _watch(client, export_id, console)
    took = time.monotonic() - began
    _require(status["status"] == "Completed", f"the export is {status['status']}: {status.get('error')}")
    path = service.home / "downloads" / status["file"]["name"]
    path.parent.mkdir(parents=True, exist_ok=True)
    sha256 = client.download(export_id, path)
    _require(sha256 == status["file"]["sha256"], "the downloaded bytes are not those that were published")
    _require(path.stat().st_size == status["file"]["bytes"], "the downloaded file has another size")
    console.print(f"rows     {status['file']['rows']:,}")
    console.print(f"bytes    {status['file']['bytes']:,}")
    console.print(f"sha256   {sha256} (of the downloaded file)")
    console.print(f"seconds  {took:.1f} from the request to Completed")
    console.print(f"file     {path}", soft_wrap=True)
    line = client.wait_for_log(export_id, "mail-skipped", "mail-sent")
    _require(line["action"] == "mail-skipped", f"the log says: {line['message']}")
    console.print(f"mail     {line['message']}")


def forgotten_export(client: Client, console: Console) -> None:
    """The users of the same tenant; nobody looks at it or fetches the file, so a mail goes out."""
    console.print("\n[bold]2. An export that nobody downloads[/bold]")
    export_id = client.start(exportType="users", format="csv", notify={"email": True})
    published = client.wait_for_log(export_id, "published", "failed")
    console.print(published["message"])
    console.print(f"Waiting {GRACE_SECONDS} s for a look that never comes")
    line = client.wait_for_log(export_id, "mail-skipped", "mail-sent")
    _require(line["action"] == "mail-sent", f"the log says: {line['message']}")
    mail = client.call("GET", "/dev/outbox").json()["items"][-1]
    console.print(f"To:      {mail['to']}\nSubject: {mail['subject']}\n")
    console.print(mail["text"], soft_wrap=True)


def _watch(client: Client, export_id: str, console: Console) -> dict[str, Any]:
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        bar = bars.add_task("planning", total=None)

        def show(status: dict[str, Any]) -> None:
            progress = status["progress"]
            total = progress["totalRows"] or None
            bars.update(bar, description=status["phase"] or status["status"], completed=progress["rows"], total=total)

        return client.wait(export_id, show=show)


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise SystemExit(f"the demo did not go as it should: {what}")


if __name__ == "__main__":
    sys.exit(main())
