"""Which accelerator and model are meant: data sheets and configs by the names that clusters and engines use."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from foresail.domain.accelerator import Accelerator
from foresail.policies.allocation.profiles.deployment import AcceleratorSpec, ModelSpec
from foresail.profiles.shipped import catalog

# A fine-tune for instructions has the sizes of its base; Meta renamed the family without touching it.
_SAME_SIZES = re.compile(r"^meta-(?=llama)|-(instruct|chat|it|hf)(?=$|-)")


@cache
def _data() -> dict[str, Any]:
    text = files("foresail.profiles").joinpath("hardware.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


@cache
def accelerator_specs() -> dict[str, AcceleratorSpec]:
    """Every data sheet, by name."""
    more = {name: AcceleratorSpec(name, **spec) for name, spec in _data()["accelerators"].items()}
    return catalog().accelerators | more


@cache
def model_specs() -> dict[str, ModelSpec]:
    """Every model config, by its plain name."""
    more = [ModelSpec(name, **spec) for name, spec in _data()["models"].items()]
    return {plain_name(spec.name): spec for spec in (*more, *catalog().models.values())}


def accelerator_spec(accelerator: Accelerator) -> AcceleratorSpec | None:
    """The data sheet that the profile names, else the one that its nodes' labels tell; None when neither is known."""
    named = [accelerator.hardware] if accelerator.hardware else []
    told = [_data()["labels"].get(value) for value in accelerator.node_selector.values()]
    return next((spec for name in (named or told) if (spec := accelerator_specs().get(name or "")) is not None), None)


def model_spec(name: str | None) -> ModelSpec | None:
    """The config of the model that engines report under this name; quantised ones have other names and other sizes."""
    return None if name is None else model_specs().get(plain_name(name))


def plain_name(name: str) -> str:
    """A model's name without its owner, case and words that leave its sizes as they are."""
    return _SAME_SIZES.sub("", name.rsplit("/", 1)[-1].lower())
