"""`foresail moe spec`: what a Hugging Face config says of a mixture-of-experts model."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foresail.policies.moe.model.checkpoint import Checked
    from foresail.policies.moe.spec import MoeSpec

SUMMARY = "read experts, their bytes and the cache's bytes from a Hugging Face config.json"
DESCRIPTION = """Read a mixture-of-experts model from its Hugging Face config.json: experts, bytes of one with its
quantisation scales, bytes that a token takes in the cache.

hf_quant_config.json and model.safetensors.index.json in the same folder are read too. Exit 0: read; 1: the model has no
routed experts, or its checkpoint is of another size; 2: a field cannot be understood.
"""
EXAMPLE = "foresail moe spec examples/moe/deepseek-v3.json"
QUANTISATION, INDEX = "hf_quant_config.json", "model.safetensors.index.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("config", metavar="CONFIG.json", help="a model's config, as Hugging Face has it")
    parser.add_argument("--quantisation", metavar="FILE", help=f"such as {QUANTISATION}; by default the one beside")
    parser.add_argument("--index", metavar="FILE", help=f"such as {INDEX}, to compare with; by default the one beside")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="text is for people (default)")


def run(arguments: argparse.Namespace) -> int:
    """Read, compare, print; returns 1 where there are no experts or the checkpoint disagrees."""
    from foresail.cli.fields import read_document  # noqa: PLC0415 - lazy: --help is quick
    from foresail.policies.moe.model.checkpoint import check_checkpoint  # noqa: PLC0415 - lazy
    from foresail.policies.moe.spec import Dense, read_spec  # noqa: PLC0415 - lazy

    file = Path(arguments.config)
    config = read_document(file).object()
    beside, index = _beside(file, arguments.quantisation, QUANTISATION), _beside(file, arguments.index, INDEX)
    quantisation = () if beside is None else (read_document(beside).object(), str(beside))
    found = read_spec(config, str(file), *quantisation)
    if isinstance(found, Dense):
        print(json.dumps({"moe": False, "message": found.message}) if arguments.format == "json" else found.message)
        return 1
    checked = None if index is None else check_checkpoint(found, read_document(index).object(), str(index))
    print(json.dumps(_fields(found, checked)) if arguments.format == "json" else _text(found, checked))
    return int(checked is not None and not checked.agrees)


def _beside(config: Path, given: str | None, name: str) -> Path | None:
    if given is not None:
        return Path(given)
    return config.with_name(name) if config.name == "config.json" and config.with_name(name).is_file() else None


def _fields(spec: MoeSpec, checked: Checked | None) -> dict[str, Any]:
    """All that is known; bytes are whole numbers."""
    found = {name: _whole(name, value) for name, value in asdict(spec).items()}
    sums = {
        "routed_bytes": spec.routed_bytes,
        "total_bytes": spec.total_bytes,
        "total_parameters": spec.total_parameters,
    }
    found |= {name: None if value is None else round(value) for name, value in sums.items()}
    found["checkpoint"] = None if checked is None else {**asdict(checked), "agrees": checked.agrees}
    return {"moe": True, **found, "message": _message(spec, checked)}


def _whole(name: str, value: Any) -> Any:
    return round(value) if isinstance(value, float) and "bytes" in name else value


def _message(spec: MoeSpec, checked: Checked | None) -> str:
    told = (
        f"{spec.model_type or 'This model'} has {spec.experts} experts in each of {spec.moe_layers} layers, "
        f"{spec.expert_bytes / 1e6:.2f} MB each in {spec.expert_format}; a token goes to {spec.experts_per_token}."
    )
    return told if checked is None else f"{told} {checked.message}"


def _text(spec: MoeSpec, checked: Checked | None) -> str:
    from rich.table import Table  # noqa: PLC0415 - lazy

    from foresail.cli.text import rendered  # noqa: PLC0415 - lazy

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name, value in _rows(spec):
        table.add_row(name, value)
    return "\n".join([rendered(table), "", *(f"note: {note}" for note in spec.notes), _message(spec, checked)])


def _rows(spec: MoeSpec) -> list[tuple[str, str]]:
    groups = f", chosen in {spec.groups_per_token} of {spec.groups} groups" if spec.groups > 1 else ""
    window = f", {spec.windowed_kv_bytes_per_token / 1024:.1f} KiB of it for {spec.window_tokens} tokens only"
    index = f", and {spec.index_bytes_per_token / 1024:.1f} KiB in an index"
    cache = f"{spec.kv_bytes_per_token / 1024:.1f} KiB a token ({spec.attention})"
    cache += (window if spec.window_tokens else "") + (index if spec.index_bytes_per_token else "")
    narrow = "" if spec.expert_hidden_size == spec.hidden_size else f" on {spec.expert_hidden_size} of them"
    return [
        ("experts", f"{spec.experts} a layer, a token goes to {spec.experts_per_token}{groups}"),
        ("layers", f"{spec.moe_layers} with experts, {spec.dense_layers} dense, {spec.layers} in all"),
        ("shared experts", str(spec.shared_experts)),
        ("widths", f"{spec.hidden_size} between layers, {spec.expert_width} inside an expert{narrow}"),
        ("one expert", f"{spec.expert_bytes / 1e6:.2f} MB in {spec.expert_format}"),
        ("all experts", f"{spec.routed_bytes / 1e9:.1f} GB"),
        ("all else", "not known" if spec.other_bytes is None else f"{spec.other_bytes / 1e9:.1f} GB"),
        ("cache", cache),
        ("prediction layers", f"{spec.mtp_layers}, not counted"),
    ]
