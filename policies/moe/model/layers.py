"""Which layers hold experts: every family says it in another way, and what is said twice must agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from foresail.policies.moe.model.fields import LAYERS, Fields

EXPERTS_PATTERN, DENSE_PATTERN = "E", "-"  # of hybrid_override_pattern; M is Mamba and * attention
MOST_LAYERS = 10_000  # more are slips of the keyboard
SPARSE_WORDS = ("sparse", "moe")


@dataclass(frozen=True, slots=True)
class Layers:
    """What follows attention in each layer.

    Args:
        count: All layers, without those that only predict more tokens at once.
        experts: Indices of layers with routed experts.
        dense: Indices of layers with one dense network.
    """

    count: int
    experts: tuple[int, ...]
    dense: tuple[int, ...]


def read_layers(fields: Fields) -> Layers:
    """Which layers hold experts, and which a dense network.

    Raises:
        InputError: It is said twice, differently.
    """
    count = count_layers(fields)
    block_types = blocks(fields)
    if block_types is not None:
        experts = _where(block_types, "moe")
        return Layers(count, experts, _where(block_types, "mlp"))
    said = dict(_statements(fields, count))
    telling = {name: layers for name, layers in said.items() if len(layers) < count} or said
    names = list(telling)
    for name in names[1:]:
        if telling[name] != telling[names[0]]:
            fields.fail(name, f"contradicts {names[0]}: they name different layers of experts", "correct one of them")
    found = telling[names[0]] if names else frozenset(range(count))
    return Layers(count, tuple(sorted(found)), tuple(layer for layer in range(count) if layer not in found))


def count_layers(fields: Fields) -> int:
    """How many there are; counted in a list of layers where no number is given."""
    if not fields.has(*LAYERS):
        for name in ("hybrid_override_pattern", "layers_block_type", "layer_types"):
            if isinstance(fields.values.get(name), str | list):
                fields.notes.append(f"num_hidden_layers is missing: counted in {name}")
                return len(fields.values[name])
    count = fields.whole(*LAYERS)
    if count > MOST_LAYERS:
        fields.fail("num_hidden_layers", "is too large", f"give at most {MOST_LAYERS}")
    return count


def blocks(fields: Fields) -> list[str] | None:
    """What each layer of a hybrid is, where a layer is one block: mamba, attention, moe or mlp."""
    pattern = fields.values.get("hybrid_override_pattern")
    if pattern is None:
        kinds = fields.words("layers_block_type")
        return kinds if kinds is not None and {"moe", "mlp"} & set(kinds) else None
    if not isinstance(pattern, str):
        fields.fail("hybrid_override_pattern", "is not a word", "give one letter for each layer")
    names = {"M": "mamba", "*": "attention", EXPERTS_PATTERN: "moe", DENSE_PATTERN: "mlp"}
    for letter in pattern:
        if letter not in names:
            fields.fail("hybrid_override_pattern", f"has {letter!r}", "give M, *, E or - for each layer")
    fields.of_layers("hybrid_override_pattern", pattern, count_layers(fields))
    return [names[letter] for letter in pattern]


def _where(kinds: list[str], kind: str) -> tuple[int, ...]:
    return tuple(layer for layer, found in enumerate(kinds) if found == kind)


def _statements(fields: Fields, count: int) -> Iterator[tuple[str, frozenset[int]]]:
    """Each way in which the config says which layers hold experts."""
    yield from _lists(fields, count).items()
    yield from _steps(fields, count)
    start = fields.optional("moe_layer_start_index")
    if start is not None:  # Ernie
        end = fields.optional("moe_layer_end_index", least=-1)
        step = fields.optional("moe_layer_interval", least=1) or 1
        last = count - 1 if end is None or end < 0 else end
        yield "moe_layer_start_index", frozenset(i for i in range(start, last + 1) if (i + 1) % step == 0)


def _lists(fields: Fields, count: int) -> Mapping[str, frozenset[int]]:
    """What is named layer by layer."""
    found: dict[str, frozenset[int]] = {}
    named = fields.whole_list("moe_layers")
    if named:  # Llama 4
        found["moe_layers"] = frozenset(named)
    listed = fields.values.get("moe_layers_enum")
    if isinstance(listed, str) and listed.strip():  # Step
        if not all(item.strip().isdigit() for item in listed.split(",")):
            fields.fail("moe_layers_enum", "is not a list of numbers", "give numbers with commas between")
        found["moe_layers_enum"] = frozenset(int(item) for item in listed.split(","))
    flags = fields.whole_list("moe_layer_freq")
    if flags is not None:  # MiMo
        fields.of_layers("moe_layer_freq", flags, count)
        found["moe_layer_freq"] = frozenset(layer for layer, flag in enumerate(flags) if flag)
    kinds = fields.words("mlp_layer_types")
    if kinds is not None:
        fields.of_layers("mlp_layer_types", kinds, count)
        found["mlp_layer_types"] = frozenset(i for i, kind in enumerate(kinds) if any(w in kind for w in SPARSE_WORDS))
    for name, layers in found.items():
        if layers and not 0 <= min(layers) <= max(layers) < count:
            fields.fail(name, f"names a layer that is not one of {count}", "correct it or num_hidden_layers")
    return found


def _steps(fields: Fields, count: int) -> Iterator[tuple[str, frozenset[int]]]:
    """What recurs every so many layers."""
    step = fields.optional("interleave_moe_layer_step")
    if step:  # Llama 4
        yield "interleave_moe_layer_step", frozenset(range(step - 1, count, step))
    period = fields.optional("expert_layer_period", least=1)
    if period is not None:  # Jamba
        yield "expert_layer_period", frozenset(range(fields.optional("expert_layer_offset") or 0, count, period))
    step, skipped = fields.optional("decoder_sparse_step"), fields.whole_list("mlp_only_layers")
    if step is not None or skipped is not None:  # Qwen
        every = max(step if step is not None else 1, 1)
        yield "decoder_sparse_step", frozenset(range(every - 1, count, every)) - set(skipped or ())
    first = fields.optional("first_k_dense_replace", "num_dense_layers")
    frequency = None if isinstance(fields.values.get("moe_layer_freq"), list) else fields.optional("moe_layer_freq")
    if first is not None or frequency:  # DeepSeek, Kimi, GLM
        if first is not None and first > count:
            fields.fail("first_k_dense_replace", f"is more than the {count} layers", "correct it or num_hidden_layers")
        yield "first_k_dense_replace", frozenset(i for i in range(first or 0, count) if i % (frequency or 1) == 0)
