"""Grow, replica, or nothing: the published table, laws, and never dearer than a fixed rule."""

from __future__ import annotations

import math
from dataclasses import astuple, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.policies.moe.decision import Change, Situation, Weights, expected_cost
from foresail.policies.moe.limits import Engine, refusal
from foresail.policies.moe.width import changes, decide, ready_seconds
from tests.unit.policies.moe.situations import DEEPSEEK_V3, ENGINE, random_paths, steady, with_paths

LOADS = (1.02, 1.06, 1.12, 1.25, 1.5, 2.0, 2.5)
# The published model's answers for these loads: action and GPUs bought, without and with ranks in stand-by.
STARTED = {
    120: ["nothing 0"] * 7,
    300: ["nothing 0", "grow 2", "grow 4", "grow 8", "grow 18", "add-replica 32", "add-replica 48"],
    900: ["grow 2", "grow 2", "grow 4", "grow 8", "add-replica 16", "add-replica 32", "add-replica 48"],
    3600: ["grow 2", "grow 2", "grow 4", "grow 8", "add-replica 16", "add-replica 32", "add-replica 48"],
}
STANDING_BY = {
    120: ["nothing 0", "grow 2", "grow 4", "grow 8", "grow 18", "grow 32", "grow 32"],
    300: ["grow 2", "grow 2", "grow 4", "grow 8", "grow 18", "grow 32", "grow 32"],
    900: ["grow 2", "grow 2", "grow 4", "grow 8", "grow 18", "grow 32", "add-replica 48"],
    3600: ["grow 2", "grow 2", "grow 4", "grow 8", "grow 18", "add-replica 32", "add-replica 48"],
}


@pytest.mark.parametrize(("standby", "table"), [(0, STARTED), (32, STANDING_BY)], ids=["started", "standing by"])
@pytest.mark.parametrize("horizon", STARTED)
def test_the_published_table_is_reproduced(standby: int, table: dict[int, list[str]], horizon: int) -> None:
    choices = [decide(steady(load, horizon, standby_gpus=standby)).choice.change for load in LOADS]
    assert [f"{change.action} {change.gpus}" for change in choices] == table[horizon]


@pytest.mark.parametrize(
    ("load", "horizon", "standby", "cost"),
    [
        (1.5, 300, 0, 12_329),
        (2.0, 900, 0, 43_835),
        (2.5, 3600, 0, 195_842),
        (1.25, 900, 32, 9_217),
        (1.02, 120, 0, 307),
    ],
)
def test_costs_are_those_of_the_published_model(load: float, horizon: int, standby: int, cost: float) -> None:
    choice = decide(steady(load, horizon, standby_gpus=standby)).choice
    assert choice.cost is not None
    assert choice.cost.total == pytest.approx(cost, abs=1.0)


@pytest.mark.parametrize(
    ("weights", "ingress", "storage", "kv"),
    [
        (DEEPSEEK_V3, 39.9, 13.3, 1_124_000),
        (Weights(44_050_944, 384, 60, 1026e9 - 44_050_944 * 384 * 60, 70_272), 45.4, 15.1, 1_046_000),
        (Weights(18_878_976, 128, 94, 235e9 - 18_878_976 * 128 * 94, 192_512), 16.7, 5.6, 531_000),
        (Weights(9_437_184, 128, 48, 61e9 - 9_437_184 * 128 * 48, 98_304), 5.3, 1.8, 1_156_000),
        (Weights(13_219_200, 128, 36, 65e9 - 13_219_200 * 128 * 36, 73_728), 6.5, 2.2, 1_525_000),
    ],
    ids=["DeepSeek-V3", "Kimi-K2", "Qwen3-235B", "Qwen3-30B", "gpt-oss-120b"],
)
def test_what_joins_receives_and_holds_is_as_published(
    weights: Weights, ingress: float, storage: float, kv: float
) -> None:
    engine = replace(ENGINE, experts=weights.experts)
    situation = replace(steady(1.0, 900), weights=weights, engine=engine)
    slots = engine.slots_per_gpu
    assert situation.ingress_bytes(slots) / 1e9 == pytest.approx(ingress, abs=0.06)
    assert situation.ingress_bytes(slots) / situation.hardware.storage_bytes_per_second == pytest.approx(
        storage, abs=0.1
    )
    assert situation.kv_tokens(slots) == pytest.approx(kv, rel=0.005)


def test_a_rank_in_standby_is_worth_a_hundred_seconds() -> None:
    assert ready_seconds(steady(1.5, 900), 40) == pytest.approx(106.6, abs=0.1)
    assert ready_seconds(steady(1.5, 900, standby_gpus=8), 40) == pytest.approx(6.1, abs=0.1)
    assert ready_seconds(steady(1.5, 900, standby_gpus=7), 40) == ready_seconds(steady(1.5, 900), 40)


def test_falling_demand_shrinks_to_what_the_engine_allows() -> None:
    situation = with_paths(np.full((3, 200), 10_000.0))
    choice = decide(situation).choice.change
    assert (choice.action, choice.group_gpus) == (
        "shrink",
        30,
    )  # 9 slots each hold 256 experts on 29 GPUs, in steps of 2


def test_of_many_replicas_one_is_taken() -> None:
    choice = decide(with_paths(np.full((3, 200), 10_000.0), replicas=3)).choice.change
    assert (choice.action, choice.gpus, choice.replicas) == ("remove-replica", -32, 2)


def test_a_skewed_group_is_rebalanced_before_it_grows() -> None:
    unknown = steady(1.17, 900, balance_now=1.2)
    assert "rebalance" not in {change.action for change in changes(unknown)}
    tight = steady(1.17, 900, balance_now=1.2, balance_after=1.02, copies_per_gpu=40)
    choice = decide(tight).choice
    assert choice.change.action == "rebalance"
    assert choice.change.pause_seconds == pytest.approx(40 * EXPERT_SECONDS)


EXPERT_SECONDS = 44_050_944 / 50e9


def test_the_sentence_tells_the_next_best_first() -> None:
    found = decide(steady(1.25, 900, balance_now=1.3, balance_after=1.02, copies_per_gpu=20.0, replicas=2))
    best: dict[str, float] = {}
    for one in found.alternatives:
        if one.cost is not None:
            best[one.change.action] = min(one.cost.total, best.get(one.change.action, math.inf))
    rivals = sorted(cost for kind, cost in best.items() if kind != found.choice.change.action)
    assert len(rivals) > 3  # so that some are left out
    told = found.message.split("(next: ")[1].removesuffix(").").split("; ")
    assert [one.rpartition(" ")[2] for one in told] == [f"{cost:,.0f}" for cost in rivals[:3]]


def test_the_sentence_says_what_and_why() -> None:
    told = decide(steady(1.25, 900)).message
    assert told.startswith(
        "Growing from 32 to 40 GPUs costs least over 900 s, 12,240 GPU-seconds; it is ready in 107 s"
    )
    assert "staying at 32 GPUs 28,800" in told


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), standby=st.integers(0, 40), replicas=st.integers(1, 3))
def test_laws(seed: int, standby: int, replicas: int) -> None:
    paths = random_paths(seed, paths=8, steps=24)
    situation = with_paths(paths, standby_gpus=standby, replicas=replicas)
    decision = decide(situation)
    assert decision.choice.cost is not None
    priced = [one.cost for one in decision.alternatives if one.cost is not None]
    assert all(cost.total == pytest.approx(sum(astuple(cost))) for cost in priced)
    assert decision.choice.cost.total <= min(cost.total for cost in priced) + 1e-6 * max(1.0, abs(priced[0].total))
    shuffled = with_paths(paths[np.random.default_rng(seed).permutation(8)], standby_gpus=standby, replicas=replicas)
    assert decide(shuffled) == decision
    for one in decision.alternatives:
        if one.cost is not None and one.change.action in ("grow", "shrink"):
            assert refusal(situation.engine, one.change.group_gpus) is None


@settings(max_examples=50, deadline=None)
@given(standby=st.integers(0, 40), more=st.integers(1, 40), gpus=st.integers(33, 64))
def test_more_in_standby_is_never_later(standby: int, more: int, gpus: int) -> None:
    fewer, greater = (steady(1.5, 900, standby_gpus=count) for count in (standby, standby + more))
    assert ready_seconds(greater, gpus) <= ready_seconds(fewer, gpus)


def recount(situation: Situation, change: Change) -> float:
    """The cost, second by second and path by path."""
    demand, rate = situation.demand, situation.group.tokens_per_second_per_gpu
    total, horizon = 0.0, int(demand.horizon_seconds)
    pauses = range(int(change.ready_seconds), min(horizon, int(change.ready_seconds) + 1))
    for path in demand.tokens_per_second:
        for second in range(horizon):
            need = path[int(second // demand.step_seconds)] / rate
            late = min(max(change.ready_seconds - second, 0.0), 1.0)
            unmet = late * max(need - change.before, 0.0) + (1 - late) * max(need - change.after, 0.0)
            held = 1.0 if change.gpus >= 0 else 1.0 - late
            total += held * change.gpus + situation.prices.unmet * unmet
            if second in pauses:
                lost = min(need, change.before) * change.paused / change.before
                total += situation.prices.unmet * change.pause_seconds * lost
    return total / len(demand.tokens_per_second)


@pytest.mark.parametrize("seed", range(4))
def test_costs_agree_with_a_count_second_by_second(seed: int) -> None:
    situation = with_paths(random_paths(seed, paths=3, steps=12), replicas=1 + seed % 2)
    for change in list(changes(situation))[::5]:
        assert expected_cost(situation, change).total == pytest.approx(recount(situation, change), rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_no_fixed_rule_is_cheaper_on_paths_that_were_not_seen(seed: int) -> None:
    both = random_paths(seed, paths=120)
    situation, unseen = with_paths(both[:60]), with_paths(both[60:])
    decision = decide(situation)
    rules = {one.change.action: one.change for one in reversed(decision.alternatives) if one.cost is not None}
    fixed = [expected_cost(unseen, rules[name]).total for name in ("grow", "add-replica", "nothing")]
    own = expected_cost(unseen, decision.choice.change).total
    assert own <= min(fixed) + 0.1 * abs(min(fixed)) + 0.01 * 32 * situation.demand.horizon_seconds


def test_a_group_that_cannot_change_is_left_or_joined_by_a_replica() -> None:
    engine = Engine("vllm", 256, 32, 32, most_gpus=64, flags={"--enable-eplb": "true"})
    situation = replace(steady(1.5, 900), engine=engine)
    decision = decide(situation)
    assert decision.choice.change.action == "add-replica"
    refused = [one for one in decision.alternatives if one.refused is not None]
    assert {one.change.action for one in refused} == {"grow", "shrink"}
    assert all("--enable-elastic-ep is missing" in one.refused.message for one in refused if one.refused)


def test_growth_stops_where_gpus_are_idle() -> None:
    grown = [change.group_gpus for change in changes(steady(2.0, 900, spare_in_fabric=5)) if change.action == "grow"]
    assert grown == [34, 36]
    joined = [change.gpus for change in changes(steady(2.0, 900, spare_in_fabric=5, spare_elsewhere=0))]
    assert max(joined) == 4
