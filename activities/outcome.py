"""How an activity answers: with its result, or with its failure as data.

An exception would cross the workflow as text; as data, the orchestrator knows whether trying again may help.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias
from uuid import uuid4

from shared.durable.inputs import OUT_OF_MEMORY, Failure
from shared.errors import SluiceError, StorageUnavailable
from shared.observability.logging import FIELDS, about, logger
from shared.services import services

Payload: TypeAlias = dict
"""An activity's input: the worker refuses to load a function whose bound parameter has a generic annotation."""


_SENTENCE_LIMIT = 1_000
"""Characters of what an error says; a driver's message can be a whole statement long."""


class _Result(Protocol):
    def to_json(self) -> dict[str, Any]: ...


def outcome(work: Callable[[], _Result], given: Payload) -> dict[str, Any]:
    """Run an activity's work: ``{"value": ...}``, or ``{"failure": Failure}`` for whatever went wrong.

    ``given`` is what the activity was given: which export it is for, and at whose request, goes into the log.
    """
    with about(**{name: given[name] for name in FIELDS if given.get(name)}):
        return _outcome(work, given)


def _outcome(work: Callable[[], _Result], given: Payload) -> dict[str, Any]:
    try:
        return {"value": work().to_json()}
    except SluiceError as error:
        told, trace = (error.outline, None) if error.quotes else (error, error)
        logger.warning("%s: %s", error.code, told, extra={"action": error.code}, exc_info=trace)
        return {"failure": Failure.of(error, _kept(error, str(given.get("export_id", "")))).to_json()}
    except MemoryError:
        return {"failure": Failure(OUT_OF_MEMORY, "the worker ran out of memory", transient=True).to_json()}
    except Exception:  # the last line: what nobody foresaw must not become an endless retry
        reference = uuid4().hex[:12]
        logger.exception("unexpected error %s", reference, extra={"action": "unexpected-error"})
        message = f"an unexpected error occurred; the operators find it in the log under {reference}"
        return {"failure": Failure("internal-error", message).to_json()}


async def awaited(work: Awaitable[_Result], given: Payload) -> dict[str, Any]:
    """``outcome`` of work that waits for others on the event loop."""
    with about(**{name: given[name] for name in FIELDS if given.get(name)}):
        try:
            result = await work
        except Exception as error:  # noqa: BLE001 - told apart below
            caught = error

            def again() -> _Result:
                raise caught

            return await asyncio.to_thread(_outcome, again, given)
        return _outcome(lambda: result, given)


def _kept(error: SluiceError, export_id: str) -> str:
    """Where what the error says in full is kept; empty when it is nowhere: then its outline has to do."""
    sentence = str(error)[:_SENTENCE_LIMIT]
    if not export_id or sentence == error.outline or isinstance(error, StorageUnavailable):
        return ""
    try:
        return services("activity").log.keep_sentence(export_id, error.outline, sentence)
    except SluiceError:
        return ""
