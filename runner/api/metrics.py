"""What /metrics counts in this process. No tenant's name stands in it: anybody may read it."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

from runner.orchestration.report import Report

STATUSES = ("COMPLETED", "FAILED", "CANCELLED", "PENDING")


class Metrics:
    """Counters of their own for each service, so that several may live in one process."""

    def __init__(self, waiting: Callable[[], int], at_work: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._runs = Counter(
            "runner_runs",
            "Runs that ended here, by status; PENDING: handed back at the service's end.",
            ["status"],
            registry=self._registry,
        )
        for status in STATUSES:
            self._runs.labels(status)
        self._seconds = Histogram(
            "runner_run_duration_seconds",
            "How long runs took, from when they were taken up.",
            buckets=(1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600),
            registry=self._registry,
        )
        self._rows = Counter("runner_rows_loaded", "Charge rows loaded.", registry=self._registry)
        self.refusals = Counter(
            "runner_quota_refusals", "Posts refused by a quota.", registry=self._registry
        )
        self._answers = Histogram(
            "runner_http_request_duration_seconds",
            "How long answers took, by method, route and status.",
            ["method", "route", "status"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
            registry=self._registry,
        )
        queue = Gauge(
            "runner_queue_length", "Runs that wait to be taken up.", registry=self._registry
        )
        queue.set_function(waiting)
        active = Gauge("runner_runs_active", "Runs at work here.", registry=self._registry)
        active.set_function(at_work)

    def ended(self, report: Report) -> None:
        """Count the end of a run."""
        self._runs.labels(report.status).inc()
        self._seconds.observe(report.duration_ms / 1000)
        self._rows.inc(report.rows)

    def failed(self, runs: int) -> None:
        """Count runs that failed without a report: closed as dead, or broken in an odd way."""
        self._runs.labels("FAILED").inc(runs)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self._answers.labels(method, route, str(status)).observe(seconds)

    def page(self) -> Response:
        """All of it, in Prometheus' words."""
        return Response(
            generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )
