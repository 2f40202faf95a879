"""The case that `foresail moe decide` is given: model, engine, group, forecast, and constants if others are known."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from foresail.cli.fields import MISSING, Field, read_document
from foresail.policies.moe.decision import Demand, Group, Hardware, Prices, Situation, Times, Weights
from foresail.policies.moe.limits import KEEPS_GRAPHS, NAMES, Engine, read_flags
from foresail.policies.moe.spec import Dense, read_spec

TOP = ("model", "engine", "group", "forecast", "gpu", "times", "prices")
MODEL = ("config", *(field.name for field in fields(Weights)))
ENGINE = ("name", "redundant_experts", "gpus_per_rank", "most_gpus", "step_gpus", "flags", "exchange")
LEAST, MOST = 1e-9, 1e18  # of what must be above 0; beyond, numbers are slips of the keyboard
MOST_GPUS = 4096
MOST_CELLS = 10_000_000


def read_case(file: Path) -> Situation:
    """Read and check a case.

    Raises:
        InputError: It cannot be understood.
    """
    document = read_document(file)
    document.know(TOP)
    weights = _weights(document["model"])
    engine = _engine(document["engine"], document["group"], weights.experts)
    for part, name in (("gpu", "used_share"), ("times", "standby_warm_share")):
        share = document[part][name] if not document[part].absent else document[part]
        if not share.absent and _amount(share, 0.0) > 1.0:
            share.fail("is more than all", "give a share of at most 1")
    situation = Situation(
        weights,
        engine,
        _group(document["group"], engine),
        _demand(document["forecast"]),
        Hardware(**_amounts(document["gpu"], Hardware)),
        Times(**_amounts(document["times"], Times, least=0.0)),
        Prices(**_amounts(document["prices"], Prices, least=0.0)),
    )
    if situation.kv_tokens(engine.slots_per_gpu) <= 0:
        Field(document.source, "gpu.memory_bytes", situation.hardware.memory_bytes).fail(
            f"leaves no room beside {situation.ingress_bytes(engine.slots_per_gpu) / 1e9:.1f} GB of weights",
            "give more memory, more GPUs, or fewer redundant experts",
        )
    return situation


def _amount(field: Field, least: float | None = None) -> float:
    """A finite number: above 0, or at least `least`."""
    remedy = "give a finite number above 0" if least is None else f"give a finite number of at least {least:g}"
    value = field.value
    if value is MISSING:
        field.fail("is missing", remedy)
    if isinstance(value, bool) or not isinstance(value, int | float):
        field.fail("is not a number", remedy)
    if not (-MOST <= value <= MOST and math.isfinite(value)):
        field.fail("is not finite or too large", remedy)
    if value < (LEAST if least is None else least):
        field.fail("is too small", remedy)
    return float(value)


def _amounts(field: Field, kind: type[Any], least: float | None = None) -> dict[str, float]:
    """The fields of a class that are given; the others keep their defaults."""
    if field.absent:
        return {}
    names = [one.name for one in fields(kind)]
    field.know(names)
    return {name: _amount(field[name], least) for name in names if not field[name].absent}


def _weights(field: Field) -> Weights:
    """A model in numbers, or a Hugging Face config whose numbers are read; what is given beside replaces those."""
    field.know(MODEL)
    found: dict[str, float] = {}
    if not field["config"].absent:
        spec = read_spec(field["config"].object(), field.source)
        if isinstance(spec, Dense):
            field["config"].fail("is of a model without routed experts", "give a mixture-of-experts model")
        found = {name: getattr(spec, name) for name in MODEL[1:] if getattr(spec, name) is not None}
    for name in MODEL[1:]:
        if name not in found or not field[name].absent:
            whole = name in ("experts", "moe_layers")
            found[name] = field[name].whole(1 if name == "moe_layers" else 2) if whole else _amount(field[name])
    return Weights(**found)  # type: ignore[arg-type]  # whole numbers are whole numbers, or refused


def _engine(field: Field, group: Field, experts: int) -> Engine:
    field.know(ENGINE)
    name = field["name"].text().lower()
    if name not in NAMES:
        field["name"].fail("is not known", f"give {', '.join(NAMES)}")
    gpus, rank = _gpus(group["gpus"]), _default(field["gpus_per_rank"], 1, least=1)
    redundant = _default(field["redundant_experts"], 0)
    if gpus % rank:
        group["gpus"].fail(f"is not a multiple of the {rank} GPUs of a rank", "correct it or engine.gpus_per_rank")
    if name != "reference" and (experts + redundant) % gpus:
        field["redundant_experts"].fail(
            f"makes {experts + redundant} slots, which {gpus} GPUs cannot share alike", "correct it or group.gpus"
        )
    flags = None if field["flags"].absent else read_flags([word.text() for word in field["flags"].items()])
    most = None if field["most_gpus"].absent else _gpus(field["most_gpus"])
    if most is not None and most < gpus:
        field["most_gpus"].fail(f"is less than the {gpus} GPUs of now", "correct it or group.gpus")
    exchange = KEEPS_GRAPHS if field["exchange"].absent else field["exchange"].text()
    step = _default(field["step_gpus"], 0)
    if step % rank:
        field["step_gpus"].fail(f"is not a multiple of the {rank} GPUs of a rank", "correct one of them")
    return Engine(name, experts, redundant, gpus, rank, most, step, flags, exchange)  # type: ignore[arg-type]


def _gpus(field: Field) -> int:
    count = field.whole(1)
    if count > MOST_GPUS:
        field.fail("is too large", f"give at most {MOST_GPUS}")
    return count


def _default(field: Field, otherwise: int, least: int = 0) -> int:
    return otherwise if field.absent else field.whole(least)


def _group(field: Field, engine: Engine) -> Group:
    names = [one.name for one in fields(Group)]
    field.know(("gpus", *names))
    counted = {name: field[name].whole() for name in COUNTED if not field[name].absent}
    amounts = ("tokens_per_second_per_gpu", "tpot_seconds", "context_tokens")
    measured = {name: _amount(field[name]) for name in amounts if name == amounts[0] or not field[name].absent}
    balances = {name: _amount(field[name], 1.0) for name in ("balance_now", "balance_after") if not field[name].absent}
    replicas = _default(field["replicas"], 1, least=1)
    if max([engine.gpus * replicas, *counted.values()]) > 1_000_000:
        field.fail("counts too much", "give fewer GPUs")
    return Group(replicas, **measured, **counted, **balances)  # type: ignore[arg-type]  # counts are whole numbers


COUNTED = ("standby_gpus", "spare_in_fabric", "spare_elsewhere", "copies_per_gpu")


def _demand(field: Field) -> Demand:
    """Paths of demand, or one path as a plain list."""
    field.know(("tokens_per_second", "step_seconds"))
    paths = field["tokens_per_second"]
    if paths.items()[0].value.__class__ is list:
        found = [[_amount(value, 0.0) for value in row.items()] for row in paths.items()]
    else:
        found = [[_amount(value, 0.0) for value in paths.items()]]
    lengths = {len(row) for row in found}
    if len(lengths) > 1:
        paths.fail(f"has paths of {min(lengths)} to {max(lengths)} steps", "make all paths alike")
    if sum(map(len, found)) > MOST_CELLS:
        paths.fail("is too large", f"give at most {MOST_CELLS:,} numbers")
    return Demand(np.array(found), _amount(field["step_seconds"]))
