from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from foresail.domain.workload import WorkloadKey
from foresail.forecaster.metrics import ForecasterMetrics
from foresail.forecaster.register import Register
from foresail.forecaster.settings import Settings
from foresail.forecaster.shelf import Served, Shelf
from foresail.forecaster.trainer import Trainer
from foresail.forecaster.training import to_job
from tests.builders import NOW
from tests.conftest import wait_for
from tests.unit.forecaster.artifacts import KEY, FakeModel, make_card, make_subject, write_artifact
from tests.unit.operator.fakes import eventually


class House:
    """A trainer whose trainings are scripts."""

    def __init__(self, folder: Path, script: str, **settings: float) -> None:
        self.settings = Settings(artifacts=str(folder / "kept"), **settings)  # type: ignore[arg-type]
        kept = Path(self.settings.artifacts)
        kept.mkdir(exist_ok=True)
        self.shelf = Shelf(kept, FakeModel)
        self.shelf.load()
        self.metrics = ForecasterMetrics()
        self.register = Register.open(kept / "workloads.json", self.settings.train_every_seconds)
        self.register.note_all([make_subject()], time.time())
        self.trainer = Trainer(
            self.settings,
            self.register,
            put=self.put,
            remove=self.remove,
            metrics=self.metrics,
            command=(sys.executable, "-c", script),
        )

    async def put(self, key: WorkloadKey, folder: Path, now: float) -> Served:
        return self.shelf.put(key, folder, now)

    async def remove(self, key: WorkloadKey) -> None:
        self.shelf.remove(key)

    async def train(self, now: float = NOW) -> str:
        """Why it failed, empty when it did not."""
        await self.trainer.train(make_subject(), now)
        return self.register.entries[KEY].failure

    def count(self, result: str) -> float | None:
        return self.metrics.registry.get_sample_value("foresail_forecaster_trainings_total", {"result": result})


def copy_of(artifact: Path) -> str:
    return f"import shutil, sys; shutil.copytree({str(artifact)!r}, sys.argv[2], dirs_exist_ok=True)"


@pytest.fixture
def good(tmp_path: Path) -> str:
    return copy_of(write_artifact(tmp_path / "good", make_card(seed=1)))


async def test_what_was_trained_serves_from_then_on(tmp_path: Path, good: str) -> None:
    house = House(tmp_path, good)
    assert await house.train() == ""
    assert house.shelf.served[KEY].card.seed == 1
    assert house.register.entries[KEY].trained_at == NOW
    assert house.count("trained") == 1
    assert house.register.next_due(NOW + 1) is None


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("import sys; sys.exit('history: rows: too few, got 3')", "history: rows: too few, got 3 (exit 1)"),
        ("raise ZeroDivisionError('oh')", "ZeroDivisionError: oh (exit 1)"),
        ("import os; os.kill(os.getpid(), 9)", "it said nothing (exit -9)"),
        ("pass", "what was trained cannot be used"),
        ("import sys, time; sys.stdin.readline(); time.sleep(60)", "longer than 1 s and was killed"),
    ],
)
async def test_a_training_that_fails_leaves_what_served(tmp_path: Path, good: str, script: str, why: str) -> None:
    assert await House(tmp_path, good).train() == ""
    house = House(tmp_path, script, training_seconds=1.0)

    assert why in await house.train(NOW + 1)
    assert house.shelf.served[KEY].card.seed == 1
    assert house.count("failed") == 1
    assert house.register.entries[KEY].failures == 1
    assert not (Path(house.settings.artifacts) / ".training").exists()


async def test_what_the_machine_refuses_is_a_failure_like_any_other(tmp_path: Path) -> None:
    house = House(tmp_path, "")
    house.trainer._command = ("/nowhere/python",)
    assert "it could not be begun" in await house.train()
    assert house.count("failed") == 1


async def test_a_damaged_training_leaves_what_served(tmp_path: Path, good: str) -> None:
    assert await House(tmp_path, good).train() == ""
    bad = write_artifact(tmp_path / "bad", make_card(seed=2))
    (bad / "weights.safetensors").write_bytes(b"cut")

    house = House(tmp_path, copy_of(bad))
    assert "the weights (3 bytes) are cut" in await house.train(NOW + 1)
    assert house.shelf.served[KEY].card.seed == 1


async def test_the_job_is_told_whole(tmp_path: Path) -> None:
    told = tmp_path / "told"
    house = House(tmp_path, f"import sys, shutil; open({str(told)!r}, 'w').write(sys.stdin.readline())")
    await house.train()
    assert told.read_bytes() == to_job(make_subject(), house.settings, now=NOW, seed=0)


async def test_when_the_forecaster_ends_the_training_is_killed_and_due_again(tmp_path: Path) -> None:
    started = tmp_path / "started"
    script = f"import os, time; open({str(started)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    house = House(tmp_path, script)
    running = asyncio.create_task(house.trainer.run())
    await eventually(lambda: started.exists() and bool(started.read_text()), seconds=20, every=0.02)
    assert house.register.training == KEY

    running.cancel()
    await asyncio.wait({running}, timeout=5)
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)
    assert house.register.next_due(time.time()) is not None
    assert house.register.entries[KEY].failures == 0


async def test_who_is_not_asked_for_any_more_is_forgotten(tmp_path: Path, good: str) -> None:
    house = House(tmp_path, good)
    await house.train()
    house.register.entries[KEY].asked_at = NOW - 8 * 86_400.0
    running = asyncio.create_task(house.trainer.run())
    await eventually(lambda: not house.shelf.served, seconds=10, every=0.02)
    running.cancel()
    assert house.register.entries == {}


class Told:
    """A mirror that remembers what it was told, and what was there then."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.told: list[tuple[str, WorkloadKey, float | None, bool]] = []

    def owe(self, key: WorkloadKey) -> None:
        entry = self.house.register.entries[key]
        self.told.append(("owe", key, entry.trained_at, key in self.house.shelf.served))

    def forget(self, key: WorkloadKey) -> None:
        self.told.append(("forget", key, None, key in self.house.shelf.served))


async def test_a_mirror_is_told_when_all_is_known_and_before_it_is_forgotten(tmp_path: Path, good: str) -> None:
    house = House(tmp_path, good)
    mirror = Told(house)
    house.trainer._mirror = mirror  # type: ignore[assignment]
    await house.train()
    assert mirror.told == [("owe", KEY, NOW, True)]

    house.register.entries[KEY].asked_at = NOW - 8 * 86_400.0
    running = asyncio.create_task(house.trainer.run())
    await eventually(lambda: not house.shelf.served, seconds=10, every=0.02)
    running.cancel()
    assert mirror.told[1:] == [("forget", KEY, None, True)]


async def test_of_a_training_that_fails_a_mirror_is_not_told(tmp_path: Path) -> None:
    house = House(tmp_path, "pass")
    house.trainer._mirror = mirror = Told(house)  # type: ignore[assignment]
    await house.train()
    assert mirror.told == []


def test_a_training_ends_when_its_parent_was_killed(tmp_path: Path) -> None:
    """The real one: nobody is there to kill it, and it must not go on for minutes."""
    job = to_job(make_subject(), Settings(prometheus_url="http://192.0.2.1"), now=NOW, seed=0)
    (tmp_path / "job").write_bytes(job)
    parent = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-m", "foresail.forecaster.training", "--into", {str(tmp_path)!r}],
                         stdin=subprocess.PIPE)
child.stdin.write(open({str(tmp_path / "job")!r}, "rb").read())
child.stdin.flush()
print(child.pid, flush=True)
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    def is_gone() -> bool:
        stat = Path(f"/proc/{child}/stat")
        return not stat.exists() or stat.read_text().split()[2] == "Z"

    wait_for(is_gone, seconds=20, what="the end of the training")
