"""What `foresail reschedule` cannot understand: one line that names file, field, value and remedy, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from foresail.cli.main import main
from tests.unit.cli.allocation_cases import changed, without
from tests.unit.cli.reschedule_cases import PODS, VMS, piped, refusal, write

NAN, INFINITY = float("nan"), float("inf")


def told(capsys: pytest.CaptureFixture[str], file: Path) -> str:
    """The refusal, which all commands that read an instance share."""
    line = refusal(capsys, "verify", str(file), "plan.json")
    assert line.startswith(f"{file}: ")
    assert ", got " in line
    assert "; " in line
    return line


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("fragment", 16, "fragment: is not an object, got 16"),
        ("fragment.cpu", 0, "fragment.cpu: is too small, got 0"),
        ("fragment.cpu", True, "fragment.cpu: is not a number, got True"),
        ("fragment.mem", -1, "fragment.mem: is negative, got -1"),
        ("pms.id", ["a", "a"], "pms.id[1]: is there twice, first at 0, got 'a'"),
        ("pms.id", ["a", 7], "pms.id[1]: is not a name, got 7"),
        ("pms.id", "ab", "pms.id: is not a list, got 'ab'"),
        ("pms.cpu", [[8, 8]], "pms.cpu: has 1 items where id has 2"),
        ("pms.cpu.1", [8], "pms.cpu[1]: has 1 numbers, got [8]"),
        ("pms.cpu.1", 8, "pms.cpu[1]: is not a pair, got 8"),
        ("pms.mem.0.1", -5, "pms.mem[0][1]: is negative, got -5"),
        ("pms.mem.0.1", NAN, "pms.mem[0][1]: is not finite, got nan"),
        ("pms.rack", ["r0"], "pms.rack: has 1 items"),
        ("vms.id.3", "v0", "vms.id[3]: is there twice, first at 0, got 'v0'"),
        ("vms.cpu.2", 0, "vms.cpu[2]: is too small, got 0"),
        ("vms.cpu.2", 1.5, "vms.cpu[2]: is not a whole number, got 1.5"),
        ("vms.cpu.2", "4", "vms.cpu[2]: is not a number, got '4'"),
        ("vms.cpu.2", None, "vms.cpu[2]: is not a number, got None"),
        ("vms.cpu.2", True, "vms.cpu[2]: is not a number, got True"),
        ("vms.cpu.3", 7, "vms.cpu[3]: is odd for a double VM, got 7"),
        ("vms.mem.3", 7, "vms.mem[3]: is odd for a double VM, got 7"),
        ("vms.mem.2", INFINITY, "vms.mem[2]: is not finite, got inf"),
        ("vms.mem.2", 10**18, "vms.mem[2]: is too large"),
        ("vms.double.0", 2, "vms.double[0]: is neither 0 nor 1, got 2"),
        ("vms.pm.1", 2, "vms.pm[1]: is no place in pms.id, which has 2, got 2"),
        ("vms.pm.1", -1, "vms.pm[1]: is negative, got -1"),
        ("vms.pm", [0, 0], "vms.pm: has 2 items where id has 4"),
        ("vms.node.0", -1, "vms.node[0]: is -1 for a VM that is not double"),
        ("vms.node.0", 2, "vms.node[0]: is too large, got 2"),
        ("vms.node.3", 0, "vms.node[3]: is a NUMA node of a double VM, got 0"),
        ("vms.movable.1", "yes", "vms.movable[1]: is neither 0 nor 1, got 'yes'"),
        ("anti_affinity", [[0, 4]], "anti_affinity[0][1]: is no place in vms.id, which has 4, got 4"),
        ("anti_affinity", [[0, 0]], "anti_affinity[0][1]: is there twice, got 0"),
        ("anti_affinity", [3], "anti_affinity[0]: is not a list, got 3"),
        ("anti_affinity", {}, "anti_affinity: is not a list"),
        ("vms.moveable", [], "vms.moveable: has 0 items"),
    ],
)
def test_a_bad_field_of_virtual_machines_is_named(
    path: str, value: Any, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = VMS
    if path == "vms.moveable":  # a slip of the keyboard where the right name is missing
        case, said = without(VMS, "vms.movable"), "vms.moveable: is not a field: 'movable' is"
    assert said in told(capsys, write(tmp_path, changed(case, path, value)))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("nodes.gpu.0", 1000, "nodes.gpu[0]: is too large, got 1000"),
        ("nodes.cpu.0", -1, "nodes.cpu[0]: is negative, got -1"),
        ("nodes.model", ["A"], "nodes.model: has 1 items where id has 2"),
        ("nodes.model.0", 5, "nodes.model[0]: is not a text, got 5"),
        ("pods.id.1", "p0", "pods.id[1]: is there twice"),
        ("pods.node.1", 9, "pods.node[1]: is no place in nodes.id, which has 2, got 9"),
        ("pods.num_gpu.0", 2, "pods.gpu_milli[0]: is a share of several cards, got 500"),
        ("pods.num_gpu.0", 0, "pods.gpu_milli[0]: is a share of no card, got 500"),
        ("pods.gpu_milli.0", 0, "pods.gpu_milli[0]: is 0 for a pod with cards"),
        ("pods.gpu_milli.0", 1001, "pods.gpu_milli[0]: is too large, got 1001"),
        ("pods.gpu_milli.0", NAN, "pods.gpu_milli[0]: is not finite"),
        ("pods.cards.0", [0, 1], "pods.cards[0]: names 2 cards where num_gpu is 1"),
        ("pods.cards.0", [2], "pods.cards[0]: names card 2 of a node that has 2"),
        ("pods.cards.0", 0, "pods.cards[0]: is not a list, got 0"),
        ("pods.cards.0", [False], "pods.cards[0][0]: is not a number, got False"),
        ("pods.cards", [[0], [1]], "pods.cards: has 2 items where id has 3"),
        ("types.share", [-0.5], "types.share[0]: is negative, got -0.5"),
        ("types.share", [NAN], "types.share[0]: is not finite"),
        ("types.cpu", [1, 2], "types.cpu: has 2 items"),
    ],
)
def test_a_bad_field_of_pods_is_named(
    path: str, value: Any, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in told(capsys, write(tmp_path, changed(PODS, path, value)))


@pytest.mark.parametrize(
    "path", ["fragment", "fragment.cpu", "pms", "vms", "pms.id", "pms.cpu", "vms.pm", "vms.double", "vms.movable"]
)
def test_a_missing_field_of_virtual_machines_is_named(
    path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"{path}: is missing" in told(capsys, write(tmp_path, without(VMS, path)))


@pytest.mark.parametrize("path", ["nodes", "pods", "types", "nodes.gpu", "pods.cards", "pods.num_gpu", "types.share"])
def test_a_missing_field_of_pods_is_named(path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"{path}: is missing" in told(capsys, write(tmp_path, without(PODS, path)))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "INSTANCE: is not JSON"),
        ("[" * 100_000, "INSTANCE: is not JSON"),
        ("[]", "INSTANCE: is not an object, got 'list'"),
        ("{}", "pms: is missing, and so is nodes"),
        ('{"pms": {}, "nodes": {}}', "stands beside pms or vms"),
        ('{"pms": {}, "pms": {}}', "pms: is there twice in one object"),
    ],
)
def test_what_is_no_instance_is_refused(
    content: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "case.json"
    file.write_text(content)
    assert said in told(capsys, file)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "latin.json").write_bytes(b'{"name": "\xff"}')
    assert "INSTANCE: cannot be read" in told(capsys, tmp_path / "absent.json")
    assert "INSTANCE: cannot be read" in told(capsys, tmp_path)
    assert "INSTANCE: is not UTF-8" in told(capsys, tmp_path / "latin.json")


def test_standard_input_is_read_once_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "-: PLAN: is named twice" in refusal(capsys, "verify", "-", "-")
    monkeypatch.setattr("sys.stdin", piped('{"moves": 3}'))
    assert "-: moves: is not a list, got 3" in refusal(capsys, "verify", str(write(tmp_path, VMS)), "-")


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({}, "moves: is missing"),
        ({"moves": [{"to": "a"}]}, "moves[0].unit: is missing"),
        ({"moves": [{"unit": "v0", "to": 1}]}, "moves[0].to: is not a name, got 1"),
        (
            {"moves": [{"unit": "v0", "to": "b", "numa_node": 0.5}]},
            "moves[0].numa_node: is not a whole number, got 0.5",
        ),
        ({"moves": [{"unit": "v0", "to": "b", "cards": 1}]}, "moves[0].cards: is not a list, got 1"),
        ({"moves": [], "waves": [0]}, "waves[0]: is not a list, got 0"),
        ({"moves": [], "after": {"free_slots": "9"}}, "after.free_slots: is not a number, got '9'"),
        ({"moves": [], "bound": NAN}, "bound: is not finite"),
        ({"moves": [], "certified": 1}, "certified: is neither true nor false, got 1"),
    ],
)
def test_a_plan_that_cannot_be_understood_is_refused(
    plan: dict[str, Any], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, plan, "plan.json")
    assert f"{file}: {said}" in refusal(capsys, "verify", str(write(tmp_path, VMS)), str(file))


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "x.json"),
        ("plan", "x.json", "--moves", "-1"),
        ("plan", "x.json", "--moves", "1.5"),
        ("plan", "x.json", "--moves", "5", "--parallel", "0"),
        ("plan", "x.json", "--moves", "5", "--goal", "1.5"),
        ("plan", "x.json", "--moves", "5", "--goal", "nan"),
        ("plan", "x.json", "--moves", "5", "--time-limit", "0"),
        ("plan", "x.json", "--moves", "5", "--objective", "beauty"),
        ("plan", "x.json", "--moves", "5", "--plot", "plan.pdf"),
        ("generate", "--load", "2"),
        ("generate", "--seed", "-1"),
        ("verify", "x.json"),
        ("move", "x.json"),
    ],
)
def test_options_that_cannot_be_understood_are_refused(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["reschedule", *words])
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""
