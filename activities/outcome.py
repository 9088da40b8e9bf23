"""How an activity answers: with its result, or with its failure as data.

An exception would cross the workflow as text; as data, the orchestrator knows whether trying again may help.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias
from uuid import uuid4

from shared.app_log import FIELDS, about, logger
from shared.errors import SluiceError
from shared.models import OUT_OF_MEMORY, Failure

Payload: TypeAlias = dict
"""An activity's input: the worker refuses to load a function whose bound parameter has a generic annotation."""


class _Result(Protocol):
    def to_json(self) -> dict[str, Any]: ...


def outcome(work: Callable[[], _Result], given: Payload) -> dict[str, Any]:
    """Run an activity's work: ``{"value": ...}``, or ``{"failure": Failure}`` for whatever went wrong.

    ``given`` is what the activity was given: which export it is for, and at whose request, goes into the log.
    """
    with about(**{name: given[name] for name in FIELDS if given.get(name)}):
        return _outcome(work)


def _outcome(work: Callable[[], _Result]) -> dict[str, Any]:
    try:
        return {"value": work().to_json()}
    except SluiceError as error:
        return failure_of(error)
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

            return _outcome(again)
        return _outcome(lambda: result)


def failure_of(error: SluiceError) -> dict[str, Any]:
    """The answer of an activity that failed with this error."""
    logger.warning("%s: %s", error.code, error, extra={"action": error.code}, exc_info=error)
    return {"failure": Failure.of(error).to_json()}
