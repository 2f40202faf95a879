"""An instance that was made up, as JSON of one column a line."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from foresail.cli.rescheduling.generation.machines import generate_machines
from foresail.cli.rescheduling.generation.pods import generate_pods
from foresail.cli.rescheduling.generation.wish import GPU_NODES, MACHINES, Wish
from foresail.domain.errors import InputError

# What a cluster of each kind is like where nothing else is asked for: that of VMR2L's high load, and of openb.
USUAL = {"vms": {"load": 0.907, "churn": 3.0, "scatter": 0.42}, "gpus": {"load": 0.72, "churn": 0.0, "scatter": 0.0}}
ONLY = {"vms": ("family", "double", "affinity"), "gpus": ("bound",)}


def generate(arguments: Namespace) -> dict[str, Any]:
    """The instance that is asked for.

    Raises:
        InputError: What is asked for is of the other kind.
    """
    kind: str = arguments.kind
    other = "gpus" if kind == "vms" else "vms"
    for name in ONLY[other]:
        value = getattr(arguments, name)
        if value is not None:
            raise InputError(
                "foresail reschedule generate",
                f"--{name}",
                f"says nothing of {kind}",
                value=value,
                remedy=f"leave it out, or give --kind {other}",
            )
    return (generate_machines if kind == "vms" else generate_pods)(_wish(arguments))


def write(instance: dict[str, Any], name: str) -> None:
    """Write an instance to a file.

    Raises:
        InputError: It cannot be written.
    """
    try:
        Path(name).write_text(f"{to_json(instance)}\n", encoding="utf-8")
    except OSError as error:
        raise InputError(
            name, "--output", "cannot be written", value=error.strerror or str(error), remedy="give another file"
        ) from error


def to_json(instance: dict[str, Any]) -> str:
    """One object, a column a line: short, and a change is seen where it is."""
    parts = ",\n".join(f'"{name}": {_column(value)}' for name, value in instance.items())
    return f"{{\n{parts}\n}}"


def summary(instance: dict[str, Any], name: str, *, as_json: bool) -> str:
    """What was made, a sentence for people."""
    said = _sentence(instance, name)
    return json.dumps({"file": name, **instance["meta"], "message": said}) if as_json else said


def _sentence(instance: dict[str, Any], name: str) -> str:
    nodes, units = ("pms", "vms") if "pms" in instance else ("nodes", "pods")
    counts = f"{len(instance[nodes]['id']):,} {'machines' if nodes == 'pms' else nodes}"
    used = "CPU" if nodes == "pms" else "cards"
    return (
        f"{name}: {counts} with {len(instance[units]['id']):,} {'VMs' if units == 'vms' else units},"
        f" {100 * instance['meta']['load']:.1f} % of the {used} in use, seed {instance['meta']['seed']}."
    )


def _column(value: Any) -> str:
    if isinstance(value, dict) and any(isinstance(member, list) for member in value.values()):
        parts = ",\n".join(f'  "{name}": {json.dumps(member)}' for name, member in value.items())
        return f"{{\n{parts}\n}}"
    return json.dumps(value)


def _wish(arguments: Namespace) -> Wish:
    usual = USUAL[arguments.kind]
    sizes = MACHINES if arguments.kind == "vms" else GPU_NODES
    chosen = {name: usual[name] if getattr(arguments, name) is None else getattr(arguments, name) for name in usual}
    return Wish(
        nodes=sizes[arguments.size] if arguments.nodes is None else arguments.nodes,
        **chosen,
        pinned=arguments.pinned,
        seed=arguments.seed,
        family=arguments.family or "c1",
        double=arguments.double,
        affinity=arguments.affinity or 0.0,
        bound=arguments.bound or 0.0,
    )
