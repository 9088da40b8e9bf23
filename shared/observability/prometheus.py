"""The metrics as Prometheus reads them: its text format, by its own client library.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from shared.observability.metrics import INSTRUMENTS, Instrument, Sums


def text(sums: Sums, gauges: Mapping[str, tuple[str, float]]) -> bytes:
    """All instruments with their sums, and gauges: name to what it says and its value now."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import GaugeMetricFamily

    class Collected:
        def collect(self) -> Iterator[Any]:
            for instrument in INSTRUMENTS:
                found = [(labels, values) for (name, labels), values in sums.items() if name == instrument.name]
                yield _family(instrument, sorted(found))
            for name, (summary, value) in gauges.items():
                yield GaugeMetricFamily(name, summary, value=value)

    registry = CollectorRegistry()
    registry.register(Collected())
    return generate_latest(registry)


def _family(instrument: Instrument, found: Iterable[tuple[tuple[str, ...], list[float]]]) -> Any:
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    if not instrument.buckets:
        family = CounterMetricFamily(instrument.name, instrument.summary, labels=instrument.labels)
        for labels, (value,) in found:
            family.add_metric(labels, value)
        return family
    histogram = HistogramMetricFamily(instrument.name, instrument.summary, labels=instrument.labels)
    bounds = [*(f"{bound:g}" if bound < 1e6 else str(bound) for bound in instrument.buckets), "+Inf"]
    for labels, (total, *buckets) in found:
        histogram.add_metric(labels, list(zip(bounds, accumulate(buckets), strict=True)), sum_value=total)
    return histogram
