"""The answer as JSON: `docs/moe.md` says what each field means."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np

from foresail.cli.experts.planned import Planned, message
from foresail.policies.moe.limits import Refusal

FIELDS = (
    "copies",
    "copies_into_survivors",
    "floor_copies",
    "balance_mean",
    "balance_worst",
    "balance_mean_now",
    "scratch_balance_mean",
    "scratch_balance_worst",
    "scratch_copies",
    "bytes",
    "estimated_seconds",
    "peak_extra_bytes",
    "waves",
    "cpu_seconds",
    "message",
    "refused",
    "placement",
)


def to_json(planned: Planned, *, with_placement: bool) -> str:
    """One object; what is not known is null."""
    return json.dumps(_fields(planned, with_placement=with_placement), allow_nan=False)


def refused_to_json(refused: Refusal) -> str:
    """The same object where the engine cannot do it: nothing is planned, so all but two fields are null."""
    return json.dumps(dict.fromkeys(FIELDS) | {"message": refused.message, "refused": asdict(refused)})


def _fields(planned: Planned, *, with_placement: bool) -> dict[str, Any]:
    return {
        "copies": planned.copies,
        "copies_into_survivors": planned.into_survivors,
        "floor_copies": planned.floor,
        "balance_mean": float(np.mean(planned.balance)),
        "balance_worst": float(np.max(planned.balance)),
        "balance_mean_now": float(np.mean(planned.balance_now)),
        "scratch_balance_mean": float(np.mean(planned.balance_scratch)),
        "scratch_balance_worst": float(np.max(planned.balance_scratch)),
        "scratch_copies": planned.scratch_copies,
        "bytes": planned.bytes,
        "estimated_seconds": planned.seconds,
        "peak_extra_bytes": planned.peak_extra_bytes,
        "waves": None if planned.steps is None else [wave.tolist() for wave in planned.steps.waves()],
        "cpu_seconds": planned.cpu_seconds,
        "message": message(planned),
        "refused": None,
        "placement": _placement(planned) if with_placement else None,
    }


def _placement(planned: Planned) -> list[Any]:
    placement = planned.plan.placement
    return list((placement if planned.case.layered else placement[0]).tolist())
