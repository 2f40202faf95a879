"""Instances that are measured: made up like the paper's, and recorded ones where they are there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from foresail.cli.fields import Field
from foresail.cli.rescheduling.generation.machines import generate_machines
from foresail.cli.rescheduling.generation.pods import generate_pods
from foresail.cli.rescheduling.generation.wish import GPU_NODES, MACHINES, Wish
from foresail.cli.rescheduling.instance import read_instance
from foresail.cli.rescheduling.machines import VmInstance, parse_machines
from foresail.cli.rescheduling.pods import PodInstance, parse_pods

HIGH, HIGHER, MIDDLE = (0.907, 0.42), (0.9432, 0.3), (0.645, 0.42)  # load, share placed at random
KINDS = {"high": HIGH, "higher": HIGHER, "middle": MIDDLE, "apart": HIGH}
RECORDED_MEDIUM = ("medium-H-0", "medium-H-1", "medium-H-2", "medium-M-0", "medium-aff-0")


def machines(
    kind: str, seed: int, *, size: str = "medium", family: str = "c1", load: float | None = None
) -> VmInstance:
    """A cluster of VMs of a kind; `apart`: 30 % of them in groups, 10 % pinned."""
    usual, scatter = KINDS[kind]
    apart = kind == "apart"
    wish = Wish(
        MACHINES[size],
        usual if load is None else load,
        churn=3.0,
        scatter=scatter,
        pinned=0.1 if apart else 0.0,
        seed=seed,
        family=family,
        affinity=0.3 if apart else 0.0,
    )
    return parse_machines(_document(generate_machines(wish)))


def gpus(size: str, seed: int, *, scatter: float, bound: float = 0.0) -> PodInstance:
    """A cluster of pods."""
    wish = Wish(GPU_NODES[size], 0.72, churn=0.0, scatter=scatter, pinned=0.0, seed=seed, bound=bound)
    return parse_pods(_document(generate_pods(wish)))


def medium(folder: Path, seeds: int) -> Iterator[tuple[str, VmInstance]]:
    """Clusters of 279 machines."""
    for kind in KINDS:
        for seed in range(seeds if kind == "high" else 1):
            yield f"{kind}, seed {seed}", machines(kind, seed)
    yield from recorded(folder, RECORDED_MEDIUM)


def recorded(folder: Path, names: tuple[str, ...]) -> Iterator[tuple[str, VmInstance]]:
    """Recorded clusters of VMs, where they are there."""
    for name in names:
        file = folder / f"{name}.json"
        if file.is_file():
            instance = read_instance(str(file))
            assert isinstance(instance, VmInstance)
            yield name, instance


def recorded_gpus(folder: Path, pattern: str) -> Iterator[tuple[str, PodInstance]]:
    """Recorded clusters of pods, where they are there."""
    for file in sorted((folder / "openb").glob(pattern)):
        instance = read_instance(str(file))
        assert isinstance(instance, PodInstance)
        yield file.stem, instance


def _document(value: dict[str, object]) -> Field:
    return Field("generated", "", json.loads(json.dumps(value)))
