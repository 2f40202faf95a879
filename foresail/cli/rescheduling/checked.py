"""What the replay of a plan found, as JSON and for people."""

from __future__ import annotations

import json

from foresail.cli.rescheduling.instance import Instance
from foresail.cli.rescheduling.machines import VmInstance
from foresail.cli.rescheduling.verification.claim import Claim
from foresail.cli.rescheduling.verification.fault import Fault
from foresail.cli.rescheduling.verification.verify import Verdict

MOST_FAULTS = 20  # in the text; JSON has all


def to_json(claim: Claim, verdict: Verdict, message: str) -> str:
    """One object."""
    fields = {
        "valid": not verdict.faults,
        "faults": [
            {"kind": str(one.kind), "move": one.move, "wave": one.wave, "message": one.message}
            for one in verdict.faults
        ],
        "moves": len(claim.moves),
        "waves": None if claim.waves is None else len(claim.waves),
        "before": dict(verdict.before),
        "after": dict(verdict.after),
        "message": message,
    }
    return json.dumps(fields, allow_nan=False)


def to_text(instance: Instance, verdict: Verdict, message: str) -> str:
    """The faults, the measures and the sentence."""
    shown = [f"  {_where(one)}{one.message}" for one in verdict.faults[:MOST_FAULTS]]
    if len(verdict.faults) > MOST_FAULTS:
        shown.append(f"  and {len(verdict.faults) - MOST_FAULTS} more; --format json has all")
    return "\n".join([message, *shown, *_measures(instance, verdict)])


def sentence(claim: Claim, verdict: Verdict) -> str:
    """What came of it."""
    moves = f"{len(claim.moves)} move{'' if len(claim.moves) == 1 else 's'}"
    waves = "" if claim.waves is None else f" in {len(claim.waves)} wave{'' if len(claim.waves) == 1 else 's'}"
    if verdict.faults:
        count = len(verdict.faults)
        return f"Not valid: {count} fault{'' if count == 1 else 's'} in {moves}{waves}."
    order = "" if claim.waves is None else ", and so does each wave with all its destinations held first"
    return f"Valid: {moves}{waves}. Every move fits while its source is still held{order}."


def _where(fault: Fault) -> str:
    parts = [f"{name} {place}" for name, place in (("move", fault.move), ("wave", fault.wave)) if place is not None]
    return f"{', '.join(parts)}: " if parts else ""


def _measures(instance: Instance, verdict: Verdict) -> list[str]:
    before, after = verdict.before, verdict.after
    if isinstance(instance, VmInstance):
        rates = f"fragment rate {100 * before['fragment_rate']:.2f} % -> {100 * after['fragment_rate']:.2f} %"
        return [f"{rates}, free slots {before['free_slots']:g} -> {after['free_slots']:g}"]
    gpus = f"fragmented GPUs {before['fragmented_gpus']:.2f} -> {after['fragmented_gpus']:.2f}"
    return [f"{gpus}, whole free nodes {before['whole_free_nodes']:g} -> {after['whole_free_nodes']:g}"]
