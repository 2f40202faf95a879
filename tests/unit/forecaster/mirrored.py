"""Forecasters that share a store, without their processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from foresail.domain.workload import WorkloadKey
from foresail.forecaster.copies import Copies
from foresail.forecaster.desk import Desk
from foresail.forecaster.metrics import ForecasterMetrics
from foresail.forecaster.mirror import Mirror, Patience
from foresail.forecaster.objects import open_objects
from foresail.forecaster.register import Register
from foresail.forecaster.settings import Settings
from foresail.forecaster.shelf import TRAINING, Shelf
from tests.builders import NOW
from tests.unit.forecaster.artifacts import KEY, FakeModel, make_card, make_subject, write_artifact

OTHER = WorkloadKey("prod", "code")


class House:
    """A forecaster's shelf, register and mirror, without its process."""

    def __init__(self, folder: Path, url: str, *, now: float = NOW, **patience: float) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.settings = Settings(artifacts=url, working_copy=str(folder))
        self.shelf = Shelf(folder, FakeModel)
        self.metrics = ForecasterMetrics()
        self.register = Register.open(folder / "workloads.json", self.settings.train_every_seconds)
        self.desk = Desk(self.shelf, self.register, self.metrics)
        self.objects = open_objects(url)
        self.mirror = Mirror(
            self.settings,
            Copies(self.objects),
            self.register,
            self.metrics,
            adopt=self.desk.adopt,
            clock=lambda: now,
            patience=Patience(**patience),
        )

    async def begin(self) -> House:
        self.shelf.load()
        self.register.miss(self.shelf.served.keys())
        await self.mirror.begin()
        return self

    async def train(self, seed: int, now: float = NOW, key: WorkloadKey = KEY) -> None:
        """As the trainer does, and what is owed is brought."""
        subject = make_subject(name=key.name)
        self.register.note_all([subject], now)
        self.register.begin(key, now)
        await self.desk.put(key, write_artifact(self.folder / TRAINING, make_card(seed=seed)), now)
        self.register.succeed(key, subject, now)
        self.mirror.owe(key)
        await self.mirror.catch_up()

    def seed(self, key: WorkloadKey = KEY) -> int | None:
        """Of the training that serves."""
        return self.shelf.served[key].card.seed if key in self.shelf.served else None

    def stored(self, key: WorkloadKey = KEY) -> list[str]:
        return Copies(self.objects).stamps(key)

    def count(self, result: str) -> float | None:
        return self.metrics.registry.get_sample_value("foresail_forecaster_copies_total", {"result": result})

    def owed(self) -> float | None:
        return self.metrics.registry.get_sample_value("foresail_forecaster_owed_copies")


Open = Callable[..., House]


@pytest.fixture
def open_house(tmp_path: Path) -> Iterator[Open]:
    houses: list[House] = []

    def open_one(name: str, url: str, **changes: float) -> House:
        houses.append(House(tmp_path / name, url, **changes))
        return houses[-1]

    yield open_one
    for house in houses:
        house.mirror.close()
        house.desk.close()


@pytest.fixture(params=["memory", "file"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return {"memory": f"memory://{uuid4()}/prefix", "file": f"file://{tmp_path}/there"}[request.param]
