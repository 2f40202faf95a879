"""What is read of a model's config: families as published, laws of quantisation and caches, the checkpoint."""

from __future__ import annotations

from typing import Any

import pytest

from foresail.policies.moe.model.checkpoint import check_checkpoint
from foresail.policies.moe.spec import Dense, MoeSpec, read_spec
from tests.unit.policies.moe.configs import (
    DEEPSEEK_V3,
    GLM_5_FP8,
    GPT_OSS_120B,
    KIMI_K2,
    LLAMA_3_70B,
    MODELS,
    QWEN3_30B,
    ROUTED_GIGABYTES,
    Published,
)
from tests.unit.policies.moe.formats import INT4, NVFP4
from tests.unit.policies.moe.unusual_configs import (
    DEEPSEEK_V4_FLASH,
    KIMI_K3_SMALL,
    LLAMA_4_MAVERICK,
    NEMOTRON_3_NANO,
    QWEN35_397B,
)


def spec_of(config: dict[str, Any], quantisation: dict[str, Any] | None = None) -> MoeSpec:
    found = read_spec(config, quantisation=quantisation)
    assert isinstance(found, MoeSpec)
    return found


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_model_is_read_as_it_is_published(model: Published) -> None:
    spec = spec_of(model.config)
    assert (spec.experts, spec.experts_per_token) == model.experts
    assert (spec.moe_layers, spec.dense_layers) == model.moe_layers
    assert spec.shared_experts == model.shared
    assert spec.expert_bytes == pytest.approx(model.expert_bytes, rel=1e-3)
    assert spec.kv_bytes_per_token == model.kv
    assert spec.notes == () or model.parameters is None


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.parameters is not None])
def test_all_parameters_are_found(name: str) -> None:
    assert spec_of(MODELS[name].config).total_parameters == pytest.approx(MODELS[name].parameters, rel=0.01)


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.bytes is not None])
def test_all_bytes_of_the_checkpoint_are_found(name: str) -> None:
    assert spec_of(MODELS[name].config).total_bytes == pytest.approx(MODELS[name].bytes, rel=0.005)


@pytest.mark.parametrize("name", ROUTED_GIGABYTES)
def test_all_experts_weigh_what_others_read(name: str) -> None:
    assert spec_of(MODELS[name].config).routed_bytes / 1e9 == pytest.approx(ROUTED_GIGABYTES[name], rel=0.01)


def test_layers_of_multi_token_prediction_are_not_counted() -> None:
    without = spec_of({**DEEPSEEK_V3, "num_nextn_predict_layers": 0})
    with_them = spec_of(DEEPSEEK_V3)
    assert (with_them.mtp_layers, without.mtp_layers) == (1, 0)
    assert with_them.moe_layers == without.moe_layers == 58
    assert with_them.kv_bytes_per_token == without.kv_bytes_per_token
    assert with_them.routed_bytes == without.routed_bytes


def test_latent_experts_work_on_fewer_numbers_than_a_token_has() -> None:
    spec = spec_of(KIMI_K3_SMALL)
    assert (spec.hidden_size, spec.expert_hidden_size) == (7168, 3584)
    assert spec.expert_parameters == 3 * 3584 * 3072


def test_a_sampling_setting_is_not_taken_for_experts_per_token() -> None:
    inner = {key: value for key, value in KIMI_K2.items() if key != "num_experts_per_tok"}
    with pytest.raises(Exception, match=r"num_experts_per_tok: is missing"):
        read_spec({**inner, "top_k": 50})


def test_windows_are_told_apart() -> None:
    spec = spec_of(GPT_OSS_120B)
    assert spec.windowed_kv_bytes_per_token == spec.kv_bytes_per_token / 2
    assert spec.window_tokens == 128
    unsaid = spec_of({key: value for key, value in GPT_OSS_120B.items() if key != "layer_types"})
    assert unsaid.windowed_kv_bytes_per_token == spec.windowed_kv_bytes_per_token
    assert any("layer_types" in note for note in unsaid.notes)


def test_layers_with_heads_of_their_own_are_counted_with_them() -> None:
    kinds = {"layer_types": ["sliding_attention", "full_attention"] * 24, "sliding_window": 1024}
    globe = spec_of({**QWEN3_30B, **kinds, "num_global_key_value_heads": 2, "global_head_dim": 512})
    assert globe.windowed_kv_bytes_per_token == 24 * 2 * 2 * 4 * 128
    assert globe.kv_bytes_per_token - globe.windowed_kv_bytes_per_token == 24 * 2 * 2 * 2 * 512
    mimo = {"hybrid_layer_pattern": [0, 1] * 24, "sliding_window": 128, "swa_num_key_value_heads": 8, "v_head_dim": 64}
    assert spec_of({**QWEN3_30B, **mimo}).windowed_kv_bytes_per_token == 24 * 2 * 8 * (128 + 64)


def test_the_first_layers_may_see_everything() -> None:
    spec = spec_of({**QWEN3_30B, "sliding_window": 4096, "use_sliding_window": True, "max_window_layers": 36})
    assert spec.windowed_kv_bytes_per_token == spec.kv_bytes_per_token / 4


def test_linear_attention_keeps_nothing_of_a_token() -> None:
    spec = spec_of(QWEN35_397B)
    assert spec.kv_bytes_per_token == 15 * 2 * 2 * 256 * 2  # of 60 layers every fourth
    inner = {**QWEN35_397B["text_config"]}
    del inner["layer_types"]
    assert spec_of(inner).kv_bytes_per_token == spec.kv_bytes_per_token


def test_compressed_attention_shares_an_entry_among_tokens() -> None:
    spec = spec_of(DEEPSEEK_V4_FLASH)
    assert spec.windowed_kv_bytes_per_token == 2 * 512 * 2
    assert spec.kv_bytes_per_token - spec.windowed_kv_bytes_per_token == 21 * 512 * 2 / 4 + 20 * 512 * 2 / 128
    assert spec.index_bytes_per_token == 21 * 132 / 4


def test_the_index_of_sparse_attention_is_told_beside_the_cache() -> None:
    assert spec_of(GLM_5_FP8).index_bytes_per_token == 78 * 132


def test_a_hybrid_without_a_number_of_layers_is_counted_and_says_so() -> None:
    spec = spec_of({key: value for key, value in NEMOTRON_3_NANO.items() if key != "num_hidden_layers"})
    assert (spec.layers, spec.moe_layers) == (52, 23)
    assert any("num_hidden_layers" in note for note in spec.notes)


@pytest.mark.parametrize(
    ("quantisation", "bits", "name"),
    [
        ({"quant_method": "fp8"}, 8, "fp8"),
        ({"quant_method": "mxfp4"}, 4.25, "mxfp4"),
        (INT4, 4.5, "int4-g32"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, 4.5, "nvfp4"),
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, 8, "fp8"),
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, 4 + 20 / 128, "awq-int4"),
        ({"quant_method": "fp8", "modules_to_not_convert": ["mlp.experts"]}, 16, "bfloat16"),
        ({**INT4, "ignore": ["re:.*experts.*"]}, 16, "bfloat16"),
    ],
)
def test_bits_of_an_expert_follow_its_format(quantisation: dict[str, Any], bits: float, name: str) -> None:
    spec = spec_of({**QWEN3_30B, "quantization_config": quantisation})
    assert spec.expert_format == name
    assert 8 * spec.expert_bytes / spec.expert_parameters == pytest.approx(bits, rel=1e-4)


def test_a_file_of_quantisation_beside_the_config_is_read() -> None:
    spec = spec_of(QWEN3_30B, NVFP4)
    assert (spec.expert_format, 8 * spec.expert_bytes / spec.expert_parameters) == ("nvfp4", 4.5)
    with pytest.raises(Exception, match="quant_algo: contradicts quantization_config, which is fp8"):
        read_spec({**QWEN3_30B, "quantization_config": {"quant_method": "fp8"}}, quantisation=NVFP4)


def test_layers_left_unquantised_count_with_their_bytes_and_are_told() -> None:
    config = {
        **QWEN3_30B,
        "quantization_config": {"quant_method": "fp8", "modules_to_not_convert": ["model.layers.47"]},
    }
    spec = spec_of(config)
    assert spec.expert_bytes == 2 * spec.expert_parameters
    assert any("more bits" in note for note in spec.notes)


@pytest.mark.parametrize(
    "config",
    [
        LLAMA_3_70B,
        {**QWEN3_30B, "num_experts": 0},
        {**QWEN3_30B, "num_experts": 1},
        {"model_type": "gpt2", "n_layer": 12},
    ],
)
def test_a_dense_model_is_an_answer(config: dict[str, Any]) -> None:
    found = read_spec(config)
    assert isinstance(found, Dense)
    assert "is not a mixture-of-experts model" in found.message


def test_a_model_all_of_whose_layers_are_dense_is_dense() -> None:
    assert isinstance(read_spec({**LLAMA_4_MAVERICK["text_config"], "interleave_moe_layer_step": 49}), Dense)


def test_names_of_one_thing_may_both_be_there_and_agree() -> None:
    assert spec_of({**QWEN3_30B, "num_local_experts": 128}) == spec_of(QWEN3_30B)


def test_a_list_of_equal_numbers_is_a_number() -> None:
    assert spec_of({**QWEN3_30B, "moe_intermediate_size": [768] * 48}) == spec_of(QWEN3_30B)


@pytest.mark.parametrize(("share", "agrees"), [(1.0, True), (1.022, True), (0.89, False), (0.95, True), (1.2, False)])
def test_a_checkpoint_of_another_size_is_told(share: float, agrees: bool) -> None:
    spec = spec_of(DEEPSEEK_V3)
    assert spec.total_bytes is not None
    found = check_checkpoint(spec, {"metadata": {"total_size": int(spec.total_bytes * share)}}, "index.json")
    assert found.agrees == agrees
    assert (f"{100 * found.off:.0f} % off" in found.message) != agrees


def test_the_published_checkpoint_of_deepseek_v3_lies_between_with_and_without_prediction() -> None:
    found = check_checkpoint(spec_of(DEEPSEEK_V3), {"metadata": {"total_size": 688_586_727_753}}, "index.json")
    assert found.off < 0.001
