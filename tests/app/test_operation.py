"""Declared operations: who is not admitted does not reach the handler, and nothing is handed out unlooked at."""

import asyncio
from typing import Any

import azure.functions as func
import pytest

from shared.api.operations import Access, Answer, Operation
from shared.audit.recorder import about, begin, called_by, owner_checked
from shared.errors import NotAllowed, NotAuthenticated
from shared.identity.caller import Caller, demo_caller
from triggers.http import operation as declaring

REQUEST = func.HttpRequest("GET", "/api/things/1", route_params={"id": "1"}, body=b"")


def declared(access: Access) -> Operation:
    return Operation("thing", "GET", "things/{id}", "Get", "Gets.", access, "seen", {200: Answer("The thing.")})


def call(
    access: Access,
    caller: Caller | None,
    monkeypatch: pytest.MonkeyPatch,
    *,
    looks: bool = True,
    says: str = "thing 1",
) -> list[str]:
    """What the handler did for this caller; nobody is signed in without one."""
    done: list[str] = []

    async def who(_: func.HttpRequest) -> Caller:
        if caller is None:
            raise NotAuthenticated("send a token", "no-token")
        return caller

    async def thing(req: func.HttpRequest, **_: Any) -> func.HttpResponse:
        if looks:
            owner_checked()
        about("acme", subject=says)
        done.append("handled")
        return func.HttpResponse("the thing")

    async def run() -> None:
        begin("seen", REQUEST, "r-1")
        await declaring._admitted(declared(access), thing)(req=REQUEST)

    monkeypatch.setattr(declaring, "caller_of", who)
    asyncio.run(run())
    return done


@pytest.mark.parametrize(
    ("access", "users"),
    [
        (Access.CALLER, ["sam", "ada", "max", "vic"]),
        (Access.EXPORTER, ["sam", "ada", "max"]),
        (Access.OWNER, ["sam", "ada", "max"]),
        (Access.RECIPIENT, ["sam", "ada", "max", "vic"]),
        (Access.ADMIN, ["sam", "ada"]),
        (Access.OPERATOR, ["sam"]),
    ],
)
def test_only_who_may_reaches_the_handler(access: Access, users: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The declaration decides, before the handler is called."""
    for user in ("sam", "ada", "max", "vic"):
        if user in users:
            assert call(access, demo_caller(user), monkeypatch) == ["handled"]
        else:
            with pytest.raises(NotAllowed):
                call(access, demo_caller(user), monkeypatch)
    with pytest.raises(NotAuthenticated):
        call(access, None, monkeypatch)


@pytest.mark.parametrize("access", [Access.PUBLIC, Access.FUNCTION_KEY])
def test_what_is_open_asks_for_nobody(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host has checked a function key by then."""
    assert call(access, None, monkeypatch, looks=False) == ["handled"]


def test_every_access_has_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new one is open to nobody by mistake."""
    for access in set(Access) - {Access.PUBLIC, Access.FUNCTION_KEY}:
        with pytest.raises(NotAuthenticated):
            call(access, None, monkeypatch)


@pytest.mark.parametrize("access", [Access.OWNER, Access.RECIPIENT])
def test_an_answer_without_a_look_at_whose_it_is_stays_here(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that forgets the check answers nothing."""
    with pytest.raises(RuntimeError, match="without a look at whose it is"):
        call(access, demo_caller("ada"), monkeypatch, looks=False)


@pytest.mark.parametrize("access", [Access.OWNER, Access.ADMIN, Access.OPERATOR, Access.PUBLIC])
def test_an_answer_that_does_not_say_what_it_is_about_stays_here(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The route names a thing; its tenant's audit log has to name it too."""
    with pytest.raises(RuntimeError, match="thing answered and did not say what it was about"):
        call(access, demo_caller("sam"), monkeypatch, says="")


def test_what_is_refused_is_named_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for tokens; an export has a place of its own in the log."""
    named = declaring._named_in
    assert named("webhooks/{id}/ping", {"id": "wh_1"}) == "webhooks/wh_1/ping"
    assert named("unsubscribe/{token}", {"token": "secret"}) == "unsubscribe/{token}"
    trail = begin("seen", REQUEST, "r-1")

    async def who(_: func.HttpRequest) -> Caller:
        called_by(demo_caller("vic"))
        return demo_caller("vic")

    monkeypatch.setattr(declaring, "caller_of", who)
    with pytest.raises(NotAllowed):
        asyncio.run(declaring._admitted(declared(Access.OPERATOR), who)(req=REQUEST))  # type: ignore[arg-type]
    assert (trail.operation, trail.asked_for, trail.named) == ("thing", "things/1", False)


def test_an_operation_is_declared_once() -> None:
    """Two handlers of one route would be a matter of luck."""

    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse()

    with pytest.raises(ValueError, match="GET health is declared twice"):
        declaring.operation(
            "GET",
            "health",
            summary="Check",
            description="Checks.",
            access=Access.PUBLIC,
            audit=None,
            answers={200: Answer("Ready.")},
        )(handler)
