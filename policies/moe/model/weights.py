"""The matrices of a model: of one routed expert, and of all that is not a routed expert.

Only matrices are counted: norms and biases elsewhere are less than a thousandth. Attention that is not known here makes
the rest unknown, and never zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from foresail.policies.moe.model.attention import Attention, head_dim, heads_of
from foresail.policies.moe.model.fields import (
    EXPERT_HIDDEN,
    EXPERT_WIDTH,
    HEADS,
    HIDDEN,
    OWN_WIDTH,
    SHARED_EXPERTS,
    SHARED_WIDTH,
    Fields,
)
from foresail.policies.moe.model.layers import Layers
from foresail.policies.moe.model.quantisation import Quantisation

TWO_MATRICES = ("nemotron_h",)  # up and down; every other family has a gate beside
BIASED_EXPERTS = ("gpt_oss",)
ONE_SHARED = ("llama4", "llama4_text")  # a shared expert in each layer of experts that the config does not name
GATED_ATTENTION = ("qwen3_next", "qwen3_5_moe", "qwen3_5_moe_text")


@dataclass(frozen=True, slots=True)
class Matrix:
    """Matrices of a kind.

    Args:
        tensor: Name, for its format.
        rows: Numbers that come out.
        columns: Numbers that go in.
        count: How many there are.
    """

    tensor: str
    rows: int
    columns: int
    count: int = 1

    @property
    def parameters(self) -> int:
        """Numbers in all of them."""
        return self.rows * self.columns * self.count


def bytes_of(matrices: Sequence[Matrix], quantisation: Quantisation) -> float:
    """Bytes of matrices with their scales."""
    return sum(quantisation.format_of(one.tensor).bytes_of(one.rows, one.columns) * one.count for one in matrices)


def expert_width(fields: Fields) -> int:
    """Numbers that an expert has inside; beside dense layers `intermediate_size` is their width and not an expert's."""
    if fields.optional("first_k_dense_replace") and not fields.has(*OWN_WIDTH):
        fields.fail(OWN_WIDTH[0], "is missing, and intermediate_size is that of dense layers", "give it")
    return fields.first_of(*EXPERT_WIDTH)


def expert_matrices(fields: Fields, layer: int) -> list[Matrix]:
    """Matrices of one routed expert of a layer, biases as matrices of one column."""
    width = expert_width(fields)
    hidden = fields.optional(*EXPERT_HIDDEN, least=1) or fields.whole(*HIDDEN)
    name = f"model.layers.{layer}.mlp.experts.0"
    found = list(_network(fields, name, hidden, width))
    if fields.text("model_type") in BIASED_EXPERTS:  # kept as they were trained, as the router is
        found.append(Matrix("router", sum(one.rows for one in found), 1))
    return found


def _network(fields: Fields, name: str, hidden: int, width: int) -> Iterator[Matrix]:
    ups = ("up_proj",) if fields.text("model_type") in TWO_MATRICES else ("gate_proj", "up_proj")
    for up in ups:
        yield Matrix(f"{name}.{up}", width, hidden)
    yield Matrix(f"{name}.down_proj", hidden, width)


def shared_experts(fields: Fields) -> int:
    """How many experts see every token."""
    given = fields.optional(*SHARED_EXPERTS)
    if given is None and fields.text("model_type") in ONE_SHARED:
        return 1
    return given if given is not None else int(bool(fields.optional(*SHARED_WIDTH)))


def other_matrices(fields: Fields, layers: Layers, attention: Attention) -> list[Matrix] | None:
    """All that is not a routed expert, for people who compare with a checkpoint; None where attention is not known."""
    mixers = [_mixer(fields, attention, layer) for layer in range(layers.count)]
    if not fields.has("vocab_size") or any(mixer is None for mixer in mixers):
        return None
    tied = bool(fields.values.get("tie_word_embeddings", False))
    hidden = fields.whole(*HIDDEN)
    found = [Matrix("embed_tokens", fields.whole("vocab_size"), hidden, 1 if tied else 2)]
    found += [matrix for mixer in mixers for matrix in mixer or ()]
    for layer in layers.experts:
        found += _beside_experts(fields, layer)
    for layer in layers.dense:
        found += _network(fields, f"model.layers.{layer}.mlp", hidden, _dense_width(fields))
    return found


def mtp_matrices(fields: Fields, layers: Layers, attention: Attention) -> list[Matrix] | None:
    """All of one layer of multi-token prediction but its routed experts, with its own copies of both embeddings."""
    mixer, hidden = _mixer(fields, attention, layers.experts[-1]), fields.whole(*HIDDEN)
    if mixer is None or not fields.has("vocab_size"):
        return None
    joint = Matrix("eh_proj", hidden, 2 * hidden)
    copies = Matrix("embed_tokens", fields.whole("vocab_size"), hidden, 2)
    return [*mixer, *_beside_experts(fields, layers.experts[-1]), joint, copies]


def _dense_width(fields: Fields) -> int:
    return fields.first_of("intermediate_size_mlp", "intermediate_size", *EXPERT_WIDTH)


def _beside_experts(fields: Fields, layer: int) -> Iterator[Matrix]:
    """Router, shared experts and the way into a latent space."""
    hidden, name = fields.whole(*HIDDEN), f"model.layers.{layer}.mlp"
    yield Matrix(
        "router", fields.whole("n_routed_experts", "num_experts", "num_local_experts", "moe_num_experts"), hidden
    )
    count, latent = shared_experts(fields), fields.optional(*EXPERT_HIDDEN)
    width = fields.optional(*SHARED_WIDTH, least=1) or expert_width(fields) * count
    if count:
        yield from _network(fields, f"{name}.shared_experts", hidden, width)
    if latent and latent != hidden:
        yield Matrix(f"{name}.routed_expert_down_proj", latent, hidden, 2)


def _mixer(fields: Fields, attention: Attention, layer: int) -> list[Matrix] | None:
    """Matrices of a layer's attention, or of what stands for it."""
    kind, name = attention.kinds[layer], f"model.layers.{layer}"
    if kind == "none":
        return []
    if kind == "linear":
        return _mamba(fields, name) or _delta(fields, name)
    if attention.style == "shared":
        return None
    return _latent(fields, name) if attention.style == "mla" else _grouped(fields, attention, layer)


def _grouped(fields: Fields, attention: Attention, layer: int) -> list[Matrix]:
    hidden, heads, name = fields.whole(*HIDDEN), fields.whole(*HEADS), f"model.layers.{layer}.self_attn"
    kv_heads, key, value = heads_of(fields, attention.kinds[layer])
    gates = 2 if fields.text("model_type") in GATED_ATTENTION else 1
    return [
        Matrix(f"{name}.q_proj", heads * key * gates, hidden),
        Matrix(f"{name}.k_proj", kv_heads * key, hidden),
        Matrix(f"{name}.v_proj", kv_heads * value, hidden),
        Matrix(f"{name}.o_proj", hidden, heads * value),
    ]


def _latent(fields: Fields, layer: str) -> list[Matrix]:
    """Multi-head latent attention."""
    hidden, heads, name = fields.whole(*HIDDEN), fields.whole(*HEADS), f"{layer}.self_attn"
    rank, rope = fields.whole("kv_lora_rank"), fields.optional("qk_rope_head_dim") or 0
    nope = fields.optional("qk_nope_head_dim") or head_dim(fields)
    value, queries = fields.optional("v_head_dim", least=1) or nope, fields.optional("q_lora_rank")
    found = [
        Matrix(f"{name}.kv_a_proj_with_mqa", rank + rope, hidden),
        Matrix(f"{name}.kv_b_proj", heads * (nope + value), rank),
        Matrix(f"{name}.o_proj", hidden, heads * value),
    ]
    if queries:
        return [*found, Matrix(f"{name}.q_a_proj", queries, hidden), _queries(name, heads * (nope + rope), queries)]
    return [*found, _queries(name, heads * (nope + rope), hidden)]


def _queries(name: str, rows: int, columns: int) -> Matrix:
    return Matrix(f"{name}.q_b_proj", rows, columns)


def _delta(fields: Fields, layer: str) -> list[Matrix] | None:
    """Qwen3-Next's gated delta network."""
    if not fields.has("linear_num_value_heads"):
        return None
    hidden, name = fields.whole(*HIDDEN), f"{layer}.linear_attn"
    keys = fields.whole("linear_num_key_heads") * fields.whole("linear_key_head_dim")
    values = fields.whole("linear_num_value_heads") * fields.whole("linear_value_head_dim")
    inward = 2 * keys + 2 * values + 2 * fields.whole("linear_num_value_heads")
    return [Matrix(f"{name}.in_proj", inward, hidden), Matrix(f"{name}.out_proj", hidden, values)]


def _mamba(fields: Fields, layer: str) -> list[Matrix] | None:
    """Mamba 2, as in Nemotron-H."""
    if not fields.has("mamba_num_heads"):
        return None
    hidden, heads = fields.whole(*HIDDEN), fields.whole("mamba_num_heads")
    inner = heads * fields.whole("mamba_head_dim")
    states = 2 * fields.whole("n_groups") * fields.whole("ssm_state_size")
    return [
        Matrix(f"{layer}.mixer.in_proj", 2 * inner + states + heads, hidden),
        Matrix(f"{layer}.mixer.out_proj", hidden, inner),
    ]
