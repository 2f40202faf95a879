"""What engines can do: minimum, maximum, steps, settings; a refusal says the minimum and why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foresail.policies.moe.limits import Engine, limits_of, missing_settings, read_flags, refusal

VLLM = [
    "--enable-elastic-ep",
    "--enable-eplb",
    "--enable-expert-parallel",
    "--data-parallel-backend",
    "ray",
    "--eplb-config",
    '{"num_redundant_experts": 32, "use_async": false}',
]
SGLANG = [
    "--elastic-ep-backend=mooncake",
    "--moe-a2a-backend=nixl",
    "--enable-eplb",
    "--enable-dp-attention",
    "--enable-dp-lm-head",
    "--load-balance-method=round_robin",
    "--max-ep-size=16",
]


@given(
    experts=st.integers(8, 512),
    ranks=st.integers(1, 64),
    spare=st.integers(0, 8),
    rank_gpus=st.sampled_from([1, 2, 4]),
)
def test_vllm_shrinks_as_far_as_all_experts_have_a_slot(experts: int, ranks: int, spare: int, rank_gpus: int) -> None:
    slots = -(-experts // ranks) + spare
    engine = Engine("vllm", experts, slots * ranks - experts, ranks * rank_gpus, rank_gpus)
    least = limits_of(engine).least_gpus // rank_gpus
    assert least * slots >= experts
    assert (least - 1) * slots < experts


def test_without_redundant_experts_a_group_never_shrinks_and_is_told_the_minimum() -> None:
    engine = Engine("vllm", 256, 0, 32)
    said = refusal(engine, 31)
    assert said is not None
    assert (said.least_gpus, said.most_gpus) == (32, 32)
    assert "the minimum is 32, and lower with more redundant experts (now 0)" in said.message
    assert refusal(engine, 32) is None


def test_a_group_grows_as_far_as_it_was_started_for() -> None:
    engine = Engine("vllm", 256, 32, 32, most_gpus=40)
    assert refusal(engine, 40) is None
    said = refusal(engine, 41)
    assert said is not None
    assert "at most 40 GPUs (--elastic-ep-max-dp-size), 41 are more" in said.message


def test_sizes_are_whole_ranks() -> None:
    said = refusal(Engine("vllm", 256, 32, 32, 4, most_gpus=64), 38)
    assert said is not None
    assert "steps of 4 GPUs" in said.message


def test_sglang_only_grows() -> None:
    engine = Engine("sglang", 256, 32, 8, most_gpus=16)
    assert refusal(engine, 16) is None
    said = refusal(engine, 7)
    assert said is not None
    assert "only grows" in said.message
    assert limits_of(engine).victims == "none"


def test_the_reference_runtime_lets_any_gpu_go_and_spreads_slots_anew() -> None:
    engine = Engine("reference", 64, 0, 6, most_gpus=8)
    assert limits_of(engine).victims == "any"
    assert refusal(engine, 4) is None
    assert (engine.slots_at(4), engine.slots_at(6)) == (16, 11)
    assert Engine("vllm", 64, 0, 4).slots_at(8) == 16


def test_only_one_exchange_keeps_graphs() -> None:
    kept = limits_of(Engine("vllm", 256, 32, 32))
    lost = limits_of(Engine("vllm", 256, 32, 32, exchange="allgather_reducescatter"))
    assert (kept.recaptures, lost.recaptures) == (False, True)
    assert lost.pause_up_seconds > 50 * kept.pause_up_seconds
    assert lost.pause_down_seconds > 20 * kept.pause_down_seconds


@pytest.mark.parametrize(("name", "words"), [("vllm", VLLM), ("sglang", SGLANG)])
def test_with_all_settings_nothing_is_missing(name: str, words: list[str]) -> None:
    engine = Engine(name, 256, 32, 8, most_gpus=16, flags=read_flags(words))  # type: ignore[arg-type]
    assert list(missing_settings(engine)) == []
    assert refusal(engine, 10) is None


@pytest.mark.parametrize("left_out", [0, 1, 2])
def test_a_setting_that_is_missing_is_named(left_out: int) -> None:
    words = [word for place, word in enumerate(VLLM) if place != left_out]
    engine = Engine("vllm", 256, 32, 8, most_gpus=16, flags=read_flags(words))
    said = refusal(engine, 10)
    assert said is not None
    assert f"{VLLM[left_out]} is missing" in said.message


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--pipeline-parallel-size", "2"], "pipeline parallelism must be 1"),
        (["--data-parallel-hybrid-lb"], "--data-parallel-hybrid-lb is not possible"),
        (["--eplb-config", '{"use_async": true}'], "communicator nixl"),
        (["--data-parallel-backend", "mp"], "--data-parallel-backend ray"),
    ],
)
def test_settings_that_do_not_go_together_are_named(more: list[str], said: str) -> None:
    engine = Engine("vllm", 256, 32, 8, flags=read_flags([*VLLM, *more]))
    assert any(said in one for one in missing_settings(engine))


def test_sglang_needs_its_backends() -> None:
    words = [word for word in SGLANG if "a2a" not in word]
    engine = Engine("sglang", 256, 32, 8, flags=read_flags(words))
    assert list(missing_settings(engine)) == ["--moe-a2a-backend must be nixl"]


def test_flags_that_are_not_known_are_not_held_against_an_engine() -> None:
    assert list(missing_settings(Engine("vllm", 256, 32, 8))) == []
