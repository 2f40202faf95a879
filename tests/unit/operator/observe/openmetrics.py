"""Writes the samples of engines as OpenMetrics text, for promtool to make blocks of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TextIO

SCRAPE_SECONDS = 15

Value = Callable[[float], float]
Alive = Callable[[float], bool]


def always(_: float) -> bool:
    """Every scrape succeeds."""
    return True


def by_rate(per_second: float, start: float = 0.0) -> Value:
    """A counter that rises evenly from zero at `start`."""
    return lambda seconds: per_second * (seconds - start)


def at(value: float) -> Value:
    """A gauge that stands still."""
    return lambda _: value


@dataclass
class Recording:
    """Series by name and labels, sampled every 15 s from `origin` on, unless they say otherwise."""

    origin: float
    seconds: float
    series: dict[str, list[tuple[dict[str, str], Value, Alive, int]]] = field(default_factory=dict)

    def add(
        self, name: str, labels: dict[str, str], value: Value, alive: Alive = always, every: int = SCRAPE_SECONDS
    ) -> None:
        self.series.setdefault(name, []).append((labels, value, alive, every))

    def add_histogram(
        self, name: str, labels: dict[str, str], buckets: dict[str, float], mean: float, alive: Alive = always
    ) -> None:
        """Buckets that are filled evenly with so many per second (cumulative); infinity is the last one."""
        for bound, per_second in buckets.items():
            self.add(f"{name}_bucket", labels | {"le": bound}, by_rate(per_second), alive)
        count = list(buckets.values())[-1]
        self.add(f"{name}_count", labels, by_rate(count), alive)
        self.add(f"{name}_sum", labels, by_rate(count * mean), alive)

    def write(self, file: TextIO) -> None:
        for name, members in self.series.items():
            for labels, value, alive, every in members:
                text = ",".join(f'{key}="{label}"' for key, label in labels.items())
                file.writelines(
                    f"{name}{{{text}}} {value(seconds)!r} {self.origin + seconds:.3f}\n"
                    for seconds in self._instants(every)
                    if alive(seconds)
                )
        file.write("# EOF\n")

    def _instants(self, every: int) -> Iterable[float]:
        return (float(seconds) for seconds in range(0, int(self.seconds) + 1, every))


@dataclass
class VllmPod:
    """What a vLLM of a recording does, per second."""

    pod: str
    rps: float = 4.0
    input_tokens: float = 1000.0
    output_tokens: float = 250.0
    running: Value = field(default_factory=lambda: at(12.0))
    waiting: Value = field(default_factory=lambda: at(0.0))
    job: str = "engines"
    alive: Alive = always
    start: float = 0.0
    resets_at: float | None = None
    every: int = SCRAPE_SECONDS
    namespace: str = "prod"

    @property
    def labels(self) -> dict[str, str]:
        return {"namespace": self.namespace, "pod": self.pod, "job": self.job, "instance": f"{self.pod}:8000"}

    def record(self, recording: Recording) -> None:
        named = self.labels | {"model_name": "llama"}
        values = {"num_requests_running": self.running, "num_requests_waiting": self.waiting}
        for reason, share in (("stop", 0.75), ("length", 0.25)):
            labels, count = named | {"finished_reason": reason}, self._counter(self.rps * share)
            recording.add("vllm:request_success_total", labels, count, self.alive, self.every)
        values["prompt_tokens_total"] = self._counter(self.rps * self.input_tokens)
        values["generation_tokens_total"] = self._counter(self.rps * self.output_tokens)
        for name, value in values.items():
            recording.add(f"vllm:{name}", named, value, self.alive, self.every)

    def _counter(self, per_second: float) -> Value:
        def count(seconds: float) -> float:
            restarted = self.resets_at is not None and seconds >= self.resets_at
            return per_second * (seconds - (self.resets_at or 0.0 if restarted else self.start))

        return count
