"""The trial: now and then the mixture and the plain forecasts it must beat promise the same, and the gate judges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.demand.gate import Tally, Verdict, judge
from foresail.forecasting.demand.promises import PEAK_STEPS, Kept, Promises
from foresail.forecasting.past import Past

TRIAL_SECONDS = 120.0
PATHS = 50
MARGIN = 0.2  # the mixture contains its rivals: less than that is chance or a jump gone by, and to follow it costs CRPS
MIXTURE = "mixture"
ORDER = (MIXTURE, "seasonal", "last-value")  # in order of trust
NOBODY_JUDGED = Verdict(MIXTURE, "", None)


@dataclass(slots=True)
class Contest:
    """Several sources promise the same instants; mutable.

    Args:
        turn: Its place (0 … 1) among the others, so that not all promise at once.
    """

    turn: float = 0.0
    _promises: Promises[dict[str, FloatArray]] = field(default_factory=Promises)
    _made_at: float | None = None

    def due(self, past: Past) -> Iterator[Kept[dict[str, FloatArray]]]:
        """What has met its time: every source's samples of the peak, shape (S, I), and the peak."""
        return self._promises.due(past)

    def promise(self, past: Past, steps: int, sources: Sequence[str], draw: Callable[[str], FloatArray]) -> None:
        """Let every source promise when it is time; `draw` gives its paths, shape (S, H, I)."""
        # No oftener than the horizon is long: one jump would break many promises that overlap.
        wait = max(TRIAL_SECONDS, steps * past.step_seconds)
        if self._made_at is not None and 0.0 <= past.end - self._made_at < wait:
            return
        first = self._made_at is None
        self._made_at = past.end - (self.turn * wait if first else 0.0)
        said = {name: draw(name)[:, -PEAK_STEPS:].max(axis=1) for name in sources}
        self._promises.make(past.end, past.end + steps * past.step_seconds, steps, said)


@dataclass(slots=True)
class Trial:
    """One workload's; mutable.

    Args:
        contest: Who promised what.
        verdict: Who is served, and why.
    """

    contest: Contest
    verdict: Verdict = NOBODY_JUDGED
    _tally: Tally = field(default_factory=Tally)

    def settle(self, past: Past) -> None:
        """Score what has met its time, and judge anew where something has."""
        scored = False
        for kept in self.contest.due(past):
            self._tally.note(kept.said, kept.peak)
            scored = True
        if scored:
            self.verdict = judge(self._tally.standings(ORDER), seated=self.verdict.source, margin=MARGIN)
