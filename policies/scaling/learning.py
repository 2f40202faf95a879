"""Learning what a replica sustains from what replicas are seen to serve.

The belief is normal in log κ, where a replica sustains κ times what its prior says. Each cycle y = log(work served per
ready replica) is one observation of log κ, read by how full the replicas are (`pressure.py`):

    pressure ≥ 1                     the replica is full: y - ½ log(pressure) reveals κ
    less, and there is a profile     y bounds κ from below
    0.5 ≤ pressure < 1, no profile   y - ½ log(pressure) estimates κ, the less surely the emptier
    less, without a profile          y - ½ log(pressure) bounds κ from below: idle engines have a TPOT, too
    unknown, or next to nothing      y bounds κ from below

The half: a replica's load is somewhere between its pressure and 1, as TPOT and the cache's use rise ever faster with
load; their geometric mean is taken. A bound that is too careful mends itself: it asks for fewer replicas, which are
fuller and tell more. To divide by the pressure itself made a profile that was right grow by a quarter within an hour of
moderate load, and requests late; to take what idle replicas show for an estimate lost half of κ in every night.

κ stays above half of the most that a replica was seen to serve: a limit that the engine misses even when idle makes it
look full however little it does, and every replica that is added look less able than the last.

A bound that the belief already meets is no news; one that it does not is taken as an observation. Observations of
successive cycles resemble each other, so each counts little (more when replicas are full, which is when it matters),
and certainty has a limit: an engine that is replaced is relearned within minutes.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from foresail.domain.memory import CapacityBelief
from foresail.domain.snapshot import VariantObservation
from foresail.domain.timeseries import FloatArray
from foresail.policies.scaling.capacity import LEARNED, Work
from foresail.policies.scaling.pressure import FULL

OBSERVATION_DEVIATION = 0.3  # of one cycle, wide because cycles resemble each other
FULL_DEVIATION = 0.15  # of one cycle of full replicas, which is when it matters
LEAST_SHARE_OF_MOST = math.log(0.5)  # a replica that serves less than half of its most is full of nothing but idleness
FADE = math.log(2) / 5760  # of the most work seen, by cycle: half of it in a day of cycles of 15 s
GATHER = 0.2  # by cycle, of what is above the most seen: a minute of it counts, a moment does not
SMALLEST_DEVIATION = 0.05  # certainty ends here: about forty cycles of memory
UNLEARNED_DEVIATION = 5.0  # anything from one to 20,000 tokens per second
MOST_LOG_SCALE = 20.0  # e^±20 of any prior: no engine, but the dust of arithmetic, which would overflow later
FIRST_DEVIATION = 0.1  # of the first cycle, when there is nothing else to go by
CORRECTION_DEVIATION = 0.25  # of a correction for pressure, as a share of it
REVEALING_PRESSURE = 0.5
TELLING_PRESSURE = 0.02  # less is not the trace of a request


class Evidence(NamedTuple):
    """An observation of log κ and its correction's deviation; `bound`: κ is at least this; `tells`: it may be used."""

    log_served: float
    log_scale: float
    deviation: float
    bound: bool
    tells: bool = False
    full: bool = False


def start_belief(work: Work) -> CapacityBelief:
    """The belief before anything was seen."""
    deviation = UNLEARNED_DEVIATION if work.source == LEARNED else work.log_error
    return CapacityBelief(
        log_mean=0.0,
        log_variance=deviation**2,
        seconds_per_input_token=work.seconds_per_input_token,
        seconds_per_output_token=work.seconds_per_output_token,
        source=work.source,
    )


def work_of(belief: CapacityBelief) -> Work:
    """The prior that a belief is relative to."""
    return Work(belief.seconds_per_input_token, belief.seconds_per_output_token, belief.source)


def is_usable(belief: CapacityBelief) -> bool:
    """Whether a number of replicas may rest on it: there is a profile, or pressure has told something."""
    return belief.source != LEARNED or belief.observations > 0


def learn(belief: CapacityBelief, observation: VariantObservation) -> CapacityBelief:
    """The belief after one more observation; unchanged when nothing was served or the replicas are in transition."""
    evidence = evidence_of(work_of(belief), observation)
    if evidence is None:
        return belief
    belief = replace(belief, log_most=_most(belief.log_most, evidence))
    if evidence.bound and belief.log_mean >= evidence.log_scale and is_usable(belief):
        return belief
    count = belief.observations + int(evidence.tells)
    if belief.observations == 0 and belief.source == LEARNED:
        first = FIRST_DEVIATION**2 + evidence.deviation**2
        return replace(belief, log_mean=evidence.log_scale, log_variance=first, observations=count)
    variance = (FULL_DEVIATION if evidence.full else OBSERVATION_DEVIATION) ** 2 + evidence.deviation**2
    precision = 1.0 / belief.log_variance + 1.0 / variance
    mean = (belief.log_mean / belief.log_variance + evidence.log_scale / variance) / precision
    mean = max(mean, belief.log_most + LEAST_SHARE_OF_MOST)
    variance = max(1.0 / precision, SMALLEST_DEVIATION**2)
    return replace(belief, log_mean=mean, log_variance=variance, observations=count)


def is_full(belief: CapacityBelief, observation: VariantObservation) -> bool:
    """Whether replicas are full of work: a limit that they miss even when idle makes them look full as well."""
    pressure = observation.pressure
    if pressure is None or pressure < FULL:
        return False
    evidence = evidence_of(work_of(belief), observation)
    return evidence is None or evidence.log_served >= belief.log_most + LEAST_SHARE_OF_MOST


def _most(log_most: float, evidence: Evidence) -> float:
    """The most served each without being full, gathered over a minute or so, slowly forgotten."""
    if math.isinf(log_most):
        return evidence.log_served
    gap = 0.0 if evidence.full else max(evidence.log_served - log_most, 0.0)
    return log_most - FADE + GATHER * gap


def evidence_of(work: Work, observation: VariantObservation) -> Evidence | None:
    """What this cycle says of log κ, None when nothing."""
    replicas, served = observation.replicas, observation.served
    # Draining replicas serve a share that is not counted among the ready.
    if replicas is None or served is None or replicas.ready == 0 or replicas.draining:
        return None
    busy = work.of(served)
    if not math.isfinite(busy) or busy <= 0:
        return None
    log_served = math.log(busy) - math.log(replicas.ready)
    if abs(log_served) > MOST_LOG_SCALE:
        return None
    pressure = observation.pressure
    if pressure is None or not math.isfinite(pressure) or pressure < TELLING_PRESSURE:
        return Evidence(log_served, log_served, 0.0, bound=True)
    if pressure < FULL and work.source != LEARNED:
        return Evidence(log_served, log_served, 0.0, bound=True)
    correction = 0.5 * math.log(pressure)
    unsure = CORRECTION_DEVIATION * abs(correction)
    scale = log_served - correction
    bound, full = pressure < REVEALING_PRESSURE, pressure >= FULL
    return Evidence(log_served, scale, unsure, bound=bound, tells=True, full=full)


def scale_samples(belief: CapacityBelief, samples: int, *, stream: int = 0) -> FloatArray:
    """Posterior samples of 1/κ, shape (samples,): quantiles in an order that does not follow the paths'.

    Args:
        belief: Normal in log κ.
        samples: As many as there are paths.
        stream: Another order for another variant.
    """
    spread = math.sqrt(belief.log_variance)
    return np.asarray(np.exp(-belief.log_mean - spread * _shuffled_normal(samples, stream)), dtype=np.float64)


@lru_cache(maxsize=64)
def _shuffled_normal(samples: int, stream: int) -> FloatArray:
    quantiles = np.array([NormalDist().inv_cdf((i + 0.5) / samples) for i in range(samples)])
    shuffled = np.random.default_rng([samples, stream]).permutation(quantiles)
    shuffled.flags.writeable = False
    return shuffled
