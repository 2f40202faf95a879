"""Forecasts of a workload too young for a flow of its own: the mixture, with the season of its peers.

The mixture weighs that season by how well it has told the last two hours, as it weighs any of its experts.
"""

from __future__ import annotations

from dataclasses import replace

from foresail.domain.forecast import Forecast
from foresail.domain.snapshot import Unknown
from foresail.domain.workload import WorkloadKey
from foresail.forecasting.artifact import Weights
from foresail.forecasting.card import Card
from foresail.forecasting.demand.borrowed import Prior, borrow
from foresail.forecasting.demand.serve import STALE_SECONDS, ForecastRequest, MixtureForecaster

SOURCE = "peers"


class PeersForecaster:
    """Forecasts of one workload.

    Args:
        card: Of a prior.
        weights: Its arrays.
        samples: Paths per forecast.
        seed: Of the order in which paths are listed.

    Raises:
        ValueError: The weights are not a prior's.
    """

    def __init__(self, card: Card, weights: Weights, *, samples: int = 200, seed: int = 0) -> None:
        self.card = card
        self._prior = Prior.restore(weights)
        self._mixture = MixtureForecaster(samples=samples, seed=seed)

    def forecast(self, key: WorkloadKey, request: ForecastRequest) -> Forecast | Unknown:
        """Forecast the workload; call it once per cycle."""
        recent = request.recent
        until = recent.end + request.horizon_seconds + STALE_SECONDS
        made = self._mixture.forecast(
            {key: replace(request, history=None, borrowed=borrow(self._prior, recent, until=until))}
        )[key]
        if not isinstance(made, Forecast) or made.source == "last-value" or made.calibrated is False:
            return made
        return replace(made, source=SOURCE, reason=f"{self.card.settings['why']}; {made.reason}")
