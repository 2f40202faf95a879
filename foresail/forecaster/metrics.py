"""`/metrics` of the forecaster: what it trained, what it serves, how long it took."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from foresail import __version__
from foresail.domain.workload import WorkloadKey
from foresail.forecaster.shelf import Served

ANSWER_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
TRAINING_BUCKETS = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
OBJECT = ("namespace", "name")


class ForecasterMetrics:
    """The registry and its series."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Gauge("foresail_build_info", "Version.", ["version"], registry=registry).labels(__version__).set(1)
        self.trainings = Counter(
            "foresail_forecaster_trainings_total", "Trainings, by how they ended.", ["result"], registry=registry
        )
        self.training_seconds = Histogram(
            "foresail_forecaster_training_seconds",
            "Wall time of a training.",
            buckets=TRAINING_BUCKETS,
            registry=registry,
        )
        self.forecasts = Counter(
            "foresail_forecaster_forecasts_total",
            "Forecasts that were asked for, by what was answered.",
            ["result"],
            registry=registry,
        )
        self.answer_seconds = Histogram(
            "foresail_forecaster_answer_seconds",
            "Wall time of an answer to a request.",
            buckets=ANSWER_BUCKETS,
            registry=registry,
        )
        self.skill = Gauge(
            "foresail_forecaster_skill_ratio",
            "By how much of the CRPS of another forecast a model is better on what it was not trained on.",
            [*OBJECT, "than"],
            registry=registry,
        )
        self.serves = Gauge(
            "foresail_forecaster_serves", "Whether a model earned its seat.", [*OBJECT], registry=registry
        )
        self.copies = Counter(
            "foresail_forecaster_copies_total",
            "Copies of artifacts between the working copy and the object store, by what came of them.",
            ["result"],
            registry=registry,
        )
        self.owed = Gauge(
            "foresail_forecaster_owed_copies", "Workloads whose newest training is not stored.", registry=registry
        )
        for result in ("stored", "fetched", "refused", "failed"):
            self.copies.labels(result)
        for result in ("trained", "failed"):
            self.trainings.labels(result)
        for result in ("served", "unavailable"):
            self.forecasts.labels(result)

    def note_training(self, seconds: float, *, failed: bool) -> None:
        """A training ended."""
        self.trainings.labels("failed" if failed else "trained").inc()
        self.training_seconds.observe(seconds)

    def note_served(self, key: WorkloadKey, served: Served) -> None:
        """A model is on the shelf, in place of another."""
        self.forget(key)
        self.serves.labels(*key).set(served.serves)
        for than, ratio in skills(served).items():
            self.skill.labels(*key, than).set(ratio)

    def forget(self, key: WorkloadKey) -> None:
        """A workload is gone."""
        labels = dict(zip(OBJECT, key, strict=True))
        self.serves.remove_by_labels(labels)
        self.skill.remove_by_labels(labels)


def skills(served: Served) -> dict[str, float]:
    """One less the CRPS of the model by that of another, by the other's name; where the card tells both."""
    scores = served.card.scores
    own = scores.get("crps")
    others = {name.removeprefix("crps_"): value for name, value in scores.items() if name.startswith("crps_")}
    return {name: 1.0 - own / value for name, value in others.items() if own is not None and value > 0}
