"""The running service that is attacked."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests

from demo.stack import Stack
from tests.service.conftest import People


@dataclass(frozen=True)
class Host:
    """A service, its people, an export of acme that is completed, and a URL that reads its file."""

    stack: Stack
    people: People
    export_id: str
    file_url: str
    others: frozenset[str]

    @classmethod
    def of(cls, running: Stack, people: People) -> "Host":
        """Everything made that is attacked."""
        export_id = people.ada.start(exportType="users")
        people.ada.wait(export_id, seconds=60, every=0.05)
        theirs = people.bea.start(exportType="users")
        people.bea.wait(theirs, seconds=60, every=0.05)
        url = people.ada.call("GET", f"/exports/{export_id}/download?redirect=false").json()["url"]
        return cls(running, people, export_id, url, frozenset({theirs}))

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.stack.base_url)
        return parts.hostname or "", parts.port or 0

    def raw(self, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        """A request whose path is sent as it stands."""
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        try:
            connection._validate_path = lambda _: None  # type: ignore[attr-defined]
            connection.putrequest(method, path, skip_host="Host" in headers)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()


def broken(answer: requests.Response) -> str:
    """What no answer may be."""
    if answer.status_code >= 500 or "Traceback" in answer.text:
        return f"{answer.status_code} {answer.text[:200]}"
    return ""
