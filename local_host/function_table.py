"""The app's functions as the host looks them up: durable names are found without regard to case, as on the platform."""

from __future__ import annotations

from collections.abc import Iterable

from local_host.app_index import ACTIVITY, ENTITY, HTTP, ORCHESTRATION, TIMER, FunctionMetadata


class FunctionTable:
    """Functions by kind. ``orchestrators``, ``activities`` and ``entities`` are keyed by durable name in lower case."""

    def __init__(self, functions: Iterable[FunctionMetadata]) -> None:
        self.all = list(functions)
        self.orchestrators = self._by_name(ORCHESTRATION)
        self.activities = self._by_name(ACTIVITY)
        self.entities = self._by_name(ENTITY)
        self.http = [f for f in self.all if f.kind == HTTP]
        self.timers = [f for f in self.all if f.kind == TIMER]

    def _by_name(self, kind: str) -> dict[str, FunctionMetadata]:
        return {f.durable_name.lower(): f for f in self.all if f.kind == kind}

    def orchestrator(self, name: str) -> FunctionMetadata | None:
        """Return the orchestrator of that durable name, or None."""
        return self.orchestrators.get(name.lower())

    def activity(self, name: str) -> FunctionMetadata | None:
        """Return the activity of that durable name, or None."""
        return self.activities.get(name.lower())

    def entity(self, name: str) -> FunctionMetadata | None:
        """Return the entity of that durable name, or None."""
        return self.entities.get(name.lower())


def unknown_function(name: str, kind: str, known: Iterable[FunctionMetadata]) -> str:
    """Return the platform's words for a name no function has. ``kind`` has its article: ``an activity``."""
    names = ", ".join(f"'{f.durable_name}'" for f in known) or "none"
    noun = kind.split(" ", 1)[1]
    return (
        f"The function '{name}' doesn't exist, is disabled, or is not {kind} function. Additional info: The following "
        f"are the known {noun} functions: {names}."
    )
