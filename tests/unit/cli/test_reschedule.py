"""`foresail reschedule plan`: the answer's fields, its laws, and the ordinary answers that are easily got wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from foresail.cli.main import main
from foresail.cli.reschedule import COMMANDS
from tests.unit.cli.allocation_cases import changed
from tests.unit.cli.reschedule_cases import EXAMPLES, PODS, VMS, answer, piped, refusal, text, write

KEYS = {"moves", "waves", "before", "after", "bound", "certified", "skipped", "cpu_seconds", "message"}
VM_EXAMPLE, POD_EXAMPLE = EXAMPLES / "vms.json", EXAMPLES / "gpus.json"
EMPTY_VMS = {
    "fragment": {"cpu": 4, "mem": 8},
    "pms": {"id": [], "cpu": [], "mem": [], "rack": []},
    "vms": {name: [] for name in ("id", "cpu", "mem", "double", "pm", "node", "movable")},
    "anti_affinity": [],
}
EMPTY_PODS: dict[str, dict[str, list[Any]]] = {kind: {name: [] for name in columns} for kind, columns in PODS.items()}


def plan(capsys: pytest.CaptureFixture[str], file: Path, *words: str, code: int = 0) -> dict[str, Any]:
    found = answer(capsys, "plan", str(file), *words, code=code)
    assert set(found) >= KEYS
    return found


def expect_valid(capsys: pytest.CaptureFixture[str], file: Path, found: dict[str, Any], *words: str) -> None:
    """The verifier, which shares no code with the planner, finds nothing."""
    claim = file.with_name("claimed.json") if file.parent != EXAMPLES else None
    assert claim is not None
    claim.write_text(json.dumps(found))
    assert answer(capsys, "verify", str(file), str(claim), *words)["faults"] == []


def copied(file: Path, folder: Path) -> Path:
    return write(folder, json.loads(file.read_text()))


CASES = pytest.mark.parametrize("case", [VMS, PODS], ids=["vms", "gpus"])


@pytest.mark.parametrize("words", [(), ("--parallel", "1"), ("--parallel", "3", "--max-in", "1", "--max-out", "1")])
@pytest.mark.parametrize("example", [VM_EXAMPLE, POD_EXAMPLE], ids=["vms", "gpus"])
def test_plans_of_the_examples_gain_and_are_valid(
    example: Path, words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = copied(example, tmp_path)
    found = plan(capsys, file, "--moves", "8", "--time-limit", "1", *words)
    assert 0 < len(found["moves"]) <= 8
    assert sorted(place for wave in found["waves"] for place in wave) == list(range(len(found["moves"])))
    expect_valid(capsys, file, found, "--moves", "8", *words)
    if example == VM_EXAMPLE:
        assert found["after"]["free_slots"] > found["before"]["free_slots"]
        assert found["after"]["fragment_rate"] < found["before"]["fragment_rate"]
        assert all(set(move) == {"unit", "to", "numa_node"} for move in found["moves"])
    else:
        assert found["after"]["fragmented_gpus"] < found["before"]["fragmented_gpus"]
        assert all(set(move) == {"unit", "to", "cards"} for move in found["moves"])


def test_more_moves_never_hurt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = copied(VM_EXAMPLE, tmp_path)
    slots = [plan(capsys, file, "--moves", str(moves))["after"]["free_slots"] for moves in (0, 2, 4, 8, 16)]
    assert slots == sorted(slots)


def test_a_known_optimum_is_found_and_certified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # 16 CPU are free: four slots at most, three as it stands; moving v1 or v2 makes the fourth.
    found = plan(capsys, write(tmp_path, VMS), "--moves", "5")
    assert found["after"] == {"fragment_rate": 0.0, "free_slots": 4}
    assert found["certified"]
    assert found["bound"] == pytest.approx(4.0)
    assert len(found["moves"]) == 1


@pytest.mark.parametrize("case", [VMS, PODS, EMPTY_VMS, EMPTY_PODS], ids=["vms", "gpus", "no vms", "no pods"])
def test_no_moves_and_no_nodes_are_ordinary_answers(
    case: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = plan(capsys, write(tmp_path, case), "--moves", "0")
    assert (found["moves"], found["waves"]) == ([], [])
    assert found["before"] == found["after"]
    assert plan(capsys, write(tmp_path, case), "--moves", "3")["message"]


@pytest.mark.parametrize(("case", "column"), [(VMS, "vms"), (PODS, "pods")], ids=["vms", "gpus"])
def test_what_is_all_pinned_is_skipped_with_the_reason(
    case: dict[str, Any], column: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    units = case[column]["id"]
    found = plan(capsys, write(tmp_path, changed(case, f"{column}.movable", [0] * len(units))), "--moves", "3")
    assert found["moves"] == []
    assert sorted(one["unit"] for one in found["skipped"]) == sorted(units)
    assert all(one["reason"] for one in found["skipped"])


def test_pods_that_would_have_to_change_places_at_once_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = PODS["nodes"] | {"cpu": [5, 9], "gpu": [1, 1]}
    pods = {"id": ["p", "q"], "cpu": [2, 1], "mem": [1, 1], "num_gpu": [1, 1], "gpu_milli": [600, 600]}
    types = PODS["types"] | {"cpu": [4], "gpu_milli": [400]}
    case = {"nodes": nodes, "pods": pods | {"node": [0, 1], "cards": [[0], [0]]}, "types": types}
    found = plan(capsys, write(tmp_path, case), "--moves", "2")
    assert found["moves"] == []
    assert [one["unit"] for one in found["skipped"]] == ["p", "q"]
    assert all("at once" in one["reason"] for one in found["skipped"])


def test_a_pinned_unit_stays_and_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path, changed(VMS, "vms.movable", [1, 0, 1, 1]))
    found = plan(capsys, file, "--moves", "3")
    assert "v1" not in [move["unit"] for move in found["moves"]]
    assert "v1" in [one["unit"] for one in found["skipped"]]
    assert found["after"]["free_slots"] == 4  # v2 goes to a instead
    expect_valid(capsys, file, found)


def test_what_must_be_apart_stays_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path, changed(VMS, "anti_affinity", [[1, 2], [0, 2]]))
    found = plan(capsys, file, "--moves", "3")
    expect_valid(capsys, file, found)


@pytest.mark.parametrize(
    ("case", "path", "value", "names"),
    [
        (VMS, "vms.cpu.0", 8, ("a",)),
        (VMS, "vms.mem.0", 40, ("a",)),
        (VMS, "anti_affinity", [[0, 1]], ("a", "v0", "v1")),
        (PODS, "pods.cpu.0", 20, ("x",)),
        (PODS, "pods.node.1", 0, ()),
    ],
)
def test_a_start_that_contradicts_itself_is_refused_with_its_node(
    case: dict[str, Any],
    path: str,
    value: Any,
    names: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    case = changed(case, path, value)
    if not names:  # two pods of 600 thousandths on one card
        case, names = changed(changed(case, "pods.cards", [[0], [0], []]), "pods.gpu_milli", [600, 600, 0]), ("x",)
    found = plan(capsys, write(tmp_path, case), "--moves", "3", code=1)
    assert found["moves"] == []
    assert not found["certified"]
    assert all(name in found["message"].replace(",", " ").replace(":", " ").rstrip(".").split() for name in names)


def test_a_goal_is_reached_with_the_fewest_moves_or_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path, VMS)
    words = ("--moves", "3", "--objective", "fewest-moves", "--goal")
    found = plan(capsys, file, *words, "0.1")
    assert len(found["moves"]) == 1
    assert found["bound"] == 1
    assert found["certified"]
    assert plan(capsys, file, *words, "0.25")["moves"] == []  # as it stands
    full = write(tmp_path, changed(VMS, "fragment.cpu", 5))  # slots of 5 leave a rest whatever moves
    found = plan(capsys, full, *words, "0", code=1)
    assert found["after"]["fragment_rate"] > 0.0


def test_a_goal_alone_asks_for_the_fewest_moves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = plan(capsys, write(tmp_path, VMS), "--moves", "3", "--goal", "0.1")
    assert found["objective"] == "fewest-moves"
    assert len(found["moves"]) == 1


@CASES
def test_fewest_moves_need_a_goal(case: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = refusal(capsys, "plan", str(write(tmp_path, case)), "--moves", "3", "--objective", "fewest-moves")
    assert "--goal" in told


@CASES
def test_a_price_says_nothing_of_fewest_moves(
    case: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--moves", "3", "--goal", "0.1", "--price-per-move", "0.5")
    assert "--price-per-move" in refusal(capsys, "plan", str(write(tmp_path, case)), *words)


def test_whole_nodes_are_freed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = changed(PODS, "nodes.gpu", [8, 2])
    found = plan(capsys, write(tmp_path, case), "--moves", "3", "--objective", "whole-nodes")
    assert found["after"]["whole_free_nodes"] == 1
    expect_valid(capsys, write(tmp_path, case), found)


@pytest.mark.parametrize("example", [VM_EXAMPLE, POD_EXAMPLE], ids=["vms", "gpus"])
def test_the_same_seed_gives_the_same_plan(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = (plan(capsys, example, "--moves", "2", "--seed", "3") for _ in range(2))
    del one["cpu_seconds"], other["cpu_seconds"]
    assert one == other


def test_an_instance_comes_by_standard_input_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", piped(json.dumps(VMS)))
    assert plan(capsys, Path("-"), "--moves", "1")["after"]["free_slots"] == 4


def test_flags_may_follow_the_file_and_precede_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reschedule", "plan", "--moves", "1", str(VM_EXAMPLE), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["moves"]


def test_the_examples_of_the_help_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(EXAMPLES.parents[1])
    for _, _, example, _ in COMMANDS.values():
        command, _, file = example.partition(" > ")
        output = ""
        for part in command.split(" | "):
            monkeypatch.setattr("sys.stdin", piped(output))
            assert main(part.split()[1:]) == 0
            output = capsys.readouterr().out
        assert output
        if file:
            assert json.loads(output)


def test_the_text_has_measures_waves_and_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    told = text(capsys, "plan", str(VM_EXAMPLE), "--moves", "8")
    found = plan(capsys, VM_EXAMPLE, "--moves", "8")
    assert "fragment rate" in told
    assert f"{100 * found['after']['fragment_rate']:.2f} %" in told
    assert all(move["unit"] in told and move["to"] in told for move in found["moves"])
    assert told.rstrip().endswith(found["message"][-20:])
    assert max(map(len, told.splitlines())) <= 110
    assert "fragmented GPUs" in text(capsys, "plan", str(POD_EXAMPLE), "--moves", "4", "--time-limit", "0.5")


def test_names_are_printed_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = changed(changed(VMS, "vms.id.1", "[bold]v1[/]"), "vms.id.2", "[bold]v2[/]")
    assert "[bold]v" in text(capsys, "plan", str(write(tmp_path, case)), "--moves", "1")


@pytest.mark.parametrize("example", [VM_EXAMPLE, POD_EXAMPLE], ids=["vms", "gpus"])
def test_the_nodes_are_drawn_before_and_after(
    example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    file = tmp_path / "nodes.png"
    plan(capsys, example, "--moves", "5", "--time-limit", "0.5", "--plot", str(file))
    assert file.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("case", [EMPTY_VMS, EMPTY_PODS], ids=["no vms", "no pods"])
def test_an_empty_cluster_is_drawn_too(
    case: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    plan(capsys, write(tmp_path, case), "--moves", "0", "--plot", str(tmp_path / "nodes.png"))
    assert (tmp_path / "nodes.png").stat().st_size > 0


def test_a_plot_that_cannot_be_written_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    told = refusal(capsys, "plan", str(VM_EXAMPLE), "--moves", "1", "--plot", str(tmp_path / "absent" / "nodes.png"))
    assert "--plot" in told
