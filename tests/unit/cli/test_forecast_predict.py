"""`foresail forecast predict`: what comes next, who says so, and what happens when the trained model cannot be used."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foresail.cli.artifacts import read_artifact
from foresail.cli.main import main
from foresail.forecasting.artifact import encode
from foresail.forecasting.series.ahead import MOST_ROWS
from tests.unit.cli.flows import FakeFlow, without, write_csv
from tests.unit.forecasting.series.tables import COLUMNS

START = 1_500_000_000


def predict(capsys: pytest.CaptureFixture[str], *words: str | Path) -> dict[str, Any]:
    """The answer to what must be answered."""
    assert main(["forecast", "predict", *map(str, words), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    answer = json.loads(out)
    assert isinstance(answer, dict)
    return answer


def refusal(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """The one line on what must be refused."""
    assert main(["forecast", "predict", *map(str, words)]) == 2
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    return err


@pytest.fixture
def model(csv: Path, tmp_path: Path, fake_flow: type[FakeFlow], capsys: pytest.CaptureFixture[str]) -> Path:
    """A model for 1 and 3 rows ahead that moves everything by 1000."""
    fake_flow.offset = 1000.0
    folder = tmp_path / "model"
    assert main(["forecast", "train", str(csv), "--output", str(folder), "--horizons", "1,3"]) == 0
    capsys.readouterr()
    return folder


def test_without_a_model_the_mixture_forecasts_rows_behind_the_end(
    csv: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = predict(capsys, csv, "--horizons", "1,6", "--quantiles", ".05,.5,.95")
    assert (answer["file"], answer["rows"], answer["step_seconds"]) == (str(csv), 120, 600.0)
    assert answer["columns"] == list(COLUMNS)
    assert answer["levels"] == [0.05, 0.5, 0.95]
    assert (answer["origin"], answer["origin_seconds"]) == ("2017-07-14T22:30:00Z", START + 600.0 * 119)
    one, six = answer["forecasts"]
    assert (one["horizon"], one["time"], one["time_seconds"]) == (1, "2017-07-14T22:40:00Z", START + 600.0 * 120)
    assert (six["horizon"], six["time"], six["time_seconds"]) == (6, "2017-07-14T23:30:00Z", START + 600.0 * 125)
    for forecast in (one, six):
        assert (forecast["source"], forecast["reason"]) == ("mixture", "no trained model was given")
        assert "samples" not in forecast
        assert list(forecast["quantiles"]) == list(COLUMNS)
        for quantiles in forecast["quantiles"].values():
            assert len(quantiles) == 3
            assert quantiles == sorted(quantiles)
        assert forecast["quantiles"]["limit"] == [64.0] * 3


def test_horizons_are_those_of_the_interfaces_by_default(csv: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = predict(capsys, csv)
    assert [forecast["horizon"] for forecast in answer["forecasts"]] == [1, 3, 6, 12]
    assert answer["levels"] == [0.05, 0.5, 0.95, 0.99]


def test_samples_are_joint_and_agree_with_the_quantiles(csv: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words: list[str | Path] = [csv, "--horizons", "1", "--quantiles", "0.5"]
    (forecast,) = predict(capsys, *words, "--samples", "100")["forecasts"]
    (few,) = predict(capsys, *words, "--samples", "7")["forecasts"]
    for name in COLUMNS:
        assert few["samples"][name] == forecast["samples"][name][:7]
        assert np.median(forecast["samples"][name]) == pytest.approx(forecast["quantiles"][name][0], rel=1e-6)


def test_the_same_call_gives_the_same_answer(csv: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words: list[str | Path] = [csv, "--horizons", "3", "--samples", "20", "--seed", "5"]
    assert predict(capsys, *words) == predict(capsys, *words)


def test_a_trained_model_forecasts_the_horizons_it_is_for_and_says_how_it_fared(
    csv: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forecasts = predict(capsys, csv, "--model", model)["forecasts"]
    assert [(one["horizon"], one["source"]) for one in forecasts] == [(1, "flow"), (3, "flow")]
    assert "trained on rows up to 2017-07-14 20:30:00Z; held out, its CRPS was" in forecasts[0]["reason"]
    assert forecasts[0]["quantiles"]["limit"] == [1064.0] * 4  # by the model, indeed


def test_rows_may_have_been_added_since(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    later = write_csv(tmp_path / "later.csv", rows=130)
    answer = predict(capsys, later, "--model", model, "--horizons", "1")
    assert answer["origin_seconds"] == START + 600.0 * 129
    assert answer["forecasts"][0]["source"] == "flow"


def test_of_a_long_file_a_trained_model_is_given_the_last_rows_only_and_the_answer_says_so(
    tmp_path: Path, model: Path, fake_flow: type[FakeFlow], capsys: pytest.CaptureFixture[str]
) -> None:
    long = write_csv(tmp_path / "long.csv", rows=MOST_ROWS + 500)
    header, *rows = long.read_text(encoding="utf-8").splitlines()
    late = tmp_path / "late.csv"
    late.write_text("\n".join([header, *rows[500:], ""]), encoding="utf-8")
    fake_flow.asked_rows.clear()

    answer = predict(capsys, long, "--model", model, "--samples", "9")

    assert fake_flow.asked_rows == [MOST_ROWS + 1, MOST_ROWS + 3]  # and those that are forecast
    assert (answer["rows"], answer["rows_used"]) == (MOST_ROWS + 500, MOST_ROWS)
    assert answer["forecasts"] == predict(capsys, late, "--model", model, "--samples", "9")["forecasts"]
    assert main(["forecast", "predict", str(long), "--model", str(model)]) == 0
    assert f"the forecasts rest on the last {MOST_ROWS} of them" in capsys.readouterr().out
    assert main(["forecast", "predict", str(late), "--model", str(model)]) == 0
    assert "rest on" not in capsys.readouterr().out


def change_weights(folder: Path) -> None:
    file = folder / "weights.safetensors"
    stored = bytearray(file.read_bytes())
    stored[-1] ^= 1
    file.write_bytes(stored)


def cut_weights(folder: Path) -> None:
    file = folder / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-3])


def edit_card(folder: Path) -> None:
    file = folder / "card.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"rows": 108', '"rows": 109'), encoding="utf-8")


def break_utf8(folder: Path) -> None:
    file = folder / "card.json"
    file.write_bytes(file.read_bytes().replace(b"flow", b"fl\xffw", 1))


def lose_card(folder: Path) -> None:
    (folder / "card.json").unlink()


def swap_weights(folder: Path) -> None:
    """As another hand may write: digests are right, but the weights fit no such model."""
    card, weights = read_artifact(folder)
    text, stored = encode(card, {name: weight[:2] for name, weight in weights.items()})
    (folder / "card.json").write_text(text, encoding="utf-8")
    (folder / "weights.safetensors").write_bytes(stored)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (change_weights, "weights_sha256: the weights"),
        (cut_weights, "weights_sha256: the weights"),
        (edit_card, "card_sha256: the card was changed after training"),
        (break_utf8, "card.json: is not UTF-8"),
        (lose_card, "card.json: cannot be read, got 'No such file or directory'"),
        (swap_weights, "h1: cannot forecast this series, got 'weight offset must have shape (4,)'"),
    ],
)
def test_a_damaged_model_is_refused_or_replaced_by_the_mixture_which_says_so(
    csv: Path, model: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None], told: str
) -> None:
    damage(model)
    line = refusal(capsys, csv, "--model", model)
    assert line.startswith(f"{model}: {told}")
    without_model = predict(capsys, csv, "--horizons", "1,3")["forecasts"]
    forecasts = predict(capsys, csv, "--model", model, "--fallback", "--horizons", "1,3")["forecasts"]
    for forecast, expected in zip(forecasts, without_model, strict=True):
        assert forecast["source"] == "mixture"
        assert forecast["reason"].startswith(f"{model}: ")
        assert forecast["quantiles"] == expected["quantiles"]


def test_a_model_that_gives_no_numbers_is_refused(
    csv: Path, model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(self: FakeFlow, task: Any) -> Any:
        return np.full((len(task.targets), task.levels.size, 4), np.nan)

    monkeypatch.setattr(FakeFlow, "quantiles", nothing)
    assert "h1: cannot forecast this series" in refusal(capsys, csv, "--model", model)
    (forecast,) = predict(capsys, csv, "--model", model, "--fallback", "--horizons", "1")["forecasts"]
    assert forecast["source"] == "mixture"


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"columns": COLUMNS[:3]}, "indicators: was trained on other columns (missing limit)"),
        (
            {"columns": (*COLUMNS[1:], COLUMNS[0])},
            "indicators: was trained on other columns (the same in another order)",
        ),
        ({"step_seconds": 60}, "step_seconds: was trained on rows 600 s apart, got 60.0"),
    ],
)
def test_a_model_of_another_series_is_refused_by_what_differs(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], other: dict[str, Any], told: str
) -> None:
    file = write_csv(tmp_path / "other.csv", **other)
    assert refusal(capsys, file, "--model", model).startswith(f"{model}: {told}")
    forecasts = predict(capsys, file, "--model", model, "--fallback")["forecasts"]
    assert [(one["horizon"], one["source"]) for one in forecasts] == [(h, "mixture") for h in (1, 3, 6, 12)]


def test_a_horizon_it_was_not_trained_for_is_refused_or_forecast_by_the_mixture(
    csv: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refusal(capsys, csv, "--model", model, "--horizons", "1,2")
    assert f"{model}: horizons: was trained for 1, 3 rows ahead, got 2" in line
    forecasts = predict(capsys, csv, "--model", model, "--horizons", "1,2", "--fallback")["forecasts"]
    assert [one["source"] for one in forecasts] == ["flow", "mixture"]
    assert "was trained for 1, 3 rows ahead" in forecasts[1]["reason"]


def test_without_torch_a_trained_model_is_refused_or_replaced(
    csv: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without(monkeypatch, "pyro")
    assert "pip install 'foresail[train]'" in refusal(capsys, csv, "--model", model)
    (forecast,) = predict(capsys, csv, "--model", model, "--fallback", "--horizons", "1")["forecasts"]
    assert forecast["source"] == "mixture"
    assert "pip install 'foresail[train]'" in forecast["reason"]


def test_text_is_a_table_with_times_and_levels(csv: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["forecast", "predict", str(csv), "--model", str(model), "--horizons", "1,2", "--fallback"]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{csv}: 120 rows, 10 min apart, the last at 2017-07-14 22:30:00Z"
    assert lines[1].startswith("1 ahead by flow: trained on rows up to")
    assert lines[2].startswith("2 ahead by mixture: ")
    assert lines[3].split()[:3] == ["column", "rows", "ahead"]
    assert lines[4].split()[:4] == ["load", "1", "2017-07-14", "22:40:00Z"]
    assert len(lines) == 4 + 2 * len(COLUMNS)


def test_times_that_count_from_some_start_are_not_dated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_csv(tmp_path / "relative.csv", start=0)
    assert main(["forecast", "predict", str(file), "--horizons", "1"]) == 0
    assert " 72000 s " in capsys.readouterr().out
    millis = write_csv(tmp_path / "millis.csv", start=START * 1_000_000)
    assert predict(capsys, millis, "--horizons", "1")["origin"] is None  # no year has that name


def test_series_that_cannot_be_forecast_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = write_csv(tmp_path / "short.csv", rows=12)
    assert "rows: must be 13 at least to look 3 rows ahead" in refusal(capsys, short, "--horizons", "1,3")
    single = write_csv(tmp_path / "single.csv", rows=1)
    assert "rows: must be" in refusal(capsys, single)
    assert "CSV: cannot be read" in refusal(capsys, tmp_path / "none.csv")


@pytest.mark.parametrize(
    "words",
    [
        ["--quantiles", "0.5,x"],
        ["--quantiles", "0.999"],
        ["--quantiles", "nan"],
        ["--samples", "101"],
        ["--horizons", "0"],
        ["--plot", "fan.pdf"],
        ["--levels", "10"],
    ],
)
def test_bad_usage_is_exit_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["forecast", "predict", "x.csv", *words])
    out, err = capsys.readouterr()
    assert (stopped.value.code, out) == (2, "")
    assert words[0] in err


def test_nothing_heavy_is_imported_without_need(csv: Path) -> None:
    code = (
        "import sys; from foresail.cli.main import main\n"
        f"assert main(['forecast', 'predict', {str(csv)!r}, '--model', '/none', '--fallback']) == 0\n"
        "heavy = {'torch', 'pyro', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")
