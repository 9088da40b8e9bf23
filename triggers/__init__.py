"""What starts functions: HTTP endpoints and timers. They parse, authorise, start or query, and render."""

from triggers import catalogue, dev, downloads, exports, health, landing, service_tokens, timers

BLUEPRINTS = (
    exports.bp,
    downloads.bp,
    landing.bp,
    catalogue.bp,
    service_tokens.bp,
    health.bp,
    dev.bp,
    timers.bp,
)
