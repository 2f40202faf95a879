"""Configs that cannot be understood: the field is named, and nothing is guessed."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.domain.errors import InputError
from foresail.policies.moe.spec import Dense, read_spec
from tests.unit.policies.moe.configs import DEEPSEEK_V3, GLM_5_FP8, GPT_OSS_120B, QWEN3_30B
from tests.unit.policies.moe.unusual_configs import DEEPSEEK_V4_FLASH, KIMI_K3_SMALL, NEMOTRON_3_NANO

K3 = KIMI_K3_SMALL["text_config"]


@pytest.mark.parametrize(
    ("config", "changes", "field", "said"),
    [
        (QWEN3_30B, {"num_experts": "many"}, "num_experts", "is not a whole number"),
        (QWEN3_30B, {"num_experts": -1}, "num_experts", "is too small"),
        (QWEN3_30B, {"num_experts": 12.5}, "num_experts", "is not a whole number"),
        (QWEN3_30B, {"num_experts": True}, "num_experts", "is not a whole number"),
        (QWEN3_30B, {"num_local_experts": 64}, "num_local_experts", "contradicts num_experts, which is 128"),
        (QWEN3_30B, {"num_experts_per_tok": 129}, "num_experts_per_tok", "is more than the 128 experts"),
        (QWEN3_30B, {"num_experts_per_tok": None}, "num_experts_per_tok", "is missing"),
        (QWEN3_30B, {"hidden_size": None}, "hidden_size", "is missing"),
        (QWEN3_30B, {"num_hidden_layers": None}, "num_hidden_layers", "is missing"),
        (QWEN3_30B, {"moe_intermediate_size": [768, 1024]}, "moe_intermediate_size", "differs from layer to layer"),
        (QWEN3_30B, {"moe_layer_freq": [1, 0]}, "moe_layer_freq", "has 2 layers where there are 48"),
        (
            QWEN3_30B,
            {"moe_layers": [47], "first_k_dense_replace": 1},
            "first_k_dense_replace",
            "contradicts moe_layers",
        ),
        (QWEN3_30B, {"moe_layers": [48]}, "moe_layers", "names a layer that is not one of 48"),
        (QWEN3_30B, {"layer_types": ["full_attention"]}, "layer_types", "has 1 layers"),
        (QWEN3_30B, {"layer_types": ["retention"] * 48}, "layer_types", "whose cache is not known"),
        (QWEN3_30B, {"torch_dtype": "int3"}, "torch_dtype", "is not known"),
        (
            QWEN3_30B,
            {"quantization_config": {"quant_method": "bitsandbytes"}},
            "quantization_config.quant_method",
            "is",
        ),
        (QWEN3_30B, {"quantization_config": "fp8"}, "quantization_config", "is not an object"),
        (QWEN3_30B, {"head_dim": None, "num_attention_heads": 31}, "head_dim", "do not divide"),
        (QWEN3_30B, {"num_kv_shared_layers": 4}, "num_kv_shared_layers", "is not known"),
        (DEEPSEEK_V3, {"moe_intermediate_size": None}, "moe_intermediate_size", "is missing, and intermediate_size is"),
        (DEEPSEEK_V3, {"qk_rope_head_dim": None}, "qk_rope_head_dim", "is missing"),
        (
            DEEPSEEK_V3,
            {"quantization_config": {"quant_method": "fp8", "weight_block_size": 128}},
            "quantization_config.weight_block_size",
            "is not a block",
        ),
        (DEEPSEEK_V3, {"n_group": 7}, "n_group", "does not divide the 256 experts"),
        (DEEPSEEK_V3, {"topk_group": 9}, "topk_group", "is more than the 8 groups"),
        (DEEPSEEK_V3, {"first_k_dense_replace": 62}, "first_k_dense_replace", "is more than the 61 layers"),
        (GLM_5_FP8, {"mlp_layer_types": ["sparse"] * 77 + ["dense"]}, "first_k_dense_replace", "contradicts mlp_layer"),
        (GPT_OSS_120B, {"sliding_window": None}, "sliding_window", "is missing, and layers have one"),
        (NEMOTRON_3_NANO, {"hybrid_override_pattern": "MEX"}, "hybrid_override_pattern", "has 'X'"),
        (NEMOTRON_3_NANO, {"num_hidden_layers": 53}, "hybrid_override_pattern", "has 52 layers where there are 53"),
        (K3, {"linear_attn_config": {"full_attn_layers": [0, 8]}}, "linear_attn_config.full_attn_layers", "number"),
        (DEEPSEEK_V4_FLASH, {"compress_ratios": [4]}, "compress_ratios", "has 1 layers where there are 43"),
        (DEEPSEEK_V4_FLASH, {"expert_dtype": "int2"}, "expert_dtype", "is not known"),
    ],
)
def test_a_field_that_cannot_be_understood_is_named(
    config: dict[str, Any], changes: dict[str, Any], field: str, said: str
) -> None:
    with pytest.raises(InputError) as refused:
        read_spec({**config, **changes}, "config.json")
    assert refused.value.field == field
    assert said in str(refused.value)


def test_what_is_no_config_is_refused() -> None:
    with pytest.raises(InputError, match="model_type: is missing"):
        read_spec({"name": "chat"})


WORTHLESS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.text(max_size=3), st.lists(st.integers())
)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted({*DEEPSEEK_V3, *GPT_OSS_120B, *NEMOTRON_3_NANO})),
    value=WORTHLESS,
    which=st.integers(0, 2),
)
def test_any_value_is_read_or_refused_by_name(name: str, value: object, which: int) -> None:
    config = (DEEPSEEK_V3, GPT_OSS_120B, NEMOTRON_3_NANO)[which]
    with suppress(InputError):  # anything else that is raised fails
        found = read_spec({**config, name: value})
        assert isinstance(found, Dense) or found.experts_per_token <= found.experts
