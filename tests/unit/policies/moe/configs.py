"""Configs of public models, only the fields that are read, with what the models are published to be.

Sources: each model's config.json and index on Hugging Face, its card and its technical report. `bytes` is the published
size of the checkpoint without layers of multi-token prediction, `parameters` the published count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.unit.policies.moe.formats import FP8, INT4
from tests.unit.policies.moe.unusual_configs import (
    DEEPSEEK_V4_FLASH,
    KIMI_K3_SMALL,
    LLAMA_4_MAVERICK,
    NEMOTRON_3_NANO,
    QWEN35_397B,
)

DEEPSEEK_V3: dict[str, Any] = {
    "model_type": "deepseek_v3",
    "num_hidden_layers": 61,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "n_group": 8,
    "topk_group": 4,
    "first_k_dense_replace": 3,
    "moe_layer_freq": 1,
    "num_nextn_predict_layers": 1,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "q_lora_rank": 1536,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "vocab_size": 129280,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "quantization_config": FP8,
}
KIMI_K2: dict[str, Any] = {
    **DEEPSEEK_V3,
    "model_type": "kimi_k2",
    "n_routed_experts": 384,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "num_nextn_predict_layers": 0,
    "num_attention_heads": 64,
    "num_key_value_heads": 64,
    "vocab_size": 163840,
}
KIMI_K25: dict[str, Any] = {
    "model_type": "kimi_k25",
    "dtype": "bfloat16",
    "text_config": {**KIMI_K2, "top_k": 50, "quantization_config": INT4},
    "vision_config": {"vt_num_hidden_layers": 27},
}
QWEN3_30B: dict[str, Any] = {
    "model_type": "qwen3_moe",
    "num_hidden_layers": 48,
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "moe_intermediate_size": 768,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "sliding_window": None,
    "use_sliding_window": False,
    "vocab_size": 151936,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
QWEN3_235B_FP8: dict[str, Any] = {
    **QWEN3_30B,
    "num_hidden_layers": 94,
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "moe_intermediate_size": 1536,
    "num_attention_heads": 64,
    "quantization_config": FP8,
}
MIXTRAL_8X7B: dict[str, Any] = {
    "model_type": "mixtral",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "sliding_window": None,
    "vocab_size": 32000,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
MIXTRAL_8X22B: dict[str, Any] = {
    **MIXTRAL_8X7B,
    "num_hidden_layers": 56,
    "hidden_size": 6144,
    "intermediate_size": 16384,
    "num_attention_heads": 48,
    "vocab_size": 32768,
}
GPT_OSS_120B: dict[str, Any] = {
    "model_type": "gpt_oss",
    "num_hidden_layers": 36,
    "hidden_size": 2880,
    "intermediate_size": 2880,
    "num_local_experts": 128,
    "num_experts_per_tok": 4,
    "experts_per_token": 4,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "sliding_window": 128,
    "layer_types": ["sliding_attention", "full_attention"] * 18,
    "vocab_size": 201088,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "quantization_config": {
        "quant_method": "mxfp4",
        "modules_to_not_convert": [
            "model.layers.*.self_attn",
            "model.layers.*.mlp.router",
            "model.embed_tokens",
            "lm_head",
        ],
    },
}
GLM_45_AIR: dict[str, Any] = {
    "model_type": "glm4_moe",
    "num_hidden_layers": 46,
    "hidden_size": 4096,
    "intermediate_size": 10944,
    "moe_intermediate_size": 1408,
    "n_routed_experts": 128,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "num_nextn_predict_layers": 1,
    "num_attention_heads": 96,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151552,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
GLM_5_FP8: dict[str, Any] = {
    "model_type": "glm_moe_dsa",
    "num_hidden_layers": 78,
    "hidden_size": 6144,
    "intermediate_size": 12288,
    "moe_intermediate_size": 2048,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "n_group": 1,
    "first_k_dense_replace": 3,
    "moe_layer_freq": 1,
    "num_attention_heads": 64,
    "num_key_value_heads": 64,
    "head_dim": 64,
    "q_lora_rank": 2048,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 192,
    "qk_rope_head_dim": 64,
    "v_head_dim": 256,
    "index_head_dim": 128,
    "vocab_size": 154880,
    "torch_dtype": "bfloat16",
    "quantization_config": FP8,
}
LLAMA_3_70B: dict[str, Any] = {
    "model_type": "llama",
    "num_hidden_layers": 80,
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "torch_dtype": "bfloat16",
}


@dataclass(frozen=True, slots=True)
class Published:
    """A model as it is published.

    Args:
        config: Its config.
        experts: Routed experts, and how many a token goes to.
        moe_layers: Layers with experts, and layers with a dense network.
        shared: Shared experts.
        expert_bytes: One routed expert with its scales.
        kv: Bytes of a token in a 2-byte cache.
        parameters: Of the whole model; None where they cannot be told from the config.
        bytes: Of the checkpoint; None where none is published without multi-token prediction.
    """

    config: dict[str, Any]
    experts: tuple[int, int]
    moe_layers: tuple[int, int]
    shared: int
    expert_bytes: float
    kv: float
    parameters: float | None
    bytes: float | None


# All routed experts in gigabytes, for each family from a reading of its config apart from ours.
ROUTED_GIGABYTES = {
    "DeepSeek-V3": 654,
    "Kimi-K2": 1015,
    "Qwen3-30B-A3B": 58,
    "gpt-oss-120b": 61,
    "GLM-4.5-Air": 199,
    "GLM-5-FP8": 725,
}
# Bytes where the published checkpoint has no layers of multi-token prediction and no tower for pictures: the sums of
# its tensors (Mixtral, Qwen3-30B), and what the model cards say (gpt-oss 60.8 GiB, Kimi-K2.5 594 GB).
MODELS = {
    "DeepSeek-V3": Published(DEEPSEEK_V3, (256, 8), (58, 3), 1, 44.05e6, 70_272, 671e9, None),
    "Kimi-K2": Published(KIMI_K2, (384, 8), (60, 1), 1, 44.05e6, 70_272, 1026e9, None),
    "Kimi-K2.5": Published(KIMI_K25, (384, 8), (60, 1), 1, 24.77e6, 70_272, 1026e9, 594e9),
    "Qwen3-30B-A3B": Published(QWEN3_30B, (128, 8), (48, 0), 0, 9.437e6, 98_304, 30.5e9, 61.064e9),
    "Qwen3-235B-A22B-FP8": Published(QWEN3_235B_FP8, (128, 8), (94, 0), 0, 18.88e6, 192_512, 235.1e9, None),
    "Mixtral-8x7B": Published(MIXTRAL_8X7B, (8, 2), (32, 0), 0, 352.3e6, 131_072, 46.7e9, 93.4056e9),
    "Mixtral-8x22B": Published(MIXTRAL_8X22B, (8, 2), (56, 0), 0, 604.0e6, 229_376, 140.6e9, 281.241e9),
    "gpt-oss-120b": Published(GPT_OSS_120B, (128, 4), (36, 0), 0, 13.24e6, 73_728, 116.8e9, 60.8 * 2**30),
    "GLM-4.5-Air": Published(GLM_45_AIR, (128, 8), (45, 1), 1, 34.60e6, 188_416, 106e9, None),
    "GLM-5-FP8": Published(GLM_5_FP8, (256, 8), (75, 3), 1, 37.76e6, 89_856, 744e9, None),
    "Llama-4-Maverick": Published(LLAMA_4_MAVERICK, (128, 1), (24, 24), 1, 251.7e6, 196_608, 400e9, None),
    "Nemotron-3-Nano": Published(NEMOTRON_3_NANO, (128, 6), (23, 0), 1, 19.96e6, 6_144, 31.6e9, None),
    "Qwen3.5-397B": Published(QWEN35_397B, (512, 10), (60, 0), 1, 25.17e6, 30_720, 397e9, None),
    "Kimi-K3": Published(KIMI_K3_SMALL, (64, 8), (7, 1), 2, 66.06e6, 2_304, None, None),
    "DeepSeek-V4-Flash": Published(DEEPSEEK_V4_FLASH, (256, 6), (43, 0), 1, 13.37e6, 7_584, None, None),
}
