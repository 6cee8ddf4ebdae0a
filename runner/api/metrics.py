"""The metrics of this process at /metrics. It is public, so it has no tenant's name."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

from runner.orchestration.report import Report

STATUSES = ("COMPLETED", "FAILED", "CANCELLED", "PENDING")


class Metrics:
    """Counters in their own registry, so that a process can have several services."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._runs = Counter(
            "runner_runs",
            "Runs that ended in this process, by status; PENDING: requeued at its end.",
            ["status"],
            registry=registry,
        )
        for status in STATUSES:
            self._runs.labels(status)
        self._seconds = Histogram(
            "runner_run_duration_seconds",
            "Duration of runs since they were dequeued.",
            buckets=(1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600),
            registry=registry,
        )
        self._rows = Counter("runner_rows_loaded", "Charge rows loaded.", registry=registry)
        self.refusals = Counter(
            "runner_quota_refusals", "Requests refused by a quota.", registry=registry
        )
        self._answers = Histogram(
            "runner_http_request_duration_seconds",
            "Duration of requests, by method, route and status.",
            ["method", "route", "status"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
            registry=registry,
        )
        self._waiting = Gauge("runner_queue_length", "Runs in the queue.", registry=registry)
        self._active = Gauge("runner_runs_active", "Runs active here.", registry=registry)

    def watch_queue(self, waiting: Callable[[], int], active: Callable[[], int]) -> None:
        """Have the gauges read the queue."""
        self._waiting.set_function(waiting)
        self._active.set_function(active)

    def run_ended(self, report: Report) -> None:
        """Count the end of a run."""
        self._runs.labels(report.status).inc()
        self._seconds.observe(report.duration_ms / 1000)
        self._rows.inc(report.rows)

    def runs_failed(self, count: int) -> None:
        """Count runs that failed without a report: dead runs, and runs ended by an exception."""
        self._runs.labels("FAILED").inc(count)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a response."""
        self._answers.labels(method, route, str(status)).observe(seconds)

    def page(self) -> Response:
        """All metrics in Prometheus's format."""
        return Response(
            generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )
