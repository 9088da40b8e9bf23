"""docs/reference/metrics.md: every counter and histogram, from its declaration."""

from shared.observability.metrics import INSTRUMENTS, Instrument

_INTRODUCTION = """# Metrics

Generated from `shared/observability/metrics.py` by `make reference`. Operators get these metrics of the
whole service as Prometheus text from `GET /ops/metrics`. [Telemetry](telemetry.md)
says how a collector gets metrics and traces.

| metric | kind | labels | meaning |
|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    return _INTRODUCTION + "".join(map(_row, INSTRUMENTS))


def _row(one: Instrument) -> str:
    kind, name = ("histogram", one.name) if one.buckets else ("counter", f"{one.name}_total")
    labels = ", ".join(f"`{label}`" for label in one.labels)
    return f"| `{name}` | {kind} | {labels} | {one.summary} |\n"
