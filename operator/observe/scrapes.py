"""How often Prometheus scrapes the engines: as the settings say, else as its samples are seen to lie apart.

Every window, and the age beyond which a sample is stale, is a multiple of it. Taken too short there is never a rate,
taken too long the operator reacts late. So it is measured, of each job the median; among several jobs the slowest
counts, since of windows that are too short its pods would have nothing.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Final

from foresail.operator.observe.answers import Vector

USUAL_SECONDS: Final = 15.0  # until it was measured
COMMON_SECONDS: Final = (1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0)
NEAR: Final = 0.1  # samples are late and early; so near to a common interval it is that one
LONGEST_SECONDS: Final = 300.0  # Prometheus shows no older sample

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class ScrapeInterval:
    """The interval that holds.

    Args:
        configured: What the settings say, None: it is measured.
        measured: The last measurement.
        jobs: Of which jobs.
    """

    configured: float | None = None
    measured: float | None = None
    jobs: frozenset[str] = frozenset()

    @property
    def seconds(self) -> float:
        """Seconds between two samples."""
        return self.configured or self.measured or USUAL_SECONDS

    def learn(self, spacings: Vector) -> bool:
        """Take in how far apart each job's samples lie; whether any job had two."""
        jobs = (labels.get("job", "") for labels in spacings.labels)
        pairs = zip(jobs, spacings.values.tolist(), strict=True)
        found = {job: value for job, value in pairs if math.isfinite(value) and value > 0}
        if found:
            before, self.measured = self.seconds, snap(max(found.values()))
            self.jobs = frozenset(found)
            if self.seconds != before:
                logger.info("Prometheus scrapes the engines every %g s, not every %g s", self.seconds, before)
        return bool(found)


def snap(seconds: float) -> float:
    """The common interval that is near, else the measured one, in whole seconds."""
    nearest = min(COMMON_SECONDS, key=lambda common: abs(seconds - common))
    if abs(seconds - nearest) <= NEAR * nearest:
        return nearest
    return float(min(max(math.ceil(seconds), COMMON_SECONDS[0]), LONGEST_SECONDS))
