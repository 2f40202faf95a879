"""A mixture-of-experts model in numbers: experts, what they weigh, what a token takes in the cache; from its config.

What a config does not say is said in `notes` or refused, never guessed in silence. Layers that only predict further
tokens (multi-token prediction) are not counted: they are not there when a model serves without them.

References:
    Hugging Face Transformers' configuration classes; the configs of the families that docs/moe.md lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from foresail.domain.errors import InputError
from foresail.policies.moe.model.attention import Attention, Kind, cache_bytes, index_bytes, read_attention
from foresail.policies.moe.model.fields import (
    EXPERT_HIDDEN,
    EXPERTS,
    EXPERTS_PER_TOKEN,
    GROUPS,
    GROUPS_PER_TOKEN,
    HIDDEN,
    MTP_LAYERS,
    Fields,
    of_language,
)
from foresail.policies.moe.model.layers import Layers, read_layers
from foresail.policies.moe.model.quantisation import Quantisation, read_quantisation
from foresail.policies.moe.model.weights import (
    bytes_of,
    expert_matrices,
    expert_width,
    mtp_matrices,
    other_matrices,
    shared_experts,
)

REMEMBERING: tuple[Kind, ...] = ("full", "window", "compressed")
OF_A_MODEL = (
    "model_type",
    "architectures",
    "num_hidden_layers",
    "hidden_size",
    "n_layer",
    "n_layers",
    "n_embd",
    "d_model",
)


@dataclass(frozen=True, slots=True)
class Dense:
    """The answer for a model without routed experts.

    Args:
        message: One sentence.
    """

    message: str


@dataclass(frozen=True, slots=True)
class MoeSpec:
    """A model with routed experts.

    Args:
        model_type: As its config calls it.
        layers: All layers, without those of multi-token prediction.
        moe_layers: Layers with routed experts.
        dense_layers: Layers with one dense network.
        experts: Routed experts in each such layer.
        experts_per_token: How many of them a token goes to.
        groups: Groups that experts are chosen from, 1 without.
        groups_per_token: How many of the groups a token goes to.
        shared_experts: Experts that see every token.
        hidden_size: Numbers of a token between layers.
        expert_hidden_size: Numbers of a token that a routed expert works on.
        expert_width: Numbers inside a routed expert.
        expert_format: How its numbers are kept.
        expert_bytes: One routed expert of one layer with its scales.
        expert_parameters: Its numbers.
        other_bytes: All that is not a routed expert; None where it cannot be told.
        other_parameters: Its numbers; None where they cannot be told.
        attention: "mla", "gqa", or "shared" where keys and values are one.
        kv_bytes_per_token: What a token adds to a 2-byte cache of all layers, not divided by tensor parallelism.
        windowed_kv_bytes_per_token: Its part in layers that forget it beyond the window.
        window_tokens: How far they remember; None without such layers.
        index_bytes_per_token: What a token adds to the index of sparse attention beside.
        mtp_layers: Layers of multi-token prediction, which are not counted.
        mtp_bytes: What they may add to a checkpoint, at most; None where it cannot be told.
        notes: What was taken for granted.
    """

    model_type: str
    layers: int
    moe_layers: int
    dense_layers: int
    experts: int
    experts_per_token: int
    groups: int
    groups_per_token: int
    shared_experts: int
    hidden_size: int
    expert_hidden_size: int
    expert_width: int
    expert_format: str
    expert_bytes: float
    expert_parameters: int
    other_bytes: float | None
    other_parameters: int | None
    attention: str
    kv_bytes_per_token: float
    windowed_kv_bytes_per_token: float
    window_tokens: int | None
    index_bytes_per_token: float
    mtp_layers: int
    mtp_bytes: float | None
    notes: tuple[str, ...]

    @property
    def routed_bytes(self) -> float:
        """All routed experts."""
        return self.expert_bytes * self.experts * self.moe_layers

    @property
    def total_bytes(self) -> float | None:
        """The whole model; None where a part is not known."""
        return None if self.other_bytes is None else self.routed_bytes + self.other_bytes

    @property
    def total_parameters(self) -> int | None:
        """Numbers of the whole model; None where a part is not known."""
        routed = self.expert_parameters * self.experts * self.moe_layers
        return None if self.other_parameters is None else routed + self.other_parameters


def read_spec(
    config: Mapping[str, Any],
    source: str = "config.json",
    quantisation: Mapping[str, Any] | None = None,
    quantisation_source: str = "hf_quant_config.json",
) -> MoeSpec | Dense:
    """Read a config; `quantisation` is the hf_quant_config.json beside it, where there is one.

    Raises:
        InputError: A field is missing, not understood, or contradicts another; the message names it.
    """
    fields = of_language(Fields(source, config))
    experts = fields.optional(*EXPERTS) or 0
    if experts < 2:
        return _dense(fields, experts)
    layers = read_layers(fields)
    if not layers.experts:
        return _dense(fields, 0)
    beside = None if quantisation is None else Fields(quantisation_source, quantisation)
    formats = read_quantisation(fields, beside)
    return _spec(fields, layers, formats, read_attention(fields, layers.count))


def _dense(fields: Fields, experts: int) -> Dense:
    if not any(fields.has(name) for name in OF_A_MODEL):
        raise InputError(
            fields.source, "model_type", "is missing, as all of a model is", value=None, remedy="give a model's config"
        )
    named = fields.text("model_type") or "this model"
    found = "one expert" if experts == 1 else "no routed experts"
    return Dense(f"{named} is not a mixture-of-experts model: its config has {found} ({', '.join(EXPERTS)}).")


def _spec(fields: Fields, layers: Layers, formats: Quantisation, attention: Attention) -> MoeSpec:
    experts, per_token, groups, groups_per_token = _routing(fields)
    sizes = {layer: bytes_of(expert_matrices(fields, layer), formats) for layer in layers.experts}
    if len(set(sizes.values())) > 1:
        fields.notes.append("experts of some layers are kept in more bits: the larger are counted")
    largest = max(sizes, key=sizes.__getitem__)
    one = expert_matrices(fields, largest)
    others, beyond = other_matrices(fields, layers, attention), mtp_matrices(fields, layers, attention)
    further = fields.optional(*MTP_LAYERS) or 0
    cache = {kind: cache_bytes(fields, attention, kind) for kind in REMEMBERING}
    if others is None:
        fields.notes.append("bytes beside the routed experts are not known: of its attention, or without vocab_size")
    return MoeSpec(
        model_type=fields.text("model_type"),
        layers=layers.count,
        moe_layers=len(layers.experts),
        dense_layers=len(layers.dense),
        experts=experts,
        experts_per_token=per_token,
        groups=groups,
        groups_per_token=groups_per_token,
        shared_experts=shared_experts(fields),
        hidden_size=fields.whole(*HIDDEN),
        expert_hidden_size=fields.optional(*EXPERT_HIDDEN, least=1) or fields.whole(*HIDDEN),
        expert_width=expert_width(fields),
        expert_format=formats.format_of(one[0].tensor).name,
        expert_bytes=sizes[largest],
        expert_parameters=sum(matrix.parameters for matrix in one),
        other_bytes=None if others is None else bytes_of(others, formats),
        other_parameters=None if others is None else sum(matrix.parameters for matrix in others),
        attention=attention.style,
        kv_bytes_per_token=sum(cache.values()),
        windowed_kv_bytes_per_token=cache["window"],
        window_tokens=attention.window_tokens,
        index_bytes_per_token=index_bytes(fields, attention),
        mtp_layers=further,
        mtp_bytes=None if beyond is None else further * (sizes[largest] * experts + bytes_of(beyond, formats)),
        notes=tuple(dict.fromkeys(fields.notes)),
    )


def _routing(fields: Fields) -> tuple[int, int, int, int]:
    """Experts, how many a token goes to, and the same of groups."""
    experts, per_token = fields.whole(*EXPERTS), fields.whole(*EXPERTS_PER_TOKEN)
    if per_token > experts:
        fields.fail(_named(fields, EXPERTS_PER_TOKEN), f"is more than the {experts} experts", "correct one of them")
    groups = fields.optional(*GROUPS) or 1
    groups_per_token = fields.optional(*GROUPS_PER_TOKEN) or 1
    if experts % groups:
        fields.fail(_named(fields, GROUPS), f"does not divide the {experts} experts", "correct one of them")
    if groups_per_token > groups:
        fields.fail(_named(fields, GROUPS_PER_TOKEN), f"is more than the {groups} groups", "correct one of them")
    return experts, per_token, groups, groups_per_token


def _named(fields: Fields, names: tuple[str, ...]) -> str:
    return next((name for name in names if fields.has(name)), names[0])
