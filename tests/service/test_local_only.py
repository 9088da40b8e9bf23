"""Local development is open to this machine's own name alone; anywhere else every route but one says what to set."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from demo import processes, stack
from demo.stack import Stack
from tests.environments import PLATFORMS
from tests.routes import routes
from tests.service.problems import assert_problem
from triggers.http.swagger_ui import FILES

MORE = [("GET", ""), ("GET", "nothing"), ("OPTIONS", "exports"), ("PUT", "exports"), ("GET", "Dev/Users")]
"""Addresses that are not there, and methods that an address does not have."""

LIVE = "health/live"


@contextmanager
def deployed(home: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """The app where the environment says so, with settings that lack a mode; gives the API's base."""
    right = stack.bare_settings("UseDevelopmentStorage=true")
    timers = ("RETENTION_SCHEDULE", "WATCHDOG_SCHEDULE", "SCHEDULER_SCHEDULE")
    settings = {**right, **dict.fromkeys(timers, "0 0 0 1 1 *"), "FUNCTIONS_WORKER_PROCESS_COUNT": "1"}
    port = processes.free_port()
    with stack.host(home, port, {**settings, **environment}):
        yield f"http://127.0.0.1:{port}/api"


def calls() -> list[tuple[str, str]]:
    """Every method and address of the app, with values in the places of parameters, but for liveness."""
    values = {"token": "x", "file": next(iter(FILES)), "kind": "failed", "tenant": "acme", "name": "sessions"}
    whole = {**values, "id": "0123456789abcdefghijklmnopqrstuvwx", "delivery": "x", "user": "ada", "link": "x"}
    found = {(method, route.format(**whole)) for method, route in routes()}
    return sorted({call for call in found if call[1] != LIVE} | set(MORE))


@pytest.mark.parametrize(
    ("place", "more"),
    [
        ("Flex Consumption", {}),
        ("Flex Consumption", {"AUTH_MODE": "dev"}),
        ("Container Apps", {"AUTH_MODE": "dev"}),
        ("a bare container", {"AZURE_FUNCTIONS_ENVIRONMENT": "Production"}),
    ],
    ids=str,
)
def test_every_route_but_liveness_says_what_to_set(tmp_path: Path, place: str, more: Mapping[str, str]) -> None:
    """Although the stage says Development, and whatever a client pretends."""
    forged = {"Host": "localhost", "X-Forwarded-Host": "localhost", "X-Forwarded-For": "127.0.0.1"}
    with deployed(tmp_path, {**PLATFORMS[place], **more}) as api, requests.Session() as client:
        for method, path in calls():
            for headers in ({}, forged):
                body = {"user": "sam"} if method in ("POST", "PUT", "PATCH") else None
                answer = client.request(method, f"{api}/{path}", json=body, headers=headers, timeout=30)
                assert answer.status_code == 503, (method, path, answer.text)
                if method != "HEAD":
                    assert_problem(answer, "settings-error", detail="set AUTH_MODE to jwt (tokens of an OpenID Connect")
        alive = client.get(f"{api}/{LIVE}", timeout=30)
        assert (alive.status_code, alive.json()["status"]) == (200, "ok")


def raw(base_url: str, head: str) -> int:
    """The status of a request whose head is these lines."""
    parts = urlsplit(base_url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\nConnection: close\r\n\r\n")
        line = connection.makefile("rb").readline()
    return int(line.split()[1])


PAGES = ("dev/users", "dev/outbox", "dev/mails", "docs", "openapi.json", "health", "exports", "d/x")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_elsewhere_cannot_let_its_name_point_here(service: Stack, path: str) -> None:
    """DNS rebinding: its requests carry its own name, wherever it leads, and whatever else they say."""
    for headers in (
        {"Host": "evil.example"},
        {"Host": "evil.example:7071", "X-Forwarded-Host": "localhost", "Forwarded": "host=localhost"},
        {"Host": "localhost.evil.example", "X-Original-Host": "127.0.0.1"},
        {"Host": "127.0.0.1.evil.example", "Origin": "http://localhost"},
        {"Host": "localhost", "X-Forwarded-Host": "evil.example"},
    ):
        answer = requests.get(f"{service.api}/{path}", headers=headers, timeout=30)
        assert_problem(answer, "settings-error", detail="answers requests to this machine's own name only")


def test_nobody_elsewhere_gets_a_token(service: Stack) -> None:
    """Neither with a name of theirs, nor without one, nor with two."""
    url = f"{service.api}/dev/token"
    answer = requests.post(url, json={"user": "sam"}, headers={"Host": "evil.example"}, timeout=30)
    assert_problem(answer, "settings-error", detail="this one was for 'evil.example'")
    assert "token" not in answer.json()
    for head in (
        "GET /api/dev/users HTTP/1.0",
        "GET /api/dev/users HTTP/1.1\nHost: evil.example\nHost: localhost",
        "GET /api/dev/users HTTP/1.1\nHost: localhost\nHost: evil.example",
        "GET /api/dev/users HTTP/1.1\nHost: [::1]@evil.example",
    ):
        assert raw(service.base_url, head) in (400, 503), head
    assert raw(service.base_url, "GET /api/dev/users HTTP/1.1\nHost: sluice.localhost") == 200


def test_liveness_has_no_secret(service: Stack) -> None:
    """It is answered to anybody."""
    answer = requests.get(f"{service.api}/{LIVE}", headers={"Host": "evil.example"}, timeout=30)
    assert (answer.status_code, set(answer.json())) == (200, {"status", "version"})
