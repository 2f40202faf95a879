"""The plan as JSON: `docs/rescheduling.md` says what each field means."""

from __future__ import annotations

import json
import math
from typing import Any

from foresail.cli.rescheduling.answer import Answer
from foresail.cli.rescheduling.machines import VmInstance
from foresail.cli.rescheduling.verification.claim import Move


def to_json(answer: Answer) -> str:
    """One object; what is not known is null."""
    vms = isinstance(answer.instance, VmInstance)
    fields = {
        "objective": answer.objective,
        "price_per_move": answer.price_per_move,
        "moves": [_move(move, vms=vms) for move in answer.moves],
        "waves": [list(wave) for wave in answer.waves],
        "before": dict(answer.before),
        "after": dict(answer.after),
        "bound": answer.bound if answer.bound is not None and math.isfinite(answer.bound) else None,
        "certified": answer.certified,
        "skipped": [{"unit": unit, "reason": reason} for unit, reason in answer.skipped],
        "cpu_seconds": answer.cpu_seconds,
        "message": answer.message,
    }
    return json.dumps(fields, allow_nan=False)


def _move(move: Move, *, vms: bool) -> dict[str, Any]:
    seat = {"numa_node": move.numa_node} if vms else {"cards": list(move.cards or ())}
    return {"unit": move.unit, "to": move.to, **seat}
