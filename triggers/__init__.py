"""What starts functions: HTTP endpoints and timers. They parse, authorise, start or query, and render."""

from triggers import catalogue, control, dev, downloads, estimates, exports, health, landing, timers, watchdog

BLUEPRINTS = (
    exports.bp,
    estimates.bp,
    control.bp,
    downloads.bp,
    landing.bp,
    catalogue.bp,
    health.bp,
    dev.bp,
    timers.bp,
    watchdog.bp,
)
