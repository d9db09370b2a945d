"""What the server counts, for Prometheus. Each instance has a registry of its own, so several
servers may live in one process.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Metrics"]

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Requests by model and status, their seconds from the first byte read to the answer made, rows
    per run, and the queue.
    """

    def __init__(self, model: str) -> None:
        self.registry = CollectorRegistry()
        requests = Counter(
            "netspec_requests",
            "infer requests answered",
            ["model", "status"],
            registry=self.registry,
        )
        seconds = Histogram(
            "netspec_request_seconds",
            "seconds to answer",
            ["model"],
            buckets=SECONDS,
            registry=self.registry,
        )
        rows = Histogram(
            "netspec_batch_rows",
            "rows of a run of the model",
            ["model"],
            buckets=ROWS,
            registry=self.registry,
        )
        depth = Gauge(
            "netspec_queue_depth",
            "requests that wait for the model",
            ["model"],
            registry=self.registry,
        )
        progress = Gauge(
            "netspec_requests_in_progress",
            "infer requests not yet answered",
            ["model"],
            registry=self.registry,
        )
        self.model = model
        self.requests = requests
        self.seconds = seconds.labels(model)
        self.rows = rows.labels(model)
        self.depth = depth.labels(model)
        self.in_progress = progress.labels(model)

    def watch_queue(self, length: Callable[[], float]) -> None:
        """Read the queue's length when asked for, not at each change."""
        self.depth.set_function(length)

    def count_answer(self, status: int, seconds: float) -> None:
        self.requests.labels(self.model, str(status)).inc()
        self.seconds.observe(seconds)

    def text(self) -> bytes:
        """Prometheus' text format."""
        return bytes(generate_latest(self.registry))
