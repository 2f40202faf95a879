"""What each layer remembers of a token: all of it, a window, a share (compressed), or nothing (linear attention)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from foresail.policies.moe.model.fields import HEAD_DIM, HEADS, HIDDEN, KV_HEADS, Fields
from foresail.policies.moe.model.layers import blocks

CACHE_BYTES = 2  # of a number in the cache; engines may be told to use one
Kind = Literal["full", "window", "compressed", "linear", "none"]
KINDS: dict[str, Kind] = {
    "full_attention": "full",
    "attention": "full",
    "sliding_attention": "window",
    "chunked_attention": "window",
    "linear_attention": "linear",
    "mamba": "linear",
    "conv": "linear",
    "moe": "none",
    "mlp": "none",
}
DEFAULT_PATTERNS = {"gpt_oss": 2}  # every so many layers one sees everything, where layer_types does not say it
INDEX_BYTES_PER_NUMBER = 132 / 128  # the sparse index keeps one byte a number and four for the scale of 128


@dataclass(frozen=True, slots=True)
class Attention:
    """Attention of a model.

    Args:
        kinds: Of each layer.
        style: "mla", "gqa", or "shared" where keys and values are one.
        ratios: Tokens that share an entry of the cache, by layer; 1 where each has its own.
        window_tokens: How far windows reach; None without windows.
    """

    kinds: tuple[Kind, ...]
    style: Literal["mla", "gqa", "shared"]
    ratios: tuple[int, ...]
    window_tokens: int | None


def read_attention(fields: Fields, count: int) -> Attention:
    """What each layer of a model remembers.

    Raises:
        InputError: A kind of layer is unknown, or lists are of different lengths.
    """
    ratios = fields.whole_list("compress_ratios")
    window = fields.optional("sliding_window", "sliding_window_size", "attention_chunk_size")
    if ratios is not None:  # DeepSeek-V4: one entry more for each layer that only predicts further tokens
        if len(ratios) < count:
            fields.of_layers("compress_ratios", ratios, count)
        found: Sequence[Kind] = ["compressed" if ratio else "window" for ratio in ratios[:count]]
        return Attention(tuple(found), "shared", tuple(max(ratio, 1) for ratio in ratios[:count]), window)
    style: Literal["mla", "gqa"] = "mla" if fields.has("kv_lora_rank") else "gqa"
    if fields.optional("num_kv_shared_layers"):
        fields.fail(
            "num_kv_shared_layers", "is not known: which layers share a cache", "models that share are not read"
        )
    kinds = _kinds(fields, count)
    if "window" in kinds and window is None:
        fields.fail("sliding_window", "is missing, and layers have one", "give how many tokens a window holds")
    return Attention(tuple(kinds), style, (1,) * count, window if "window" in kinds else None)


def _kinds(fields: Fields, count: int) -> list[Kind]:
    for read in (_named, _marked, _numbered, _every):
        found = read(fields, count)
        if found is not None:
            return found
    windowed = fields.has("sliding_window") and fields.values.get("use_sliding_window", True)
    full = (fields.optional("max_window_layers") or 0) if windowed else count  # Qwen: the first see everything
    return ["full" if layer < full else "window" for layer in range(count)]


def _named(fields: Fields, count: int) -> list[Kind] | None:
    """Named layer by layer: Qwen3-Next, gpt-oss, Llama 4, Nemotron-H."""
    kinds, name = blocks(fields), "hybrid_override_pattern"
    for name in () if kinds is not None else ("layer_types", "layers_block_type"):
        kinds = fields.words(name)
        if kinds is not None:
            break
    if kinds is None:
        return None
    fields.of_layers(name, kinds, count)
    for kind in kinds:
        if kind not in KINDS:
            fields.fail(name, f"has {kind!r}, whose cache is not known", f"known are {', '.join(KINDS)}")
    return [KINDS[kind] for kind in kinds]


def _marked(fields: Fields, count: int) -> list[Kind] | None:
    """Marked by ones and zeros: MiniMax (1 is full), MiMo (1 is a window)."""
    for name, one, zero in (("attn_type_list", "full", "linear"), ("hybrid_layer_pattern", "window", "full")):
        flags = fields.whole_list(name)
        if flags is not None:
            fields.of_layers(name, flags, count)
            return [one if flag else zero for flag in flags]  # type: ignore[misc]  # literals of the row above
    return None


def _numbered(fields: Fields, count: int) -> list[Kind] | None:
    """Numbered from one: Kimi Linear and K3."""
    mixed = fields.inner("linear_attn_config")
    full = None if mixed is None else mixed.whole_list("full_attn_layers")
    if mixed is None or full is None:
        return None
    linear = mixed.whole_list("kda_layers")
    if linear is not None and sorted([*full, *linear]) != list(range(1, count + 1)):
        mixed.fail("kda_layers", f"and full_attn_layers are not the {count} layers, each once", "number them from 1")
    if full and not 1 <= min(full) <= max(full) <= count:
        mixed.fail("full_attn_layers", f"names a layer that is not one of {count}", "number them from 1")
    return ["full" if layer in full else "linear" for layer in range(1, count + 1)]


def _every(fields: Fields, count: int) -> list[Kind] | None:
    """Every so many layers one sees everything: Qwen3-Next, Jamba, gpt-oss and others with windows."""
    interval = fields.optional("full_attention_interval", least=1)
    if interval is not None:
        return ["linear" if (layer + 1) % interval else "full" for layer in range(count)]
    period, offset = fields.optional("attn_layer_period", least=1), fields.optional("attn_layer_offset") or 0
    if period is not None:
        return ["full" if layer % period == offset else "linear" for layer in range(count)]
    pattern = fields.optional("sliding_window_pattern", least=1) or DEFAULT_PATTERNS.get(fields.text("model_type"))
    if pattern is None or not fields.has("sliding_window"):
        return None
    if not fields.has("sliding_window_pattern"):
        fields.notes.append(f"layer_types is missing: every {pattern}nd layer is taken to see everything")
    return ["window" if (layer + 1) % pattern else "full" for layer in range(count)]


def cache_bytes(fields: Fields, attention: Attention, kind: Kind) -> float:
    """Bytes that a token adds to the caches of all layers of a kind, not divided by tensor parallelism."""
    layers = [layer for layer, found in enumerate(attention.kinds) if found == kind]
    return sum(CACHE_BYTES * _numbers(fields, attention, kind) / attention.ratios[layer] for layer in layers)


def index_bytes(fields: Fields, attention: Attention) -> float:
    """Bytes that a token adds to the sparse index of all layers, 0 without one."""
    size = fields.optional("index_head_dim")
    if not size:
        return 0.0
    held = [
        ratio for kind, ratio in zip(attention.kinds, attention.ratios, strict=True) if kind == "full" or ratio == 4
    ]
    return sum(size * INDEX_BYTES_PER_NUMBER / ratio for ratio in held)


def _numbers(fields: Fields, attention: Attention, kind: Kind) -> int:
    """Numbers that one layer keeps of a token."""
    if attention.style == "mla":
        return fields.whole("kv_lora_rank") + fields.whole("qk_rope_head_dim", least=0)
    if attention.style == "shared":
        return fields.whole(*HEAD_DIM)
    heads, key, value = heads_of(fields, kind)
    return heads * (key + value)


def heads_of(fields: Fields, kind: Kind) -> tuple[int, int, int]:
    """Heads of keys and values in one layer, and the numbers of a key and of a value."""
    own = "swa_" if kind == "window" else "global_"  # MiMo, Gemma
    counts = ("swa_num_key_value_heads",) if kind == "window" else ("num_global_key_value_heads",)
    heads = fields.optional(*counts, least=1) or fields.optional(*KV_HEADS, least=1)
    if heads is None:
        heads = fields.whole(*HEADS)
        fields.notes.append(f"num_key_value_heads is missing: taken to be num_attention_heads, {heads}")
    key = fields.optional(f"{own}head_dim", least=1) or head_dim(fields)
    return heads, key, fields.optional(f"{own}v_head_dim", "v_head_dim", least=1) or key


def head_dim(fields: Fields) -> int:
    """Numbers of one head."""
    given = fields.optional(*HEAD_DIM, least=1)
    if given is not None:
        return given
    hidden, heads = fields.whole(*HIDDEN), fields.whole(*HEADS)
    if hidden % heads:
        fields.fail("head_dim", f"is missing, and {heads} heads do not divide hidden_size {hidden}", "give it")
    return hidden // heads
