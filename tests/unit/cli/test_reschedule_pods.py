"""`foresail reschedule plan` for pods with GPUs: fewest moves to a goal, and a price that each move must earn."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.allocation_cases import changed
from tests.unit.cli.reschedule_cases import PODS, text, write
from tests.unit.cli.test_reschedule import POD_EXAMPLE, copied, expect_valid, plan


def test_a_goal_for_pods_is_a_part_of_the_free_cards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path, PODS)  # three cards are free, and a third of that is in fragments
    found = plan(capsys, file, "--moves", "3", "--goal", "0.3")
    assert (len(found["moves"]), found["bound"], found["certified"]) == (1, 1, True)
    assert "from 33.33 % to 0.00 %" in found["message"]
    expect_valid(capsys, file, found)
    found = plan(capsys, file, "--moves", "3", "--goal", "0.34")
    assert (found["moves"], found["bound"], found["certified"]) == ([], 0, True)
    stuck = write(tmp_path, changed(PODS, "pods.movable", [0, 0, 1]))
    for words in ((), ("--objective", "whole-nodes")):
        found = plan(capsys, stuck, "--moves", "3", "--goal", "0.3", *words, code=1)
        assert "goal of 0.3 is not reached" in found["message"]


def test_a_recorded_goal_is_reached_with_fewest_moves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = copied(POD_EXAMPLE, tmp_path)
    few, goal = (
        plan(capsys, file, "--moves", "12", "--time-limit", "0.5", *words) for words in ((), ("--goal", "0.3"))
    )
    assert 0 < len(goal["moves"]) <= len(few["moves"])
    assert goal["bound"] <= len(goal["moves"])
    assert goal["after"]["fragmented_gpus"] >= few["after"]["fragmented_gpus"] - 1e-9
    expect_valid(capsys, file, goal, "--moves", "12")


def test_each_move_earns_its_price(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path, PODS)  # a move takes one card out of fragments
    found = plan(capsys, file, "--moves", "3", "--price-per-move", "0.9")
    assert (len(found["moves"]), found["price_per_move"]) == (1, 0.9)
    assert found["bound"] == pytest.approx(0.9)
    assert found["certified"]
    expect_valid(capsys, file, found, "--price-per-move", "0.9")
    found = plan(capsys, file, "--moves", "3", "--price-per-move", "1.1")
    assert (found["moves"], found["certified"]) == ([], True)
    assert "with 0.9 a move" in text(capsys, "plan", str(file), "--moves", "3", "--price-per-move", "0.9")


def test_a_whole_node_earns_the_price_of_its_moves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path, changed(PODS, "nodes.gpu", [8, 2]))
    words = ("--moves", "3", "--objective", "whole-nodes", "--price-per-move")
    found = plan(capsys, file, *words, "0.75")
    assert (found["after"]["whole_free_nodes"], found["bound"], found["certified"]) == (1, 0.25, True)
    expect_valid(capsys, file, found)
    assert "less 0.75 a move" in text(capsys, "plan", str(file), *words, "0.75")
    assert plan(capsys, file, *words, "1.5")["moves"] == []
