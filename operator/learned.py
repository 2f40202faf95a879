"""`status.learned`: what was learned of a workload, as its object says it, so that it outlives the process.

Decimal strings, as everywhere in our resources. Whatever somebody else made of the field is either a number within
bounds or nothing: reading it never raises, and what is not understood is learned again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from foresail.domain.memory import CapacityBelief, Learned

MATERIAL: Final = math.log(1.1)  # less than a tenth is not worth a write of its own
MAX_VARIANTS: Final = 16  # the schema's limits, from here on
MAX_NAME: Final = 63
MAX_SOURCE: Final = 1024
MAX_OBSERVATIONS: Final = 2**31 - 1
DECIMAL: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,30})?")
FACTORS: Final = (0.1, 10.0)
SCALES: Final = (1e-9, 9e8)  # e^±20 is what learning may come to
DEVIATIONS: Final = (1e-6, 1e2)
SECONDS: Final = (1e-20, 9e8)
DIGITS: Final = 6
SECONDS_DIGITS: Final = 9  # the prior is recognized by them


def to_learned(learned: Learned) -> dict[str, Any]:
    """What was learned as `status.learned` says it; a belief that does not fit the schema is left out."""
    variants = [
        entry for name, belief in sorted(learned.capacity.items()) if (entry := _entry(name, belief)) is not None
    ]
    factor = _text(_exp(learned.log_feedback), FACTORS) or "1"
    return {"feedbackFactor": factor, **({"variants": variants[:MAX_VARIANTS]} if variants else {})}


def parse_learned(value: object) -> Learned | None:
    """What a `status.learned` says; None when it says nothing that is understood. Never raises."""
    if not isinstance(value, Mapping):
        return None
    factor, entries = _number(value.get("feedbackFactor"), FACTORS), value.get("variants")
    if factor is None:
        return None
    read = map(_read, entries[:MAX_VARIANTS] if isinstance(entries, list) else ())
    return Learned(math.log(factor), MappingProxyType(dict(found for found in read if found is not None)))


def has_moved(before: Learned | None, after: Learned) -> bool:
    """Whether a leader that starts from `before` would go a materially different way than one from `after`."""
    if before is None or abs(after.log_feedback - before.log_feedback) > MATERIAL:
        return True
    return any(_has_belief_moved(before.capacity.get(name), belief) for name, belief in after.capacity.items())


def _has_belief_moved(before: CapacityBelief | None, after: CapacityBelief) -> bool:
    if before is None or before.source != after.source:
        return True
    return abs(after.log_mean - before.log_mean) > MATERIAL


def _entry(name: str, belief: CapacityBelief) -> dict[str, Any] | None:
    deviation = math.sqrt(belief.log_variance) if belief.log_variance >= 0 else math.nan
    required = {
        "scale": _text(_exp(belief.log_mean), SCALES),
        "deviation": _text(deviation, DEVIATIONS),
        "secondsPerInputToken": _seconds(belief.seconds_per_input_token),
        "secondsPerOutputToken": _seconds(belief.seconds_per_output_token),
    }
    if None in required.values() or len(name) > MAX_NAME or len(belief.source) > MAX_SOURCE:
        return None
    most = _text(_exp(belief.log_most), SCALES)
    return {
        "name": name,
        **required,
        "source": belief.source,
        "observations": min(belief.observations, MAX_OBSERVATIONS),
        **({} if most is None else {"most": most}),
    }


def _read(entry: object) -> tuple[str, CapacityBelief] | None:
    if not isinstance(entry, Mapping):
        return None
    name, source, observations = (entry.get(field) for field in ("name", "source", "observations"))
    scale, deviation = _number(entry.get("scale"), SCALES), _number(entry.get("deviation"), DEVIATIONS)
    seconds = [_read_seconds(entry.get(field)) for field in ("secondsPerInputToken", "secondsPerOutputToken")]
    if not isinstance(name, str) or not isinstance(source, str) or type(observations) is not int:
        return None
    if scale is None or deviation is None or seconds[0] is None or seconds[1] is None:
        return None
    if not 0 <= observations <= MAX_OBSERVATIONS or len(name) > MAX_NAME or len(source) > MAX_SOURCE:
        return None
    most = _number(entry.get("most"), SCALES)
    belief = CapacityBelief(
        log_mean=math.log(scale),
        log_variance=deviation**2,
        observations=observations,
        seconds_per_input_token=seconds[0],
        seconds_per_output_token=seconds[1],
        source=source,
        log_most=-math.inf if most is None else math.log(most),
    )
    return name, belief


def _exp(logarithm: float) -> float:
    return math.exp(logarithm) if logarithm < math.log(SCALES[1]) else math.inf


def _text(value: float, bounds: tuple[float, float], digits: int = DIGITS) -> str | None:
    """A decimal string of so many significant digits; None for what lies outside of the bounds."""
    if not bounds[0] <= value <= bounds[1]:
        return None
    return f"{Decimal(f'{value:.{digits}g}').normalize():f}"


def _number(value: object, bounds: tuple[float, float]) -> float | None:
    if not isinstance(value, str) or DECIMAL.fullmatch(value) is None:
        return None
    return number if bounds[0] <= (number := float(value)) <= bounds[1] else None


def _seconds(value: float) -> str | None:
    """A role that reads no prompts, or writes no answers, takes no seconds for it."""
    return "0" if value == 0 else _text(value, SECONDS, SECONDS_DIGITS)


def _read_seconds(value: object) -> float | None:
    return 0.0 if value == "0" else _number(value, SECONDS)
