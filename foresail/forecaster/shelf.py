"""The shelf: a folder of artifacts by workload, and what of it serves.

`NAMESPACE/NAME/STAMP/` holds the card, the weights and the coarse past of one training. A new one is put beside the
former by a rename, so that nothing half-written is ever seen, and the former stays for the case that the new one is
damaged. What cannot be read is put aside under `.refused/`, with the reason in the log, and the next older one serves.
"""

from __future__ import annotations

import logging
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Protocol
from zipfile import BadZipFile

import numpy as np

from foresail.domain.errors import ArtifactError
from foresail.domain.forecast import Forecast
from foresail.domain.snapshot import Unknown
from foresail.domain.timeseries import Window
from foresail.domain.workload import WorkloadKey
from foresail.forecasting.card import CARD_FILE, WEIGHTS_FILE, Card
from foresail.forecasting.demand.serve import ForecastRequest

PAST_FILE = "past.npz"  # beside card and weights
REFUSED, TRAINING, FETCHED = ".refused", ".training", ".fetched"
KEPT: Final = 2  # trainings of a workload

logger = logging.getLogger(__name__)


class Model(Protocol):
    """A trained model in memory."""

    def forecast(self, key: WorkloadKey, request: ForecastRequest) -> Forecast | Unknown:
        """Forecast a workload, or say why not."""


Restore = Callable[[Card, Any], Model]  # of a card and weights


def restore_model(card: Card, weights: Any) -> Model:
    """The model that an artifact holds: a flow, or the prior that a young workload borrows from."""
    if card.model == "prior":
        from foresail.forecasting.demand.peers import PeersForecaster  # noqa: PLC0415 - safetensors may not be there

        return PeersForecaster(card, weights)
    from foresail.forecasting.neural.serving import FlowForecaster  # noqa: PLC0415 - torch

    return FlowForecaster(card, weights)


@dataclass(frozen=True, slots=True)
class Served:
    """What is on the shelf of one workload, ready to be asked."""

    card: Card
    model: Model
    past: Window | None

    @property
    def serves(self) -> bool:
        """Whether it earned its seat when it was trained."""
        return bool(self.card.settings.get("serves"))

    @property
    def why(self) -> str:
        """Why, or why not."""
        return str(self.card.settings.get("why", ""))


class Shelf:
    """All artifacts; used by one thread."""

    def __init__(self, folder: Path, restore: Restore = restore_model) -> None:
        self.folder = folder
        self._restore = restore
        self.served: dict[WorkloadKey, Served] = {}
        self.refused: dict[WorkloadKey, str] = {}

    def load(self) -> None:
        """Look through the folder; never fails for what lies in it."""
        for half_done in (TRAINING, FETCHED):  # when a process ended
            shutil.rmtree(self.folder / half_done, ignore_errors=True)
        for key, place in places(self.folder):
            self._load_newest(key, place)

    def put(self, key: WorkloadKey, fresh: Path, now: float) -> Served:
        """Take in the folder of a training; the former serves until this is done, and goes on if it is refused.

        Raises:
            ArtifactError: It is not what it should be.
        """
        return self._take_in(key, fresh, f"{now * 1000:015.0f}")  # a name that sorts as the instants do

    def adopt(self, key: WorkloadKey, fresh: Path, stamp: str) -> Served | None:
        """Take in the folder of a training that was kept elsewhere; None: what lies here is not older, and stays.

        Raises:
            ArtifactError: It is not what it should be.
        """
        if any(path.name >= stamp for path in stamps_of(self.folder, key)):
            return None
        try:
            return self._take_in(key, fresh, stamp)
        except ArtifactError as error:
            self.refused[key] = str(error)
            raise

    def _take_in(self, key: WorkloadKey, fresh: Path, stamp: str) -> Served:
        served = self._read(fresh)
        place = self.folder / key.namespace / key.name
        place.mkdir(parents=True, exist_ok=True)
        fresh.replace(place / stamp)
        self.served[key] = served
        self.refused.pop(key, None)
        for old in stamps(place)[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)
        return served

    def remove(self, key: WorkloadKey) -> None:
        """Forget a workload and its artifacts."""
        self.served.pop(key, None)
        self.refused.pop(key, None)
        shutil.rmtree(self.folder / key.namespace / key.name, ignore_errors=True)

    def _load_newest(self, key: WorkloadKey, place: Path) -> None:
        for folder in stamps(place):
            try:
                self.served[key] = self._read(folder)
            except ArtifactError as error:
                self.refused[key] = str(error)
                logger.warning("the artifact of %s is refused and put aside: %s", key, error)
                self._put_aside(key, folder)
            else:
                return

    def _read(self, folder: Path) -> Served:
        from foresail.forecasting.artifact import decode  # noqa: PLC0415 - safetensors may not be there

        try:
            text, stored = (folder / CARD_FILE).read_text(encoding="utf-8"), (folder / WEIGHTS_FILE).read_bytes()
        except (OSError, UnicodeDecodeError) as error:
            raise _unreadable(folder, error) from error
        card, weights = decode(text, stored, source=str(folder))
        try:
            return Served(card, self._restore(card, weights), read_past(folder))
        except (ValueError, KeyError, TypeError, RuntimeError) as error:  # of torch, of a card of another version
            raise _unreadable(folder, error) from error

    def _put_aside(self, key: WorkloadKey, folder: Path) -> None:
        aside = self.folder / REFUSED / key.namespace / key.name
        try:
            shutil.rmtree(aside, ignore_errors=True)
            aside.parent.mkdir(parents=True, exist_ok=True)
            folder.replace(aside)
        except OSError as error:
            logger.warning("%s cannot be put aside: %s", folder, error)


def write_past(folder: Path, past: Window) -> None:
    """Keep a past beside an artifact: what a forecast's seasons are found in."""
    values = np.where(past.observed, past.values, np.nan)
    grid = np.array([past.end, past.step_seconds])
    np.savez_compressed(folder / PAST_FILE, values=values, grid=grid, indicators=np.array(past.indicators))


def read_past(folder: Path) -> Window | None:
    """The past that was kept; without it, forecasts know no seasons."""
    try:
        with np.load(BytesIO((folder / PAST_FILE).read_bytes()), allow_pickle=False) as kept:
            values, (end, step), names = kept["values"], kept["grid"].tolist(), kept["indicators"].tolist()
        observed = np.isfinite(values)
        return Window(tuple(names), step, end, np.where(observed, values, 0.0), observed)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
        logger.warning("no past is kept in %s: %s", folder, error)
        return None


def places(folder: Path) -> list[tuple[WorkloadKey, Path]]:
    """The workloads that have artifacts, and where."""
    return [(WorkloadKey(place.parent.name, place.name), place) for place in sorted(folder.glob("[!.]*/[!.]*/"))]


def stamps(place: Path) -> list[Path]:
    """The trainings of a workload, the newest first."""
    return sorted((path for path in place.iterdir() if path.is_dir() and path.name.isdecimal()), reverse=True)


def stamps_of(folder: Path, key: WorkloadKey) -> list[Path]:
    """The same, of a workload that need not have any."""
    place = folder / key.namespace / key.name
    return stamps(place) if place.is_dir() else []


def _unreadable(folder: Path, error: Exception) -> ArtifactError:
    problem = " ".join(str(error).split())[:300]
    return ArtifactError(str(folder), "artifact", "cannot be read", value=problem, remedy="it is trained anew")
