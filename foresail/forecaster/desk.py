"""The desk: questions in, forecasts out, within the deadline; all models work in one thread, one after the other.

A model answers for itself only. Whatever it cannot answer (not trained, not good enough, other indicators, an error, no
time left) is said in a sentence, and the operator's own mixture forecasts.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from foresail.domain.errors import ForesailError
from foresail.domain.forecast import Forecast
from foresail.domain.snapshot import Unknown
from foresail.domain.workload import WorkloadKey
from foresail.forecaster.metrics import ForecasterMetrics
from foresail.forecaster.questions import Questions, Workload, to_asked, to_subject
from foresail.forecaster.register import Register
from foresail.forecaster.shelf import Served, Shelf

NEEDED: Final = ("torch", "pyro", "safetensors", "prometheus_api_client")
TRAINED: Final = ("flow", "peers")  # sources that rest on a training
DEADLINE_SHARE: Final = 0.8  # of the deadline; the rest is for the way back
AGAIN_SECONDS: Final = 60.0  # what is not served now may be then
LOADING_SECONDS: Final = 5.0
FIELDS: Final = ("indicators", "origin", "step_seconds", "source", "reason", "calibrated", "skill")

T = TypeVar("T")
logger = logging.getLogger(__name__)


class Desk:
    """What is asked of the models, and of the shelf that they are on."""

    def __init__(
        self, shelf: Shelf, register: Register, metrics: ForecasterMetrics, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._shelf = shelf
        self._register = register
        self._metrics = metrics
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "models")
        self.loaded = False
        self.missing = ", ".join(name for name in NEEDED if find_spec(name) is None)

    @property
    def problem(self) -> str:
        """Why no model can be asked, empty when all can."""
        if self.missing:
            return f"{self.missing} is not installed here; install foresail[train,history]"
        return "" if self.loaded else "the models are being loaded"

    async def load(self) -> None:
        """Load all that is on the shelf, and what models need."""
        if not self.missing:
            await self._in_thread(self._load)
            self._register.miss(self._shelf.served.keys())
        self.loaded = True

    async def answer(self, questions: Questions) -> bytes:
        """The body of the answer."""
        until = time.monotonic() + DEADLINE_SHARE * questions.deadline_seconds
        self._register.note_all([to_subject(workload) for workload in questions.workloads], self._clock())
        with self._metrics.answer_seconds.time():
            if self.problem:  # the thread is busy with it
                return self._tell(questions, lambda _: _unavailable(self.problem, again_seconds=LOADING_SECONDS))
            return await self._in_thread(lambda: self._tell(questions, lambda each: self._forecast(each, until)))

    async def put(self, key: WorkloadKey, folder: Path, now: float) -> Served:
        """Take in what was trained; raises ArtifactError."""
        served = await self._in_thread(lambda: self._shelf.put(key, folder, now))
        self._metrics.note_served(key, served)
        return served

    async def adopt(self, key: WorkloadKey, folder: Path, stamp: str) -> Served | None:
        """Take in what was kept elsewhere, None: what is here is not older; raises ArtifactError."""
        served = await self._in_thread(lambda: self._shelf.adopt(key, folder, stamp))
        if served is not None:
            self._metrics.note_served(key, served)
        return served

    async def remove(self, key: WorkloadKey) -> None:
        """Forget a workload."""
        await self._in_thread(lambda: self._shelf.remove(key))
        self._metrics.forget(key)

    def models(self) -> list[dict[str, Any]]:
        """What there is of every workload."""
        return [self._describe(key) for key in sorted(self._register.entries.keys() | self._shelf.served.keys())]

    def close(self) -> None:
        """End the thread, without waiting for it."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _load(self) -> None:
        from foresail.forecasting.neural import serving  # noqa: F401, PLC0415 - seconds, better now than at a forecast

        self._shelf.load()
        for key, served in self._shelf.served.items():
            self._metrics.note_served(key, served)

    def _tell(self, questions: Questions, forecast: Callable[[Workload], dict[str, Any]]) -> bytes:
        entries = []
        for workload in questions.workloads:
            found = forecast(workload)
            entries.append({"namespace": workload.namespace, "name": workload.name, **found})
            self._metrics.forecasts.labels("unavailable" if "unavailable" in found else "served").inc()
        return json.dumps({"forecasts": entries}).encode()

    def _forecast(self, workload: Workload, until: float) -> dict[str, Any]:
        served = self._shelf.served.get(workload.key)
        problem = self._why_not_trained(workload.key) if served is None else _why_not_fit(workload, served)
        if served is None or problem:
            return _unavailable(problem)
        if time.monotonic() > until:
            return _unavailable("there was no time left for it", again_seconds=0.0)
        asked = to_asked(workload, served.past)
        try:
            made = served.model.forecast(workload.key, asked.request)
        except (ForesailError, ValueError, RuntimeError, ArithmeticError, LookupError) as error:
            logger.warning("no forecast of %s", workload.key, exc_info=error)
            return _unavailable(f"its model failed ({type(error).__name__}: {error})", again_seconds=0.0)
        return _entry(made)

    def _why_not_trained(self, key: WorkloadKey) -> str:
        if key == self._register.training:
            return "it is being trained"
        if key in self._shelf.refused:
            return f"its artifact was refused: {self._shelf.refused[key]}"
        entry = self._register.entries.get(key)
        if entry is not None and entry.failures:
            return f"its training failed: {entry.failure}"
        return "it is not trained yet"

    def _describe(self, key: WorkloadKey) -> dict[str, Any]:
        served, entry = self._shelf.served.get(key), self._register.entries.get(key)
        known: dict[str, Any] = {"namespace": key.namespace, "name": key.name}
        if served is None:
            known |= {"serves": False, "why": self._why_not_trained(key), "card": None}
        else:
            known |= {"serves": served.serves, "why": served.why, "card": _summary(served)}
        known["training"] = training = key == self._register.training
        if entry is not None:
            due_at = entry.due_at(self._register.train_every_seconds)
            known |= {"trained_at": entry.trained_at, "next_training_at": max(due_at, self._clock())}
            failures, failure = (entry.failures - 1, "") if training else (entry.failures, entry.failure)
            known |= {"failures": failures, "failure": failure, "asked_at": entry.asked_at}
        return known


def _why_not_fit(workload: Workload, served: Served) -> str:
    """Why a model does not serve a question, empty when it does."""
    card = served.card
    if tuple(card.indicators) != workload.indicators:
        return f"its model was trained on other indicators ({', '.join(card.indicators)}); it is trained anew"
    if card.step_seconds != workload.step_seconds:
        return f"its model was trained on steps of {card.step_seconds:g} s; it is trained anew"
    return "" if served.serves else served.why


def _entry(made: Forecast | Unknown) -> dict[str, Any]:
    if isinstance(made, Unknown):
        return _unavailable(made.message, again_seconds=0.0)
    if made.source not in TRAINED:  # the operator's own mixture knows more of its past than ours
        return _unavailable(made.reason, again_seconds=0.0)
    if not (np.isfinite(made.samples).all() and (made.samples >= 0).all()):
        return _unavailable("its model made samples that are not finite, or below zero", again_seconds=0.0)
    told = {name: getattr(made, name) for name in FIELDS}
    samples = base64.b64encode(made.samples.astype("<f4").tobytes()).decode()
    return told | {"samples": samples, "shape": list(made.samples.shape)}


def _unavailable(why: str, *, again_seconds: float = AGAIN_SECONDS) -> dict[str, Any]:
    return {"unavailable": " ".join(why.split()), "again_seconds": again_seconds}


def _summary(served: Served) -> dict[str, Any]:
    names = ("model", "indicators", "step_seconds", "train_start", "train_end", "rows", "scores", "versions")
    return {name: getattr(served.card, name) for name in names}
