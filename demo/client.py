"""A small client of the API, as a front end would write it: the demo, the tests and the benchmarks use it."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

FINAL = frozenset({"Completed", "Failed", "Cancelled", "Expired"})


class Client:
    """Calls the API as one user."""

    def __init__(self, api: str, user: str) -> None:
        self.api = api
        self._session = requests.Session()
        token = self.call("POST", "/dev/token", json={"user": user}).json()["token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    @property
    def headers(self) -> dict[str, str]:
        """What says who calls."""
        return {"Authorization": str(self._session.headers["Authorization"])}

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Any request, below the API's base."""
        return self._session.request(method, self.api + path, timeout=60, allow_redirects=False, **options)

    def start(self, **body: Any) -> str:
        """Ask for an export that nobody has asked for before; give its id."""
        answer = self.call("POST", "/exports", json={"fresh": True, **body})
        answer.raise_for_status()
        return str(answer.json()["id"])

    def wait(
        self,
        export_id: str,
        *,
        seconds: float = 300,
        every: float = 0.1,
        show: Callable[[dict[str, Any]], object] | None = None,
    ) -> dict[str, Any]:
        """Poll until the export has ended; give its status resource. Raises ``TimeoutError``."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            answer = self.call("GET", f"/exports/{export_id}")
            answer.raise_for_status()
            status: dict[str, Any] = answer.json()
            if show:
                show(status)
            if status["status"] in FINAL:
                return status
            time.sleep(every)
        raise TimeoutError(f"export {export_id} is still {status['status']} after {seconds:.0f} s: {status}")

    def download(self, export_id: str, to: Path) -> str:
        """Follow the download link into a file; give the sha256 of its bytes."""
        answer = self.call("GET", f"/exports/{export_id}/download")
        if answer.status_code != 302:
            raise requests.HTTPError(f"download answered {answer.status_code}: {answer.text}", response=answer)
        digest = hashlib.sha256()
        with requests.get(answer.headers["Location"], stream=True, timeout=60) as file, to.open("wb") as output:
            file.raise_for_status()
            for piece in file.iter_content(1024 * 1024):
                digest.update(piece)
                output.write(piece)
        return digest.hexdigest()

    def logs(self, export_id: str) -> list[dict[str, Any]]:
        """What happened to the export."""
        items: list[dict[str, Any]] = self.call("GET", f"/exports/{export_id}/logs").json()["items"]
        return items

    def wait_for_log(self, export_id: str, *actions: str, seconds: float = 60) -> dict[str, Any]:
        """Poll the log until one of these actions is in it; give that line. Raises ``TimeoutError``."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for line in self.logs(export_id):
                if line["action"] in actions:
                    return line
            time.sleep(0.1)
        raise TimeoutError(f"none of {', '.join(actions)} in the log of {export_id} after {seconds:.0f} s")
