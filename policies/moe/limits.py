"""What an engine can do to a running group of GPUs: how few, how many, in which steps, and which settings that takes.

Sizes are GPUs of one group, over which experts are spread. Slots of a GPU stay as they are in vLLM and SGLang, so a
group can shrink only as far as all experts still have a slot: with no redundant experts not at all.

References:
    vLLM 0.33, `--enable-elastic-ep` and POST /scale_elastic_ep; its pauses as published for 16 to 20 GPUs and back.
    SGLang 0.5.23, `--elastic-ep-backend mooncake` and POST /scale_elastic_ep.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from foresail.policies.moe.placement import LEAVES, Change

EngineName = Literal["vllm", "sglang", "reference"]
KEEPS_GRAPHS = "nixl_ep"  # the one way of exchange between experts that outlives a change of size in vLLM
VLLM_FLAGS = ("--enable-elastic-ep", "--enable-eplb", "--enable-expert-parallel")
SGLANG_FLAGS = (
    "--elastic-ep-backend",
    "--enable-eplb",
    "--enable-dp-attention",
    "--enable-dp-lm-head",
    "--max-ep-size",
)
SGLANG_VALUES = {
    "--elastic-ep-backend": "mooncake",
    "--moe-a2a-backend": "nixl",
    "--load-balance-method": "round_robin",
}


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine as it runs.

    Args:
        name: Which one.
        experts: Routed experts of a layer.
        redundant_experts: Slots of a layer beyond one for each expert.
        gpus: Of one group now.
        gpus_per_rank: GPUs that come and go together: tensor parallelism, in SGLang with context parallelism.
        most_gpus: What buffers were sized for at the start; None: no more than now.
        step_gpus: Sizes that are wanted are multiples of it; 0: of a rank.
        flags: As it was started, by name; None where that is not known.
        exchange: How tokens get to experts and back, such as `nixl_ep`.
    """

    name: EngineName
    experts: int
    redundant_experts: int
    gpus: int
    gpus_per_rank: int = 1
    most_gpus: int | None = None
    step_gpus: int = 0
    flags: Mapping[str, str] | None = None
    exchange: str = KEEPS_GRAPHS

    @property
    def slots_per_gpu(self) -> int:
        """Slots of a layer on one GPU."""
        return -(-(self.experts + self.redundant_experts) // self.gpus)

    def slots_at(self, gpus: int) -> int:
        """The same in another size: only the reference runtime spreads its slots anew."""
        return -(-(self.experts + self.redundant_experts) // gpus) if self.name == "reference" else self.slots_per_gpu


@dataclass(frozen=True, slots=True)
class Limits:
    """What an engine can do.

    Args:
        least_gpus: Of one group.
        most_gpus: Of one group.
        step_gpus: Sizes are multiples of it.
        victims: Which GPUs may leave: those of the highest ranks, any, or none.
        recaptures: Whether a change of size captures graphs anew, tens of seconds in which nothing is served.
        pause_up_seconds: In which nothing is served while it grows.
        pause_down_seconds: The same while it shrinks.
        shrink_seconds: From the order to shrink until GPUs are free.
        missing: What has to be set before its size can change at all, a sentence each.
    """

    least_gpus: int
    most_gpus: int
    step_gpus: int
    victims: Literal["suffix", "any", "none"]
    recaptures: bool
    pause_up_seconds: float
    pause_down_seconds: float
    shrink_seconds: float
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a size is not possible.

    Args:
        message: One sentence with what would be.
        least_gpus: The fewest that are possible.
        most_gpus: The most.
    """

    message: str
    least_gpus: int
    most_gpus: int


# Seconds that a group pauses while it grows and while it shrinks, and that shrinking takes in all: published for vLLM
# on 16 to 20 GPUs and back; the reference runtime's are the most that its benchmark lets pass.
GRAPHS_KEPT_SECONDS = (0.82, 1.96, 9.3)
RECAPTURE_SECONDS = (58.0, 44.1, 51.5)  # SGLang publishes none: taken to be as long
REFERENCE_SECONDS = (0.15, 0.15, 1.0)


def limits_of(engine: Engine) -> Limits:
    """What an engine can do as it runs."""
    most, step = max(engine.most_gpus or engine.gpus, engine.gpus), engine.step_gpus or engine.gpus_per_rank
    if engine.name == "reference":
        return Limits(1, most, step, "any", False, *REFERENCE_SECONDS)
    recaptures, missing = engine.exchange != KEEPS_GRAPHS, tuple(missing_settings(engine))
    seconds = RECAPTURE_SECONDS if recaptures else GRAPHS_KEPT_SECONDS
    if engine.name == "sglang":
        return Limits(engine.gpus, most, step, "none", recaptures, *RECAPTURE_SECONDS, missing)
    return Limits(_least_ranks(engine) * engine.gpus_per_rank, most, step, "suffix", recaptures, *seconds, missing)


def _least_ranks(engine: Engine) -> int:
    """The fewest ranks whose slots, as many each as now, hold every expert."""
    ranks, slots = engine.gpus // engine.gpus_per_rank, engine.experts + engine.redundant_experts
    return -(-engine.experts * ranks // slots)


def refusal(engine: Engine, gpus: int) -> Refusal | None:
    """Why a group cannot have so many GPUs; None where it can. The size of now is never refused."""
    limits = limits_of(engine)
    said = next(_reasons(engine, limits, gpus), None) if gpus != engine.gpus else None
    return None if said is None else Refusal(said, limits.least_gpus, limits.most_gpus)


def refusal_of_change(engine: Engine, change: Change) -> Refusal | None:
    """Why a group cannot be changed so: its size, the slots of a GPU, or which GPUs leave; None where it can."""
    limits = limits_of(engine)
    refused = refusal(engine, change.gpus)
    said = None if engine.name == "reference" else next(_reasons_of_change(engine, limits, change), None)
    return refused or (None if said is None else Refusal(said, limits.least_gpus, limits.most_gpus))


def _reasons_of_change(engine: Engine, limits: Limits, change: Change) -> Iterator[str]:
    name, slots = NAMES[engine.name], change.current.shape[2]
    if change.slots != slots:
        yield f"{name} keeps the slots of a GPU as they are: {slots}, not {change.slots}."
    stay = np.flatnonzero(change.keep != LEAVES)
    leave, come = len(change.keep) - len(stay), change.gpus - len(stay)
    if limits.victims == "none" and leave:
        yield f"{name} gives up no GPU, and {leave} leave: {limits.least_gpus} are the minimum."
    if leave and come:
        yield f"{name} grows or shrinks, one at a time: here {leave} of the GPUs leave and {come} come."
    if not np.array_equal(change.keep[stay], np.arange(len(stay))) or (stay.size and stay[-1] >= len(stay)):
        yield f"{name} gives up the highest ranks only, and the others keep theirs."


def _reasons(engine: Engine, limits: Limits, gpus: int) -> Iterator[str]:
    name = NAMES[engine.name]
    if limits.missing:
        yield f"{name} cannot change its size as it was started: {'; '.join(limits.missing)}."
    if gpus > limits.most_gpus:
        yield f"{name} was started for at most {limits.most_gpus} GPUs ({MOST_BY[engine.name]}), {gpus} are more."
    if gpus < limits.least_gpus and limits.victims == "none":
        yield f"{name} only grows, so {limits.least_gpus} GPUs are the minimum."
    if gpus < limits.least_gpus:
        yield (
            f"{gpus} GPUs with {engine.slots_per_gpu} slots each do not hold {engine.experts} experts: the minimum is "
            f"{limits.least_gpus}, and lower with more redundant experts (now {engine.redundant_experts})."
        )
    if gpus % limits.step_gpus:
        yield f"{name} changes its size in steps of {limits.step_gpus} GPUs, and {gpus} is not a multiple."


NAMES = {"vllm": "vLLM", "sglang": "SGLang", "reference": "The reference runtime"}
MOST_BY = {"vllm": "--elastic-ep-max-dp-size", "sglang": "--max-ep-size", "reference": "most_gpus"}


def missing_settings(engine: Engine) -> Iterator[str]:
    """What the flags lack that elastic groups need; nothing where flags are not known."""
    flags = engine.flags
    if flags is None or engine.name == "reference":
        return
    for flag in VLLM_FLAGS if engine.name == "vllm" else SGLANG_FLAGS:
        if flags.get(flag, "false") == "false":
            yield f"{flag} is missing"
    if int(flags.get("--pipeline-parallel-size", flags.get("--pp-size", "1")) or 1) != 1:
        yield "pipeline parallelism must be 1"
    yield from _of_vllm(flags) if engine.name == "vllm" else _of_sglang(flags)


def _of_vllm(flags: Mapping[str, str]) -> Iterator[str]:
    if flags.get("--data-parallel-hybrid-lb", "false") != "false":
        yield "--data-parallel-hybrid-lb is not possible"
    if flags.get("--data-parallel-backend") != "ray" and "--data-parallel-rank" not in flags:
        yield "--data-parallel-backend ray, or --data-parallel-rank for a pod each rank, is missing"
    config = flags.get("--eplb-config", "").replace(" ", "").lower()
    moved = {config_part for config_part in config.strip("{}").split(",") if config_part}
    synchronous = '"use_async":false' in moved or flags.get("--eplb-config.use_async", "").lower() == "false"
    if not synchronous and "nixl" not in config + flags.get("--eplb-config.communicator", ""):
        yield "the asynchronous balancer needs communicator nixl, or use_async false, in --eplb-config"


def _of_sglang(flags: Mapping[str, str]) -> Iterator[str]:
    for flag, value in SGLANG_VALUES.items():
        if flags.get(flag, value) != value or flag not in flags:
            yield f"{flag} must be {value}"


def read_flags(words: Sequence[str]) -> dict[str, str]:
    """Flags of a command line by name, "true" for those without a value.

    Args:
        words: As a container's args, such as ["--enable-eplb", "--max-ep-size", "64"].
    """
    found: dict[str, str] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            found[name] = value if equals else "true"
        elif name and found[name] == "true":
            found[name] = word
    return found
