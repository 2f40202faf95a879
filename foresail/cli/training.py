"""What `foresail forecast train` does: a flow for each horizon, scored on rows it did not see, all in one artifact.

A horizon is kept in `DIR.partial` as soon as it is trained, under a digest of all it came from, so that a training that
was interrupted goes on where it ended.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import reduce
from hashlib import sha256
from importlib.metadata import version
from math import isfinite
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TaskID, TimeElapsedColumn

from foresail.cli.artifacts import cannot_write, check_output, partial, read_artifact, write_artifact
from foresail.cli.packages import flow_model
from foresail.domain.errors import ArtifactError
from foresail.domain.timeseries import FloatArray
from foresail.forecasting.artifact import Weights, for_horizon
from foresail.forecasting.card import FORMAT_VERSION, Card
from foresail.forecasting.series.ahead import step_seconds
from foresail.forecasting.series.evaluate import Evaluation, Rules, evaluate, split
from foresail.forecasting.series.panel import make_model
from foresail.forecasting.series.series import Series
from foresail.forecasting.series.task import Task

FLOW = "flow"
MODELS = (FLOW, "mixture", "seasonal")  # it, and its rivals that need no training
FIGURES = ("crps", "mse", "coverage_80", "coverage_95", "violation_99", "energy_score")
PACKAGES = ("foresail", "numpy", "pyro-ppl", "safetensors", "torch")
TRAIN_SHARE, HELD_OUT_SHARE = 0.9, 0.1

Part = tuple[Card, Weights]


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What a training came to.

    Args:
        file: The CSV, as it was given.
        folder: Where the artifact is, as it was given.
        card: Of the artifact.
        cpu_seconds: By horizon, of those trained in this run; the others had been finished before.
    """

    file: Path
    folder: Path
    card: Card
    cpu_seconds: dict[int, float]


def train(
    file: Path, series: Series, folder: Path, *, horizons: Sequence[int], levels: int, seed: int, progress: bool
) -> Trained:
    """Train a flow for each horizon on the first nine tenths of a series, and keep all of them in `folder`.

    Raises:
        InputError: The series is too short, torch is not installed, or the folder cannot be written.
    """
    rules = Rules(TRAIN_SHARE, HELD_OUT_SHARE, levels, seed=seed)
    split(series, rules, max(horizons))
    flow_model()  # before a folder is made
    place = check_output(folder)
    digest = _digest(series, rules)
    parts: list[Part] = []
    cpu_seconds: dict[int, float] = {}
    columns = (*Progress.get_default_columns(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not progress) as bar:
        work = bar.add_task("training", total=len(horizons) * len(MODELS))
        for number, horizon in enumerate(horizons, start=1):
            kept = partial(place) / f"{digest}-h{horizon}"
            part = _finished(kept)
            if part is None:
                started = time.process_time()
                part = _train_horizon(series, horizon, rules, bar, work)
                cpu_seconds[horizon] = time.process_time() - started
                _keep(kept, part)
            bar.update(work, completed=number * len(MODELS))
            parts.append(part)
    artifact = reduce(_join, parts)
    _keep(place, artifact)
    shutil.rmtree(partial(place), ignore_errors=True)
    return Trained(file, folder, artifact[0], cpu_seconds)


def _train_horizon(series: Series, horizon: int, rules: Rules, bar: Progress, work: TaskID) -> Part:
    """An artifact of one horizon, with the scores of its rivals on the same rows."""
    flow = _Kept(lambda epoch, *_: bar.update(work, description=f"h={horizon} {FLOW}, pass {epoch}"))
    scores: dict[str, float] = {}
    for name in MODELS:
        bar.update(work, description=f"h={horizon} {name}")
        model = flow if name == FLOW else make_model(name)
        scores |= _scores(evaluate(series, model, horizon, rules, time.process_time))
        bar.advance(work)
    card = Card(
        model=FLOW,
        indicators=series.columns,
        step_seconds=step_seconds(series),
        horizons=(horizon,),
        train_start=float(series.times[0]),
        train_end=float(series.times[split(series, rules, horizon)[0] - 1]),
        rows=split(series, rules, horizon)[0],
        settings={"levels": rules.levels, f"h{horizon}": flow.settings},
        scores=scores,
        versions={name: version(name) for name in PACKAGES},
        seed=rules.seed,
    )
    return card, for_horizon(flow.weights, horizon)


class _Kept:
    """The flow as it will be read back: what is scored is what is kept, and not one that goes on learning."""

    name = FLOW

    def __init__(self, progress: Callable[[int, float, float], None]) -> None:
        self.parameters = 0
        self._progress = progress

    def fit(self, task: Task) -> None:
        """Learn from the training part."""
        model = flow_model()
        flow = model(progress=self._progress)
        flow.fit(task)
        self.settings, self.weights, self.parameters = flow.settings(), flow.weights(), flow.parameters
        self._restored = model.restore(self.settings, self.weights)

    def quantiles(self, task: Task) -> FloatArray:
        """Of every target, shape (T, Q, I)."""
        return self._restored.quantiles(task)

    def samples(self, task: Task) -> FloatArray | None:
        """Of every target, shape (T, S, I)."""
        return self._restored.samples(task)


def _scores(evaluation: Evaluation) -> dict[str, float]:
    """Figures as a card has them; what could not be scored is left out."""
    prefix = f"h{evaluation.horizon}.{evaluation.model}"
    found = {name: getattr(evaluation.figures, name) for name in FIGURES}
    found["parameters"] = evaluation.parameters
    return {f"{prefix}.{name}": value for name, value in found.items() if value is not None and isfinite(value)}


def _join(one: Part, other: Part) -> Part:
    """The artifact of both: they differ in their horizons only."""
    card = replace(
        one[0],
        horizons=one[0].horizons + other[0].horizons,
        settings={**one[0].settings, **other[0].settings},
        scores={**one[0].scores, **other[0].scores},
    )
    return card, one[1] | other[1]


def _digest(series: Series, rules: Rules) -> str:
    """Of all that a training comes from, but for the horizon."""
    told = [FORMAT_VERSION, series.columns, asdict(rules), [(name, version(name)) for name in PACKAGES]]
    content = json.dumps(told).encode() + series.times.tobytes() + series.values.tobytes()
    return sha256(content).hexdigest()[:16]


def _finished(folder: Path) -> Part | None:
    """What an interrupted training kept; None where it did not, or not whole."""
    try:
        return read_artifact(folder)
    except ArtifactError:
        return None


def _keep(folder: Path, part: Part) -> None:
    try:
        write_artifact(folder, *part)
    except OSError as error:
        raise cannot_write(folder, error) from error
