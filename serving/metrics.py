"""The metrics of the server in the form of Prometheus, each app with a registry of its own."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.versions import Follower

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
"""Upper bounds of the classes of durations."""


class _Versions(Collector):
    """What the follower knows, asked when the metrics are read."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower

    def collect(self) -> Iterable[Metric]:
        """The gauges."""
        return self._gauges()

    def _gauges(self) -> Iterator[Metric]:
        state = self._follower.state
        yield GaugeMetricFamily("rounds_serving_queue", "Answers that wait for a model.", self._follower.waiting)
        yield GaugeMetricFamily("rounds_serving_active", "Answers that are being written.", self._follower.active)
        yield GaugeMetricFamily(
            "rounds_serving_following",
            "1 if the version that answers is the one that the alias names, and the registry answers.",
            float(state.problem is None),
        )
        loaded = GaugeMetricFamily(
            "rounds_serving_version", "Versions in memory; 1 for the champion.", labels=["version"]
        )
        for version in state.loaded:
            loaded.add_metric([version], float(version == state.champion))
        yield loaded


class ServingMetrics:
    """Counts what happens."""

    def __init__(self, follower: Follower) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Versions(follower))
        self.requests = Counter(
            "rounds_serving_requests", "Requests by route and status.", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "rounds_serving_seconds",
            "Seconds from a request to the last byte of its response.",
            ["route"],
            registry=self.registry,
            buckets=SECONDS,
        )
        self.first = Histogram(
            "rounds_serving_first_token_seconds",
            "Seconds from a request to the first token of its answer.",
            registry=self.registry,
            buckets=SECONDS,
        )
        self.tokens = Counter(
            "rounds_serving_tokens",
            "Tokens of prompts and answers by version.",
            ["version", "kind"],
            registry=self.registry,
        )
        self.answers = Counter(
            "rounds_serving_answers",
            "Answers by version and how they ended.",
            ["version", "finish"],
            registry=self.registry,
        )
        self.feedback = Counter(
            "rounds_serving_feedback",
            "Records of feedback by kind and result.",
            ["kind", "result"],
            registry=self.registry,
        )

    def text(self) -> bytes:
        """All metrics as text."""
        return generate_latest(self.registry)
