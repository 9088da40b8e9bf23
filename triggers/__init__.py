"""What starts functions: HTTP endpoints and timers. They parse, authorise, start or query, and render."""

from triggers import (
    audit,
    catalogue,
    control,
    dev,
    docs,
    downloads,
    elsewhere,
    estimates,
    exports,
    health,
    landing,
    metrics,
    operations,
    service_tokens,
    timers,
    watchdog,
)

BLUEPRINTS = (
    exports.bp,
    estimates.bp,
    control.bp,
    operations.bp,
    downloads.bp,
    landing.bp,
    catalogue.bp,
    service_tokens.bp,
    audit.bp,
    metrics.bp,
    health.bp,
    docs.bp,
    dev.bp,
    elsewhere.bp,
    timers.bp,
    watchdog.bp,
)
