"""`foresail reschedule verify`: what is right is called right, and each kind of fault is named with unit and node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.allocation_cases import changed
from tests.unit.cli.reschedule_cases import PODS, VMS, answer, refusal, text, write

Plan = dict[str, Any]


def move(unit: str, to: str, numa_node: int = 0) -> Plan:
    return {"unit": unit, "to": to, "numa_node": numa_node}


def pod_move(unit: str, to: str, *cards: int) -> Plan:
    return {"unit": unit, "to": to, "cards": list(cards)}


class Check:
    """The command with an instance and a plan."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys

    def __call__(self, instance: Plan, plan: Plan, *words: str, code: int = 1) -> dict[str, Any]:
        case, file = write(self.folder, instance), write(self.folder, plan, "plan.json")
        return answer(self.capsys, "verify", str(case), str(file), *words, code=code)

    def kinds(self, instance: Plan, plan: Plan, *words: str) -> list[tuple[str, int | None, int | None]]:
        faults = self(instance, plan, *words)["faults"]
        return [(fault["kind"], fault["move"], fault["wave"]) for fault in faults]


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    return Check(tmp_path, capsys)


def test_a_plan_that_is_right_is_valid_and_measured(check: Check) -> None:
    plan = {"moves": [move("v1", "b")], "waves": [[0]]}
    found = check(VMS, plan, code=0)
    assert found["valid"]
    assert found["faults"] == []
    # Free CPU: a 2 + 8, b 2 + 4: slots 0 + 2 and 0 + 1; then a 4 + 8 and b 0 + 4.
    assert found["before"] == {"fragment_rate": 4 / 16, "free_slots": 3}
    assert found["after"] == {"fragment_rate": 0.0, "free_slots": 4}


def test_a_plan_without_waves_is_replayed_in_its_order(check: Check) -> None:
    found = check(VMS, {"moves": [move("v1", "b")]}, code=0)
    assert found["waves"] is None
    assert "wave" not in found["message"]


@pytest.mark.parametrize(
    ("moves", "kind"),
    [
        ([move("v9", "b")], "unknown-unit"),
        ([move("v1", "z")], "unknown-node"),
        ([move("v1", "a", 1)], "same-node"),
        ([move("v1", "b", -1)], "seat"),
        ([move("v3", "a", 0)], "seat"),
        ([{"unit": "v1", "to": "b"}], "seat"),
        ([move("v0", "b")], "no-room"),  # 4 CPU, and b's NUMA node 0 has 2
    ],
)
def test_a_move_that_cannot_be_made_is_a_fault(moves: list[Plan], kind: str, check: Check) -> None:
    assert check.kinds(VMS, {"moves": moves})[0] == (kind, 0, None)


def test_room_that_only_a_later_move_frees_is_no_room(check: Check) -> None:
    case = changed(changed(VMS, "vms.cpu", [4, 2, 2, 4]), "pms.cpu", [[6, 0], [4, 4]])
    # Node 0 of b is full until v2 has left it, and so is that of a until v1 has.
    moves = [move("v1", "b"), move("v2", "a")]
    assert check.kinds(case, {"moves": moves}) == [("no-room", 0, None)]


def test_a_wave_holds_all_destinations_before_it_gives_up_a_source(check: Check) -> None:
    case = changed(changed(VMS, "pms.cpu", [[6, 8], [8, 8]]), "vms.cpu", [4, 2, 2, 4])
    moves = [move("v1", "b", 0), move("v2", "a", 0)]  # a has room on node 0 only when v1 has left
    assert check(case, {"moves": moves, "waves": [[0], [1]]}, code=0)["valid"]
    assert check.kinds(case, {"moves": moves, "waves": [[0, 1]]}) == [("no-room", 1, 0)]


def test_what_must_be_apart_does_not_meet_even_for_a_wave(check: Check) -> None:
    case = changed(VMS, "anti_affinity", [[1, 2]])
    moves = [move("v2", "a", 1), move("v1", "b", 1)]
    assert check.kinds(case, {"moves": moves})[0] == ("anti-affinity", 0, None)
    three = changed(changed(case, "pms.id", ["a", "b", "c"]), "pms.cpu", [[8, 8]] * 3)
    three = changed(changed(three, "pms.mem", [[32, 32]] * 3), "pms.rack", ["r"] * 3)
    moves = [move("v1", "c"), move("v2", "a")]
    assert check(three, {"moves": moves, "waves": [[0], [1]]}, code=0)["valid"]
    assert check.kinds(three, {"moves": moves, "waves": [[0, 1]]}) == [("anti-affinity", 1, 0)]


def test_pinned_units_and_second_moves_are_faults(check: Check) -> None:
    case = changed(VMS, "vms.movable.1", 0)
    assert ("pinned", 0, None) in check.kinds(case, {"moves": [move("v1", "b")]})
    assert ("moved-twice", 1, None) in check.kinds(VMS, {"moves": [move("v1", "b"), move("v1", "a")]})


def test_memory_counts_as_cpu_does(check: Check) -> None:
    case = changed(VMS, "vms.mem", [8, 21, 4, 16])  # b's NUMA node 0 has 32 - 4 - 8 = 20 left
    fault = check(case, {"moves": [move("v1", "b")]})["faults"][0]
    assert "v1 does not fit on b" in fault["message"]
    assert "memory of NUMA node 0" in fault["message"]


def test_limits_of_waves_and_of_the_plan_are_held_against_it(check: Check) -> None:
    plan = {"moves": [move("v0", "b", 1), move("v1", "b")], "waves": [[0, 1]]}
    assert check(VMS, plan, code=0)["valid"]
    assert check.kinds(VMS, plan, "--parallel", "1", "--max-in", "1", "--max-out", "1", "--moves", "1") == [
        ("too-many-moves", None, None),
        ("parallel", None, 0),
        ("max-in", None, 0),
        ("max-out", None, 0),
    ]


@pytest.mark.parametrize("waves", [[[]], [[0], [0]], [[0, 1]], [[0], [-1]]])
def test_each_move_is_in_one_wave(waves: list[list[int]], check: Check) -> None:
    assert "waves" in [kind for kind, *_ in check.kinds(VMS, {"moves": [move("v1", "b")], "waves": waves})]


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"after": {"free_slots": 5}}, "free_slots after is 4 and not 5"),
        ({"before": {"fragment_rate": 0.2}}, "fragment_rate before is 0.25 and not 0.2"),
        ({"objective": "fragments", "bound": 3, "certified": False}, "free_slots is 4, which beats the bound 3"),
        ({"objective": "fragments", "bound": 5.2, "certified": True}, "is called certified: free_slots is 4"),
        ({"objective": "fewest-moves", "bound": 2, "certified": False}, "moves is 1, which beats the bound 2"),
        ({"certified": True}, "is called certified and has no bound"),
    ],
)
def test_figures_that_are_claimed_are_computed_anew(claims: Plan, said: str, check: Check) -> None:
    plan = {"moves": [move("v1", "b")], **claims}
    [fault] = check(VMS, plan)["faults"]
    assert fault["kind"] == "claim"
    assert said in fault["message"]


def test_figures_that_hold_are_no_faults(check: Check) -> None:
    claims = {"objective": "fragments", "bound": 4.9, "certified": True, "after": {"free_slots": 4}}
    assert check(VMS, {"moves": [move("v1", "b")], **claims}, code=0)["valid"]


@pytest.mark.parametrize(
    ("instance", "one", "earned"), [(VMS, move("v1", "b"), 1.0), (PODS, pod_move("p0", "y", 1), 1.0)]
)
def test_a_move_earns_its_price(instance: Plan, one: Plan, earned: float, check: Check) -> None:
    plan = {"moves": [one], "objective": "fragments"}
    assert check(instance, plan, "--price-per-move", str(earned), code=0)["valid"]
    assert check(instance, plan | {"price_per_move": earned}, code=0)["valid"]
    assert check.kinds(instance, plan | {"price_per_move": earned + 0.1}) == [("price", 0, None)]
    assert check.kinds(instance, plan, "--price-per-move", str(earned + 0.1)) == [("price", 0, None)]
    assert check(instance, plan | {"price_per_move": 9}, "--price-per-move", "0", code=0)["valid"]


def test_a_move_that_earns_nothing_is_found_among_others_that_do(check: Check) -> None:
    moves = [move("v0", "b", 1), move("v1", "b")]
    [fault] = check(VMS, {"moves": moves, "price_per_move": 0.5})["faults"]
    assert (fault["kind"], fault["move"]) == ("price", 0)
    assert "v0" in fault["message"]


def test_moves_that_earn_too_little_together_are_found(check: Check) -> None:
    # Only when both halves of a card have left x is a node of eight whole: each move is needed, two cost more.
    nodes = changed(changed(PODS, "nodes.gpu", [8, 2]), "pods.node", [0, 0, 0])
    case = changed(nodes, "pods.cards", [[0], [1], []])
    plan = {"moves": [pod_move("p0", "y", 0), pod_move("p1", "y", 0)], "objective": "whole-nodes"}
    case = changed(case, "pods.spec", ["", "", ""])
    assert check(case, plan, "--price-per-move", "0.5", code=0)["valid"]
    faults = check(case, plan, "--price-per-move", "0.6")["faults"]
    assert [fault["kind"] for fault in faults] == ["price"]
    assert "p0, p1: 1 is earned together" in faults[0]["message"]


@pytest.mark.parametrize(
    ("bound", "certified", "said"),
    [
        (3.5, True, ""),
        (3.7, False, ""),
        (3.4, False, "free_slots is 4 and moves cost 0.5, which beats the bound 3.4"),
        (3.7, True, "called certified: free_slots is 4 and moves cost 0.5, bound 3.7"),
    ],
)
def test_a_bound_has_the_price_in_it(bound: float, certified: bool, said: str, check: Check) -> None:
    plan = {"moves": [move("v1", "b")], "objective": "fragments", "price_per_move": 0.5}
    found = check(VMS, plan | {"bound": bound, "certified": certified}, code=int(bool(said)))
    assert [fault["kind"] for fault in found["faults"]] == ["claim"] * bool(said)
    assert said in "".join(fault["message"] for fault in found["faults"])


@pytest.mark.parametrize(("column", "option"), [("age_seconds", "--minimum-age"), ("moved_seconds_ago", "--cool-down")])
@pytest.mark.parametrize(
    ("instance", "table", "one"), [(VMS, "vms", move("v1", "b")), (PODS, "pods", pod_move("p1", "x", 1))]
)
def test_who_has_not_rested_is_not_moved(
    column: str, option: str, instance: Plan, table: str, one: Plan, check: Check
) -> None:
    seconds = [0.0] * len(instance[table]["id"])
    seconds[1] = 59.5
    case, plan = changed(instance, f"{table}.{column}", seconds), {"moves": [one], "waves": [[0]]}
    assert check.kinds(case, plan, option, "60") == [("rest", 0, None)]
    for words in ((), (option, "59.5")):
        assert check(case, plan, *words, code=0)["valid"]


def test_who_never_moved_has_rested(check: Check) -> None:
    case = changed(VMS, "vms.moved_seconds_ago", [None] * 4)
    assert check(case, {"moves": [move("v1", "b")]}, "--cool-down", "1000000", code=0)["valid"]


@pytest.mark.parametrize(("column", "option"), [("age_seconds", "--minimum-age"), ("moved_seconds_ago", "--cool-down")])
def test_a_rest_that_the_instance_does_not_tell_is_not_taken_for_granted(
    column: str, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case, plan = write(tmp_path, VMS), write(tmp_path, {"moves": []}, "plan.json")
    line = refusal(capsys, "verify", str(case), str(plan), option, "5")
    assert f"{case}: vms.{column}: is missing" in line


def test_a_start_that_is_over_committed_names_node_and_units(check: Check) -> None:
    [fault] = check(changed(VMS, "vms.cpu.0", 8), {"moves": []})["faults"]
    assert fault["message"] == "a is over-committed: v0 and v1 hold 2 CPU of NUMA node 0 more than it has"
    [fault] = check(changed(VMS, "anti_affinity", [[0, 1]]), {"moves": []})["faults"]
    assert fault["message"] == "v0 and v1 must be apart and are on a"


def test_a_plan_for_pods_that_is_right_is_valid_and_measured(check: Check) -> None:
    found = check(PODS, {"moves": [pod_move("p0", "y", 1)], "waves": [[0]]}, code=0)
    # Whole cards are expected: the half that is free of one on each node is lost, then neither.
    assert found["before"] == {"fragmented_gpus": 1.0, "whole_free_nodes": 0}
    assert found["after"] == {"fragmented_gpus": 0.0, "whole_free_nodes": 0}


def test_fragmentation_counts_all_of_a_node_where_a_shape_does_not_fit(check: Check) -> None:
    case = changed(PODS, "types", {"cpu": [15], "mem": [1], "num_gpu": [1], "gpu_milli": [1000], "share": [0.5]})
    # 15 CPU are free on neither node (13 on x, 14 on y): 1.5 cards each, half of the time.
    assert check(case, {"moves": []}, code=0)["before"]["fragmented_gpus"] == 1.5


def test_nodes_of_eight_cards_that_are_all_free_are_counted(check: Check) -> None:
    case = changed(PODS, "nodes.gpu", [8, 2])
    moved = check(case, {"moves": [pod_move("p0", "y", 1)]}, code=0)
    assert (moved["before"]["whole_free_nodes"], moved["after"]["whole_free_nodes"]) == (0, 1)


@pytest.mark.parametrize(
    ("moved", "kind"),
    [
        (pod_move("p0", "y", 2), "seat"),
        (pod_move("p0", "y"), "seat"),
        (pod_move("p0", "y", 0, 1), "seat"),
        (pod_move("p2", "y", 0), "seat"),
        (pod_move("p2", "x"), "same-node"),
    ],
)
def test_cards_that_a_pod_cannot_have_are_a_fault(moved: Plan, kind: str, check: Check) -> None:
    assert check.kinds(PODS, {"moves": [moved]}) == [(kind, 0, None)]


def test_a_pod_runs_on_the_models_that_it_asks_for(check: Check) -> None:
    case = changed(PODS, "pods.spec.0", "A")
    [fault] = check(case, {"moves": [pod_move("p0", "y", 0)]})["faults"]
    assert fault["message"] == "p0 to y: runs on A, the node has B"


def test_a_card_has_room_for_as_much_as_is_left_of_it(check: Check) -> None:
    case = changed(PODS, "pods.gpu_milli.0", 600)
    assert check(case, {"moves": [pod_move("p0", "y", 0)]}, code=0)["valid"]
    [fault] = check(case, {"moves": [pod_move("p0", "y", 1)]})["faults"]
    assert "too little thousandths of card 1" in fault["message"]


def test_the_text_names_faults_or_says_that_there_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = str(write(tmp_path, VMS))
    right = write(tmp_path, {"moves": [move("v1", "b")], "waves": [[0]]}, "right.json")
    assert text(capsys, "verify", case, str(right)).startswith("Valid: 1 move in 1 wave.")
    wrong = write(tmp_path, {"moves": [move(f"w{place}", "b") for place in range(30)]}, "wrong.json")
    told = text(capsys, "verify", case, str(wrong), code=1)
    assert told.startswith("Not valid: 30 faults in 30 moves.")
    assert "move 0: there is no unit w0" in told
    assert "and 10 more" in told
