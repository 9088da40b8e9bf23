"""What starts functions: HTTP endpoints and timers. They parse, authorise, start or query, and render."""

from triggers import http
from triggers.http import not_found, operation
from triggers.timers import outbox, retention, scheduler, watchdog

BLUEPRINTS = (operation.bp, not_found.bp, retention.bp, watchdog.bp, outbox.bp, scheduler.bp)

__all__ = ["BLUEPRINTS", "http"]
