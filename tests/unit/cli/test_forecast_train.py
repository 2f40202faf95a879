"""`foresail forecast train`: what is kept, what a kill costs, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foresail.cli.artifacts import read_artifact
from foresail.cli.main import main
from foresail.domain.errors import ArtifactError
from tests.unit.cli.flows import FakeFlow, without, write_csv
from tests.unit.forecasting.series.tables import COLUMNS


def train(file: Path, output: Path, *words: str) -> int:
    return main(["forecast", "train", str(file), "--output", str(output), "--horizons", "1,3", *words])


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that was printed."""
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    return err


def test_a_card_and_weights_are_all_that_is_left(
    csv: Path, tmp_path: Path, fake_flow: type[FakeFlow], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(csv, tmp_path / "models" / "web", "--format", "json", "--seed", "3", "--levels", "50") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert sorted(files_of(tmp_path / "models" / "web")) == ["card.json", "weights.safetensors"]
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["web"]
    card, weights = read_artifact(tmp_path / "models" / "web", indicators=COLUMNS, step_seconds=600.0)
    assert (card.horizons, card.rows, card.seed) == ((1, 3), 108, 3)
    assert (card.train_start, card.train_end) == (1_500_000_000.0, 1_500_000_000.0 + 600.0 * 107)
    assert card.settings == {"levels": 50, "h1": {"width": 4}, "h3": {"width": 4}}
    assert sorted(weights) == ["h1.offset", "h3.offset"]
    assert {"foresail", "numpy", "torch"} <= set(card.versions)
    rows = json.loads(out)["held_out"]
    assert [(row["horizon"], row["model"]) for row in rows] == [
        (horizon, model) for horizon in (1, 3) for model in ("flow", "mixture", "seasonal")
    ]
    assert all(0.0 < row["crps"] < 1.0 for row in rows)


def test_scores_are_those_of_an_evaluation_of_the_last_tenth(
    csv: Path, tmp_path: Path, fake_flow: type[FakeFlow], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(csv, tmp_path / "web", "--format", "json") == 0
    trained = {(row["model"], row["horizon"]): row for row in json.loads(capsys.readouterr().out)["held_out"]}
    words = ["--split", "0.9,0,0.1", "--models", "mixture,seasonal", "--horizons", "1,3", "--format", "json"]
    assert main(["forecast", "evaluate", str(csv), *words]) == 0
    for row in json.loads(capsys.readouterr().out)["results"]:
        assert trained[row["model"], row["horizon"]]["crps"] == row["crps"]


def test_the_same_seed_makes_the_same_bytes(csv: Path, tmp_path: Path, fake_flow: type[FakeFlow]) -> None:
    assert train(csv, tmp_path / "one") == train(csv, tmp_path / "two") == 0
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_a_training_that_was_interrupted_lost_nothing_and_goes_on_where_it_ended(
    csv: Path, tmp_path: Path, fake_flow: type[FakeFlow], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(csv, tmp_path / "web", "--seed", "1") == 0
    before = files_of(tmp_path / "web")
    fake_flow.stop_at = 3
    assert train(csv, tmp_path / "web") == 130
    assert files_of(tmp_path / "web") == before
    fake_flow.stop_at, fake_flow.fitted = None, []
    capsys.readouterr()
    assert train(csv, tmp_path / "web") == 0
    assert fake_flow.fitted == [3]
    assert "taken from an interrupted training: h=1" in capsys.readouterr().out
    assert train(csv, tmp_path / "other") == 0
    assert files_of(tmp_path / "web") == files_of(tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "web", "web.csv"]


@pytest.mark.parametrize("change", ["rows", "seed", "levels", "damage"])
def test_what_an_interrupted_training_kept_serves_no_other(
    csv: Path, tmp_path: Path, fake_flow: type[FakeFlow], change: str
) -> None:
    fake_flow.stop_at = 3
    assert train(csv, tmp_path / "web") == 130
    fake_flow.stop_at, fake_flow.fitted = None, []
    words = {"seed": ["--seed", "1"], "levels": ["--levels", "50"]}.get(change, [])
    if change == "rows":
        write_csv(csv, rows=121)
    if change == "damage":
        (card,) = (tmp_path / "web.partial").glob("*/card.json")
        card.write_text(card.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    assert train(csv, tmp_path / "web", *words) == 0
    assert fake_flow.fitted == [1, 3]


def test_a_kill_between_two_renames_loses_nothing(csv: Path, tmp_path: Path, fake_flow: type[FakeFlow]) -> None:
    assert train(csv, tmp_path / "web") == 0
    before = files_of(tmp_path / "web")
    (tmp_path / "web").rename(tmp_path / "web.old")
    assert read_artifact(tmp_path / "web")[0].horizons == (1, 3)
    fake_flow.stop_at = 1
    assert train(csv, tmp_path / "web", "--seed", "1") == 130
    assert files_of(tmp_path / "web") == before


def test_what_a_kill_left_half_written_is_no_obstacle(csv: Path, tmp_path: Path, fake_flow: type[FakeFlow]) -> None:
    for name in ("web.new", "web.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "card.json").write_text("{", encoding="utf-8")
    (tmp_path / "web").mkdir()
    assert train(csv, tmp_path / "web") == 0
    assert read_artifact(tmp_path / "web")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["web", "web.csv"]


def test_a_folder_with_other_files_is_not_touched(
    csv: Path, tmp_path: Path, fake_flow: type[FakeFlow], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(csv, tmp_path) == 2
    assert "--output: holds other files, got 'web.csv'; give a folder of its own" in refusal(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["web.csv"]


def test_a_place_that_cannot_be_written_is_told_before_training(
    csv: Path, tmp_path: Path, fake_flow: type[FakeFlow], capsys: pytest.CaptureFixture[str]
) -> None:
    for place in (csv, csv / "web"):
        assert train(csv, place) == 2
        assert "--output: cannot be written" in refusal(capsys)
    assert fake_flow.fitted == []


def test_weights_that_are_not_finite_replace_nothing(
    csv: Path, tmp_path: Path, fake_flow: type[FakeFlow], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(csv, tmp_path / "web") == 0
    before = files_of(tmp_path / "web")
    fake_flow.offset = float("inf")
    capsys.readouterr()
    with np.errstate(invalid="ignore"):
        assert train(csv, tmp_path / "web", "--seed", "1") == 2
    assert "not finite" in refusal(capsys)
    assert files_of(tmp_path / "web") == before


def test_without_torch_it_says_what_to_install(
    csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without(monkeypatch, "torch")
    assert train(csv, tmp_path / "web") == 2
    assert "pip install 'foresail[train]'" in refusal(capsys)
    assert main(["forecast", "evaluate", str(csv), "--models", "flow"]) == 2
    assert "pip install 'foresail[train]'" in refusal(capsys)


def test_a_series_that_is_too_short_is_refused_and_nothing_is_made(
    tmp_path: Path, fake_flow: type[FakeFlow], capsys: pytest.CaptureFixture[str]
) -> None:
    short = write_csv(tmp_path / "short.csv", rows=14)
    assert train(short, tmp_path / "web") == 2
    assert "rows: must leave 13 rows to train" in refusal(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["short.csv"]


def test_text_says_what_was_trained_how_it_fared_and_what_to_do_next(
    csv: Path, tmp_path: Path, fake_flow: type[FakeFlow], capsys: pytest.CaptureFixture[str]
) -> None:
    fake_flow.offset = 3.0  # worse than the mixture
    assert train(csv, tmp_path / "web") == 0
    out = capsys.readouterr().out
    assert "trained on 108 rows, from 2017-07-14 02:40:00Z" in out
    assert "h=1: the mixture, which needs no training, is better here" in out
    assert f"foresail forecast predict {csv} --model {tmp_path / 'web'}" in out
    assert max(map(len, out.splitlines()[:-1])) < 140


@pytest.mark.parametrize("words", [["--horizons", "0"], ["--levels", "5"], ["--seed", "x"], ["--bogus"]])
def test_bad_usage_is_exit_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["forecast", "train", "x.csv", "--output", "models/x", *words])
    assert (stopped.value.code, capsys.readouterr().out) == (2, "")


def test_the_real_flow_is_kept_and_read_back(csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    words: list[Any] = ["forecast", "train", str(csv), "--output", str(tmp_path / "web"), "--horizons", "1"]
    assert main(words) == 0
    capsys.readouterr()
    assert main(["forecast", "predict", str(csv), "--model", str(tmp_path / "web"), "--format", "json"]) == 0
    (forecast,) = json.loads(capsys.readouterr().out)["forecasts"]
    assert forecast["source"] == "flow"
    with pytest.raises(ArtifactError):
        read_artifact(tmp_path / "web", step_seconds=60.0)


def test_what_is_scored_is_what_is_kept_and_not_what_was_trained(
    csv: Path, tmp_path: Path, fake_flow: type[FakeFlow], monkeypatch: pytest.MonkeyPatch
) -> None:
    def learn_on(cls: type[FakeFlow], settings: Any, weights: Any) -> FakeFlow:
        flow = FakeFlow()
        flow._weights = {"offset": weights["offset"] + 1000.0}
        return flow

    assert train(csv, tmp_path / "web") == 0
    monkeypatch.setattr(FakeFlow, "restore", classmethod(learn_on))
    assert train(csv, tmp_path / "other") == 0
    scores = [read_artifact(tmp_path / name)[0].scores["h1.flow.crps"] for name in ("web", "other")]
    assert scores[1] > 100.0 * scores[0]
