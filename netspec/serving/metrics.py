"""What the server counts, for Prometheus: in, the statistics of the models that there are now; out,
its text. Nothing is counted here.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import prometheus_client
import prometheus_client.metrics_core

from netspec.serving.statistics import Spread

if TYPE_CHECKING:
    from netspec.serving.repository import Entry

__all__ = ["show_metrics"]

LABELS = ("model", "version")
SPREADS = {
    "netspec_request_seconds": ("seconds to answer", "seconds"),
    "netspec_queue_seconds": ("seconds that a request waited for the model", "queue"),
    "netspec_compute_seconds": ("seconds of the run that a request was in", "compute"),
    "netspec_batch_rows": ("rows of a run of the model", "rows"),
}
GAUGES: dict[str, tuple[str, Callable[["Entry"], float]]] = {
    "netspec_queue_depth": ("requests that wait for the model", lambda entry: len(entry.batcher.queue)),
    "netspec_requests_in_progress": (
        "infer requests not yet answered",
        lambda entry: entry.statistics.in_progress,
    ),
}


class Families:
    """A collector, in Prometheus' word, over the entries that there are when it is asked."""

    def __init__(self, entries: Callable[[], Iterable["Entry"]]) -> None:
        self.entries = entries

    def collect(self) -> Iterator[Any]:
        core: Any = prometheus_client.metrics_core

        # Of several workers on one port it is another one from time to time.
        yield core.GaugeMetricFamily("netspec_process", "id of the process that counts", os.getpid())
        entries = list(self.entries())
        requests = core.CounterMetricFamily(
            "netspec_requests", "infer requests answered", labels=(*LABELS, "status")
        )
        for entry in entries:
            for status, count in sorted(entry.statistics.answers.items()):
                requests.add_metric((entry.name, entry.version, str(status)), count)
        yield requests
        for name, (about, attribute) in SPREADS.items():
            family = core.HistogramMetricFamily(name, about, labels=LABELS)
            for entry in entries:
                spread = getattr(entry.statistics, attribute)
                family.add_metric((entry.name, entry.version), list(cumulate(spread)), spread.sum)
            yield family
        for name, (about, read) in GAUGES.items():
            gauge = core.GaugeMetricFamily(name, about, labels=LABELS)
            for entry in entries:
                gauge.add_metric((entry.name, entry.version), read(entry))
            yield gauge


def cumulate(spread: Spread) -> Iterator[tuple[str, int]]:
    """Each bound with the count of what lies at or below it, as Prometheus wants it."""
    below = 0
    bounds = [str(float(bound)) for bound in spread.bounds]
    for bound, count in zip((*bounds, "+Inf"), spread.counts, strict=True):
        below += count
        yield bound, below


def show_metrics(entries: Callable[[], Iterable["Entry"]]) -> tuple[bytes, bytes]:
    """Prometheus' text format, and its content type."""
    prometheus: Any = prometheus_client
    registry = prometheus.CollectorRegistry()
    registry.register(Families(entries))
    return bytes(prometheus.generate_latest(registry)), prometheus.CONTENT_TYPE_LATEST.encode()
