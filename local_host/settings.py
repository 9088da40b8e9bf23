"""What the app's own files say about hosting it: host.json and local.settings.json.

Only settings the host acts on are read; others are left to the real platform. Sources of names and defaults: the
host.json reference and the Durable Functions extension's options.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from local_host import logs
from local_host.errors import SettingsError
from local_host.versions import Failure, Match, Versioning

E = TypeVar("E", bound=StrEnum)

MAX_REQUEST_BYTES = 100 * 1024 * 1024
"""Longest request body, the platform's limit unless ``FUNCTIONS_REQUEST_BODY_SIZE_LIMIT`` says otherwise."""

_TIMESPAN = re.compile(r"^(?:(\d+)\.)?(\d{1,2}):(\d{2})(?::(\d{2})(\.\d+)?)?$")
_HUB_NAME = re.compile(r"^[A-Za-z][A-Za-z0-9]{2,44}$")
_TRUE = {"1", "true", "yes", "on"}
_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_LAST_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])')


@dataclass(frozen=True)
class HostSettings:
    """Settings of one run.

    ``function_timeout`` is in seconds, None means no limit. ``log_levels`` maps a logger or category name to a
    ``logging`` level; ``default`` is always there; ``Function``, when there, is for what functions log. Beyond
    ``max_outstanding_requests`` that run or wait, None means no limit, further ones get 429.
    """

    route_prefix: str = "api"
    function_timeout: float | None = 1800.0
    hub_name: str = "TestHubName"
    max_concurrent_activities: int = 10
    max_concurrent_orchestrators: int = 10
    max_concurrent_entities: int = 10
    versioning: Versioning = field(default_factory=Versioning)
    worker_count: int = 1
    thread_count: int = 4
    max_request_bytes: int = MAX_REQUEST_BYTES
    max_outstanding_requests: int | None = None
    log_levels: Mapping[str, int] = field(default_factory=lambda: {"default": logging.INFO})


def parse_timespan(text: str) -> float:
    """Return the seconds of ``[d.]hh:mm[:ss[.fff]]``. Raises ValueError when the text is none."""
    match = _TIMESPAN.match(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no TimeSpan; valid: 'hh:mm:ss' or 'd.hh:mm:ss'")
    days, hours, minutes, seconds, fraction = match.groups()
    total = int(days or 0) * 86400 + int(hours) * 3600 + int(minutes) * 60 + int(seconds or 0)
    return total + float(fraction or 0)


def load_local_settings(app_dir: Path, environment: MutableMapping[str, str]) -> list[str]:
    """Put ``Values`` of local.settings.json into the environment; names that exist already keep their value.

    Returns the names that were set. Raises SettingsError when the file is not valid.
    """
    document = _read_json(app_dir / "local.settings.json")
    values = document.get("Values", {})
    if not isinstance(values, dict):
        raise SettingsError("local.settings.json: 'Values' must be an object of names and strings")
    names = []
    for name, value in values.items():
        if isinstance(value, dict | list):
            raise SettingsError(f"local.settings.json: value of {name!r} must be a string, a number or a boolean")
        if name not in environment:
            environment[name] = _setting_text(value)
            names.append(name)
    return names


def load_host_settings(app_dir: Path, environment: Mapping[str, str]) -> HostSettings:
    """Read host.json and the worker variables. Raises SettingsError naming the key that is wrong."""
    document = _read_json(app_dir / "host.json")
    if document and document.get("version") != "2.0":
        raise SettingsError(f"host.json: 'version' must be '2.0', got {document.get('version')!r}")
    cores = os.cpu_count() or 1
    extensions = _section(document, "extensions")
    durable = _section(extensions, "durableTask", "extensions.")
    http = _section(extensions, "http", "extensions.")
    return HostSettings(
        route_prefix=str(http.get("routePrefix", "api")).strip("/"),
        function_timeout=_function_timeout(document.get("functionTimeout", "00:30:00")),
        hub_name=_hub_name(durable.get("hubName", "TestHubName"), environment),
        max_concurrent_activities=_positive(durable, "maxConcurrentActivityFunctions", 10 * cores),
        max_concurrent_orchestrators=_positive(durable, "maxConcurrentOrchestratorFunctions", 10 * cores),
        max_concurrent_entities=_positive(durable, "maxConcurrentEntityFunctions", 10 * cores),
        versioning=_versioning(durable),
        worker_count=_count(environment, "FUNCTIONS_WORKER_PROCESS_COUNT", cores),
        thread_count=_count(environment, "PYTHON_THREADPOOL_THREAD_COUNT", 4),
        max_outstanding_requests=_outstanding(http.get("maxOutstandingRequests", -1)),
        max_request_bytes=_count(environment, "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT", MAX_REQUEST_BYTES),
        log_levels=_log_levels(_section(_section(document, "logging"), "logLevel", "logging.")),
    )


def resolve_setting(text: str, environment: Mapping[str, str]) -> str:
    """Replace every ``%Name%`` by the setting of that name. Raises SettingsError when it is not set."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in environment:
            raise SettingsError(
                f"'%{name}%' does not resolve to a value: set {name} in local.settings.json or the environment"
            )
        return environment[name]

    return re.sub(r"%([^%]+)%", value, text)


def is_disabled(function: str, environment: Mapping[str, str]) -> bool:
    """Tell whether the setting ``AzureWebJobs.<function>.Disabled``, whose name has no case, is true."""
    setting = f"azurewebjobs.{function}.disabled".lower()
    return any(is_true(value) for name, value in environment.items() if name.lower() == setting)


def is_true(text: str | None) -> bool:
    """Tell whether the text of a setting means yes."""
    return (text or "").strip().lower() in _TRUE


def _read_json(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    try:
        document = json.loads(_plain(text))
    except ValueError as error:
        raise SettingsError(f"{path.name} is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise SettingsError(f"{path.name} must hold a JSON object")
    return document


def _plain(text: str) -> str:
    """Leave out comments and last commas, which the platform's reader of these files takes."""
    for pattern in (_COMMENT, _LAST_COMMA):
        text = pattern.sub(lambda match: match.group(1) or " ", text)
    return text


def _setting_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _section(document: Mapping[str, Any], name: str, prefix: str = "") -> dict[str, Any]:
    value = document.get(name, {})
    if not isinstance(value, dict):
        raise SettingsError(f"host.json: '{prefix}{name}' must be an object")
    return value


def _positive(section: Mapping[str, Any], name: str, default: int) -> int:
    value = section.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise SettingsError(
            f"host.json: 'extensions.durableTask.{name}' must be a whole number of 1 or more, got {value!r}"
        )
    return value


def _outstanding(value: Any) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool) or value < -1:
        raise SettingsError(
            "host.json: 'extensions.http.maxOutstandingRequests' must be a whole number, or -1 for no limit, "
            f"got {value!r}"
        )
    return None if value < 0 else value


def _count(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name)
    if text is None or not text.strip():
        return default
    if not text.strip().isdigit() or int(text) < 1:
        raise SettingsError(f"{name} must be a whole number of 1 or more, got {text!r}")
    return int(text)


def _function_timeout(value: Any) -> float | None:
    if value in (-1, "-1"):
        return None
    try:
        seconds = parse_timespan(str(value))
    except ValueError as error:
        raise SettingsError(f"host.json: 'functionTimeout': {error}; -1 means no limit") from error
    return seconds or None


def _hub_name(value: Any, environment: Mapping[str, str]) -> str:
    name = resolve_setting(str(value), environment)
    if not _HUB_NAME.match(name):
        raise SettingsError(
            f"host.json: 'extensions.durableTask.hubName' is {name!r}; valid: a letter, then 2 to 44 letters or digits"
        )
    return name


def _versioning(section: Mapping[str, Any]) -> Versioning:
    default = section.get("defaultVersion") or ""
    if not isinstance(default, str):
        raise SettingsError(f"host.json: 'extensions.durableTask.defaultVersion' must be a string, got {default!r}")
    return Versioning(
        default,
        _one_of(Match, section, "versionMatchStrategy", Match.CURRENT_OR_OLDER),
        _one_of(Failure, section, "versionFailureStrategy", Failure.REJECT),
    )


def _one_of(kind: type[E], section: Mapping[str, Any], name: str, default: E) -> E:
    value = section.get(name, default)
    for member in kind:
        if str(value).lower() == member.lower():
            return member
    raise SettingsError(f"host.json: 'extensions.durableTask.{name}' is {value!r}; valid: {', '.join(kind)}")


def _log_levels(section: Mapping[str, Any]) -> dict[str, int]:
    levels = {"default": logging.INFO}
    for name, value in section.items():
        level = logs.LEVELS.get(str(value).lower())
        if level is None:
            raise SettingsError(
                f"host.json: 'logging.logLevel.{name}' is {value!r}; valid: {', '.join(k.title() for k in logs.LEVELS)}"
            )
        levels[name] = level
    return levels
