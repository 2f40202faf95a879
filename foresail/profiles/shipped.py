"""Capacities that were predicted with an openly licensed tool, and the specs of their models and accelerators."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from foresail.policies.allocation.profiles.buckets import Buckets
from foresail.policies.allocation.profiles.deployment import AcceleratorSpec, Deployment, ModelSpec, Slo
from foresail.policies.allocation.profiles.transfer import Known


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """What is shipped. `tool` names the tool with its version, `relative_error` is its own (1 sigma of the log)."""

    tool: str
    licence: str
    relative_error: float
    slos: dict[str, Slo]
    models: dict[str, ModelSpec]
    accelerators: dict[str, AcceleratorSpec]
    profiles: dict[str, tuple[Known, ...]]


@cache
def catalog() -> Catalog:
    """Read the shipped file once; `profiles` are by the name of the SLO, all in the same order."""
    text = files("foresail.profiles").joinpath("aiconfigurator.json").read_text(encoding="utf-8")
    data = json.loads(text)
    buckets = Buckets(np.array(data["input_edges"], dtype=np.float64), np.array(data["output_edges"], dtype=np.float64))
    slos = {name: Slo(**slo) for name, slo in data["slos"].items()}
    models = {name: ModelSpec(name, **spec) for name, spec in data["models"].items()}
    accelerators = {name: AcceleratorSpec(name, **spec) for name, spec in data["accelerators"].items()}

    def known(profile: dict[str, Any], slo: str) -> Known:
        deployment = Deployment(models[profile["model"]], accelerators[profile["accelerator"]], profile["gpus"])
        return Known(deployment, slos[slo], buckets, _matrix(profile["capacity_rps"][slo], buckets))

    profiles = {slo: tuple(known(profile, slo) for profile in data["profiles"]) for slo in slos}
    tool = f"{data['tool']} {data['version']}"
    return Catalog(tool, data["licence"], data["relative_error"], slos, models, accelerators, profiles)


def _matrix(rows: list[list[float]] | int, buckets: Buckets) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A matrix, read-only; a plain 0 stands for one that serves nothing."""
    matrix = np.broadcast_to(np.array(rows, dtype=np.float64), buckets.shape).copy()
    matrix.setflags(write=False)
    return matrix
