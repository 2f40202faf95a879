"""The gate: which of several forecasters is served, by how their forecasts have fared on the same outcomes.

Candidates stand in order of trust: a flow where there is one, the mixture, the seasonal forecast, the last value. The
first is served unless one behind it is clearly better: scores lower by more than MARGIN, or covers what comes when the
first does not and scores hardly worse. A candidate that was passed over returns when it is hardly worse than the one in
its seat.

Skill is what a forecast's CRPS saves of that of the seasonal-naive forecast, or of the last value where no season is
known; below 0 it is worse than that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.scores import crps

REFERENCES = ("seasonal", "last-value")
MARGIN = 0.05  # of the CRPS
HARDLY = 0.02  # of the CRPS: what one that covers may score worse than one that does not
RETURN = 0.3  # of the margin, by which one that was passed over may be worse to return
LEAST_OUTCOMES = 30.0
PROMISED = 0.9  # share of outcomes between the 5 % and the 95 % quantile
TOLERATED = 0.1  # between that and the share that was met
DISCOUNT = 0.985  # an outcome; half after 46


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """How a candidate has fared.

    Args:
        source: Its name.
        crps: Discounted mean for each indicator, shape (I,), in units of demand.
        covered: Discounted share of outcomes between its 5 % and 95 % quantiles.
        outcomes: How many there were.
    """

    source: str
    crps: FloatArray
    covered: float
    outcomes: float

    @property
    def calibrated(self) -> bool:
        """Whether it covers what it promises."""
        return abs(self.covered - PROMISED) <= TOLERATED

    def over(self, other: Standing) -> float:
        """Its CRPS over another one's, mean over the indicators; 1 where both are 0."""
        both = (self.crps > 0.0) | (other.crps > 0.0)
        least = np.finfo(np.float64).tiny
        ratios = np.divide(self.crps, np.maximum(other.crps, least), out=np.ones_like(self.crps), where=both)
        return float(np.minimum(ratios, 100.0).mean())


class Verdict(NamedTuple):
    """Whose forecast is served, why, and its skill; None until it can be told."""

    source: str
    reason: str
    skill: float | None


def judge(standings: Sequence[Standing], *, seated: str | None = None, margin: float = MARGIN) -> Verdict:
    """Choose.

    Args:
        standings: In order of trust, at least one; all scored on the same outcomes.
        seated: Who is served now.
        margin: Of the CRPS, by which one must be better to be preferred to one that is trusted more.
    """
    passed: list[str] = []
    for place, candidate in enumerate(standings):
        why = _objection(candidate, standings[place + 1 :], seated, margin)
        if why is None:
            return Verdict(candidate.source, "; ".join(passed), _skill(candidate, standings))
        passed.append(why)
    raise ValueError("standings must name at least one candidate, got none")


def _objection(candidate: Standing, rivals: Sequence[Standing], seated: str | None, margin: float) -> str | None:
    """Why a candidate is not served: a sentence, or None."""
    if candidate.outcomes < LEAST_OUTCOMES:
        return None
    for rival in rivals:
        if rival.outcomes < LEAST_OUTCOMES:
            continue
        ratio = candidate.over(rival)
        if ratio > 1.0 + (RETURN * margin if seated == rival.source else margin):
            return f"{candidate.source} scored {ratio:.2f} times the CRPS of {rival.source} lately"
        if not candidate.calibrated and rival.calibrated and ratio > 1.0 - HARDLY:
            return f"{candidate.source} covered {candidate.covered:.0%} where {PROMISED:.0%} were promised"
    return None


def _skill(candidate: Standing, standings: Sequence[Standing]) -> float | None:
    by_source = {standing.source: standing for standing in standings}
    reference = next((by_source[name] for name in REFERENCES if name in by_source), None)
    if reference is None or min(candidate.outcomes, reference.outcomes) < LEAST_OUTCOMES:
        return None
    return 1.0 - candidate.over(reference)


@dataclass(slots=True)
class Tally:
    """Scores of candidates, added up outcome by outcome; mutable."""

    _standings: dict[str, Standing] = field(default_factory=dict)

    def note(self, samples: Mapping[str, FloatArray], outcome: FloatArray) -> None:
        """Hold samples (S, I) of every candidate against what came, shape (I,); who is missing is forgotten."""
        self._standings = {name: self._noted(name, said, outcome) for name, said in samples.items()}

    def standings(self, sources: Sequence[str]) -> list[Standing]:
        """Those of these sources that were scored, in this order."""
        return [self._standings[name] for name in sources if name in self._standings]

    def _noted(self, name: str, samples: FloatArray, outcome: FloatArray) -> Standing:
        ordered = np.sort(samples, axis=0)
        outside = int(0.5 * (1.0 - PROMISED) * (len(ordered) - 1))
        low, high = ordered[outside], ordered[len(ordered) - 1 - outside]
        score, inside = crps(samples, outcome), float(np.mean((low <= outcome) & (outcome <= high)))
        before = self._standings.get(name)
        if before is None or before.crps.shape != score.shape:
            return Standing(name, score, inside, 1.0)
        weight = (1.0 - DISCOUNT) / (1.0 - DISCOUNT ** (before.outcomes + 1.0))
        return Standing(
            name,
            before.crps + weight * (score - before.crps),
            before.covered + weight * (inside - before.covered),
            before.outcomes + 1.0,
        )
