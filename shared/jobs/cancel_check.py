"""Whether an export is still wanted, asked while something runs for it."""

import time
from collections.abc import Callable

from shared.durable.inputs import ExportRef
from shared.services import Services

_EVERY_SECONDS = 1.0


def still_wanted(ref: ExportRef, context: Services) -> Callable[[], None]:
    """A function to call often: it raises ``ExportCancelled`` soon after somebody cancelled the export.

    It looks at the record now, and then once a second at most. It raises ``StorageUnavailable`` too.
    """
    context.wanted(ref)
    looked = time.monotonic()

    def check() -> None:
        nonlocal looked
        if time.monotonic() - looked >= _EVERY_SECONDS:
            context.wanted(ref)
            looked = time.monotonic()

    return check
