"""Imports an app and indexes its functions, with the checks the platform's Python worker makes (runs in a worker).

An app that loads here loads on Azure: ``function_app.py`` must hold exactly one function app object, every function one
trigger, and every parameter a binding (and the reverse) whose type its annotation allows. The rules were read from
azure-functions-python-worker (``loader.py``, ``functions.py``); type rules are asked from the converters that
azure-functions itself registers.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
import traceback
import typing
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from local_host import http_server
from local_host.errors import AppLoadError

_TypeCheck = Callable[[Any], bool]

HTTP, TIMER, ORCHESTRATION, ACTIVITY, ENTITY = "http", "timer", "orchestration", "activity", "entity"

_KINDS = {
    "httpTrigger": HTTP,
    "timerTrigger": TIMER,
    "orchestrationTrigger": ORCHESTRATION,
    "activityTrigger": ACTIVITY,
    "entityTrigger": ENTITY,
}
_DURABLE_NAME_KEYS = {ORCHESTRATION: "orchestration", ACTIVITY: "activity", ENTITY: "entityName"}
_OTHER_BINDINGS = {"http", "durableClient"}
_FUNCTION_NAME = re.compile(r"^[A-Za-z][A-Za-z0-9_-]{0,127}$")


@dataclass(frozen=True)
class FunctionMetadata:
    """What the host knows of a function. ``bindings`` are the SDK's raw bindings, parsed.

    ``durable_name`` is the name orchestrators and clients use; for other kinds it is the function's name. ``retry`` is
    the SDK's retry policy (all values text) or None.
    """

    name: str
    kind: str
    durable_name: str
    is_async: bool
    bindings: list[dict[str, Any]]
    retry: dict[str, Any] | None = None

    @property
    def trigger(self) -> dict[str, Any]:
        """The trigger's binding."""
        return next(b for b in self.bindings if b["type"] in _KINDS)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class LoadedFunction:
    """A function that can be called. ``client_params`` and ``out_params`` are parameter names."""

    metadata: FunctionMetadata
    call: Callable[..., Any]
    trigger_param: str
    trigger_type: str
    wants_context: bool
    client_params: list[str] = field(default_factory=list)
    out_params: list[str] = field(default_factory=list)
    return_type: str | None = None


def load_app(app_dir: Path) -> list[LoadedFunction]:
    """Import ``function_app.py`` of the folder and return its functions.

    The folder goes to the end of ``sys.path``, as on the platform, so installed packages come first. Raises
    AppLoadError with the reason and the traceback.
    """
    script = app_dir / "function_app.py"
    if not script.is_file():
        raise AppLoadError(f"no function_app.py in {app_dir}; only the v2 programming model is supported")
    if str(app_dir) not in sys.path:
        sys.path.append(str(app_dir))
    try:
        module = importlib.import_module("function_app")
        found = Path(module.__file__ or "").resolve()
        if found != script.resolve():
            raise AppLoadError(
                f"'function_app' resolves to {found}, not to {script}; an installed package has that name"
            )
        functions = _function_app(module).get_functions()
        return [load_function(function) for function in functions]
    except AppLoadError:
        raise
    except (Exception, SystemExit) as error:
        raise AppLoadError(f"{type(error).__name__}: {error}", traceback.format_exc()) from error


def load_function(function: Any) -> LoadedFunction:
    """Check one ``azure.functions`` Function object and return it ready to call. Raises AppLoadError."""
    name = str(function.get_function_name())
    if not _FUNCTION_NAME.match(name):
        raise AppLoadError(
            f"cannot load the {name} function: the name must start with a letter and hold letters, digits, '_' and '-'"
        )
    bindings = [json.loads(text) for text in function.get_raw_bindings()]
    for binding in bindings:
        if binding["type"] not in _KINDS and binding["type"] not in _OTHER_BINDINGS:
            raise AppLoadError(
                f"cannot load the {name} function: binding type {binding['type']!r} is not supported by this host; "
                f"supported: {', '.join(sorted([*_KINDS, *_OTHER_BINDINGS]))}"
            )
    trigger = next((b for b in bindings if b["type"] in _KINDS), None)
    if trigger is None:
        raise AppLoadError(f"cannot load the {name} function: it has no trigger this host supports")
    call = function.get_user_function()
    kind = _KINDS[trigger["type"]]
    metadata = FunctionMetadata(
        name=name,
        kind=kind,
        durable_name=trigger.get(_DURABLE_NAME_KEYS.get(kind, "")) or name,
        is_async=inspect.iscoroutinefunction(call),
        bindings=bindings,
        retry=function.get_settings_dict("retry_policy"),
    )
    return _check_signature(metadata, trigger, call)


def _function_app(module: Any) -> Any:
    from azure.functions import FunctionRegister

    apps = [value for value in vars(module).values() if isinstance(value, FunctionRegister)]
    if not apps:
        raise AppLoadError("Could not find top level function app instances in function_app.py.")
    if len(apps) > 1:
        raise AppLoadError(
            f"More than one {type(apps[0]).__name__} or other top level function app instances are defined."
        )
    return apps[0]


def _check_signature(metadata: FunctionMetadata, trigger: dict[str, Any], call: Callable[..., Any]) -> LoadedFunction:
    name = metadata.name
    params = dict(inspect.signature(call).parameters)
    annotations = typing.get_type_hints(call)
    bound = {b["name"]: b for b in metadata.bindings if b["name"] != "$return"}
    wants_context = "context" in params and "context" not in bound
    if wants_context:
        del params["context"]
        annotation = annotations.get("context")
        if annotation is not None and getattr(annotation, "__name__", None) != "Context":
            raise _refusal(
                name, f'the "context" parameter is expected to be of type azure.functions.Context, got {annotation!r}'
            )
    unbound = set(params) - set(bound)
    if unbound:
        raise _refusal(
            name,
            "the following parameters are declared in Python but not in the function definition "
            f"(function.json or function decorators): {sorted(unbound)}",
        )
    missing = set(bound) - set(params)
    if missing:
        raise _refusal(
            name,
            "the following parameters are declared in the function definition (function.json or function decorators) "
            f"but not in Python: {sorted(missing)}",
        )
    loaded = LoadedFunction(
        metadata=metadata,
        call=call,
        trigger_param=trigger["name"],
        trigger_type=trigger["type"],
        wants_context=wants_context,
        return_type=_return_type(metadata, trigger, annotations.get("return", inspect.Signature.empty)),
    )
    for param, binding in bound.items():
        is_out = str(binding.get("direction", "IN")).upper() == "OUT"
        if param in annotations:
            _check_annotation(name, param, binding, is_out, annotations[param])
        if is_out:
            loaded.out_params.append(param)
        elif binding["type"] == "durableClient":
            loaded.client_params.append(param)
    return loaded


def _check_annotation(name: str, param: str, binding: dict[str, Any], is_out: bool, annotation: Any) -> None:
    value_type = annotation
    origin = typing.get_origin(annotation)
    annotated_out = getattr(origin or annotation, "__name__", "") == "Out"
    if annotated_out:
        args = typing.get_args(annotation)
        if len(args) != 1:
            raise _refusal(name, f"binding {param} has invalid Out annotation {annotation!r}")
        value_type = args[0]
    if not isinstance(value_type, type) and not _is_generic(value_type):
        raise _refusal(name, f"binding {param} has invalid non-type annotation {annotation!r}")
    if is_out and not annotated_out:
        raise _refusal(
            name,
            f'binding {param} is declared to have the "out" direction, but its annotation in Python is not a subclass '
            "of azure.functions.Out",
        )
    if annotated_out and not is_out:
        raise _refusal(
            name,
            f'binding {param} is declared to have the "in" direction in the function definition, but its annotation '
            "is azure.functions.Out in Python",
        )
    if value_type in (str, bytes) and not converter_of(binding["type"]).has_implicit_output():
        return
    check = _output_check(binding["type"]) if is_out else _input_check(binding["type"])
    if not check(value_type):
        raise _refusal(
            name,
            f'type of {param} binding in the function definition "{binding["type"]}" does not match its Python '
            f'annotation "{getattr(value_type, "__name__", value_type)}"',
        )


def _return_type(metadata: FunctionMetadata, trigger: dict[str, Any], annotation: Any) -> str | None:
    name = metadata.name
    explicit = next((b for b in metadata.bindings if b["name"] == "$return"), None)
    if explicit is None:
        converter = converter_of(trigger["type"])
        return trigger["type"] if converter.has_implicit_output() else None
    return_type = str(explicit["type"])
    if annotation is inspect.Signature.empty:
        return return_type
    if getattr(typing.get_origin(annotation), "__name__", "") == "Out":
        raise _refusal(name, "return annotation should not be azure.functions.Out")
    if not isinstance(annotation, type):
        raise _refusal(name, f"has invalid non-type return annotation {annotation!r}")
    if not _output_check(return_type)(annotation):
        raise _refusal(
            name, f'Python return annotation "{annotation.__name__}" does not match binding type "{return_type}"'
        )
    return return_type


def converter_of(binding_type: str) -> Any:
    """Return the class azure-functions converts a binding type with."""
    from azure.functions import get_binding_registry

    registry: Any = get_binding_registry()  # type: ignore[no-untyped-call]
    return registry.get(binding_type)


def _input_check(binding_type: str) -> _TypeCheck:
    """Return what tells whether a parameter may have a type. In an app that streams every HTTP function takes the
    extension's request."""
    base = http_server.extensions()
    if base is not None and binding_type == "httpTrigger":
        return base.RequestTrackerMeta.check_type  # type: ignore[no-any-return]
    return converter_of(binding_type).check_input_type_annotation  # type: ignore[no-any-return]


def _output_check(binding_type: str) -> _TypeCheck:
    base = http_server.extensions()
    if base is not None and binding_type == "http":
        return base.ResponseTrackerMeta.check_type  # type: ignore[no-any-return]
    return converter_of(binding_type).check_output_type_annotation  # type: ignore[no-any-return]


def _is_generic(annotation: Any) -> bool:
    """Tell whether the platform takes the annotation for a generic type: ``typing.Dict[str, int]`` is one for it,
    ``dict[str, int]`` and ``Optional[dict]`` are not."""
    from azure.functions._thirdparty import typing_inspect

    return bool(typing_inspect.is_generic_type(annotation))  # type: ignore[no-untyped-call]


def _refusal(name: str, reason: str) -> AppLoadError:
    return AppLoadError(f"cannot load the {name} function: {reason}")
