"""The checks of the platform's worker while it indexes an app."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import azure.durable_functions as df
import azure.functions as func
import pytest

from local_host.app_index import LoadedFunction, load_function
from local_host.errors import AppLoadError
from local_host.http_triggers import http_functions


def index(source: str) -> list[LoadedFunction]:
    """Index an app given as source; ``app`` is there."""
    app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    exec(textwrap.dedent(source), {"app": app, "func": func, "df": df})
    return [load_function(function) for function in app.get_functions()]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "@app.activity_trigger('value')\ndef work(other): pass",
            (
                "the following parameters are declared in Python but not in the function definition "
                "(function.json or function decorators): ['other']"
            ),
        ),
        (
            "@app.route(route='x')\n@app.durable_client_input('client')\nasync def work(req): pass",
            (
                "the following parameters are declared in the function definition "
                "(function.json or function decorators) but not in Python: ['client']"
            ),
        ),
        (
            "from typing import Optional\n@app.activity_trigger('value')\ndef work(value: Optional[dict]): pass",
            "binding value has invalid non-type annotation typing.Optional[dict]",
        ),
        (
            "@app.activity_trigger('value')\ndef work(value: dict[str, int]): pass",
            "binding value has invalid non-type annotation dict[str, int]",
        ),
        (
            "@app.activity_trigger('value')\ndef work(value: 'dict | None'): pass",
            "binding value has invalid non-type annotation dict | None",
        ),
        (
            "@app.route(route='x')\ndef work(req: int): pass",
            'type of req binding in the function definition "httpTrigger" does not match its Python annotation "int"',
        ),
        (
            "@app.timer_trigger('timer', '0 * * * * *')\ndef work(timer: func.HttpRequest): pass",
            (
                'type of timer binding in the function definition "timerTrigger" does not match its Python annotation '
                '"HttpRequest"'
            ),
        ),
        (
            "@app.route(route='x')\ndef work(req: func.HttpRequest) -> int: pass",
            'Python return annotation "int" does not match binding type "http"',
        ),
        (
            (
                "from typing import Union\n@app.route(route='x')\n"
                "def work(req: func.HttpRequest) -> Union[str, func.HttpResponse]: pass"
            ),
            "has invalid non-type return annotation typing.Union[str, azure.functions._http.HttpResponse]",
        ),
        (
            "@app.route(route='x')\ndef work(req: func.HttpRequest, context: str): pass",
            "the \"context\" parameter is expected to be of type azure.functions.Context, got <class 'str'>",
        ),
        (
            "@app.route(route='x')\ndef work(req: func.Out[func.HttpRequest]): pass",
            (
                'binding req is declared to have the "in" direction in the function definition, but its annotation is '
                "azure.functions.Out in Python"
            ),
        ),
        (
            "@app.function_name('1work')\n@app.route(route='x')\ndef work(req: func.HttpRequest): pass",
            "the name must start with a letter and hold letters, digits, '_' and '-'",
        ),
        (
            (
                "@app.queue_output('out', 'q', 'Storage')\n@app.route(route='x')\n"
                "def work(req: func.HttpRequest, out: func.Out[str]): pass"
            ),
            (
                "binding type 'queue' is not supported by this host; supported: activityTrigger, durableClient, "
                "entityTrigger, http, httpTrigger, orchestrationTrigger, timerTrigger"
            ),
        ),
    ],
)
def test_refused(source: str, message: str) -> None:
    """The reason is the platform's, and names the function."""
    with pytest.raises(AppLoadError) as refusal:
        index(source)
    assert str(refusal.value).startswith("cannot load the ")
    assert str(refusal.value).endswith(message)


@pytest.mark.parametrize(
    "source",
    [
        "@app.activity_trigger('value')\ndef work(value): pass",
        "@app.activity_trigger('value')\ndef work(value: str) -> 'list | None': pass",
        "from typing import Any, Dict\n@app.activity_trigger('value')\ndef work(value: Dict[str, Any]): pass",
        "@app.route(route='x')\ndef work(req: func.HttpRequest, context: func.Context) -> str: pass",
        (
            "@app.route(route='x')\n@app.durable_client_input('client')\n"
            "async def work(req, client: df.DurableOrchestrationClient) -> func.HttpResponse: pass"
        ),
        "@app.timer_trigger('timer', '0 * * * * *')\nasync def work(timer: func.TimerRequest) -> None: pass",
        "@app.orchestration_trigger('context')\ndef work(context: df.DurableOrchestrationContext): yield",
        "@app.entity_trigger('context')\ndef work(context: df.DurableEntityContext): pass",
    ],
)
def test_accepted(source: str) -> None:
    """What Azure loads is loaded."""
    assert [loaded.metadata.name for loaded in index(source)] == ["work"]


@pytest.mark.parametrize("route", ["admin/audit", "Administration", "/runtime/x"])
def test_routes_of_the_platform_are_refused(route: str) -> None:
    """It takes no function whose route begins as its own do; neither is one taken here."""
    with pytest.raises(AppLoadError, match="cannot load the work function: the specified route conflicts"):
        http_functions([_metadata(f"@app.route(route='{route}')\ndef work(req: func.HttpRequest) -> str: pass")])


def _metadata(source: str) -> Any:
    return index(source)[0].metadata


@pytest.mark.parametrize(
    ("source", "kind", "durable_name", "is_async"),
    [
        ("@app.activity_trigger('v', activity='other')\nasync def work(v): pass", "activity", "other", True),
        (
            "@app.orchestration_trigger('context', orchestration='o2')\ndef work(context): yield",
            "orchestration",
            "o2",
            False,
        ),
        ("@app.entity_trigger('context', entity_name='Counter')\ndef work(context): pass", "entity", "Counter", False),
        ("@app.route(route='x')\ndef work(req): pass", "http", "work", False),
    ],
)
def test_metadata(source: str, kind: str, durable_name: str, is_async: bool) -> None:
    """Kind, durable name and manner of call are read from decorators and function."""
    metadata = _metadata(source)
    assert (metadata.kind, metadata.durable_name, metadata.is_async) == (kind, durable_name, is_async)


def test_decorators_of_the_app_keep_the_signature() -> None:
    """A function wrapped with functools.wraps is checked by its own parameters."""
    source = """
    import functools
    def logged(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)
        return wrapper
    @app.activity_trigger("value")
    @logged
    def work(value: str) -> str:
        return value
    """
    call: Callable[..., Any] = index(source)[0].call
    assert call(value="x") == "x"
