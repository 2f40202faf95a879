"""`foresail forecast evaluate`: what scripts rely on."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foresail.cli.evaluation import number
from foresail.cli.forecast import MODELS
from foresail.cli.main import main
from foresail.forecasting.scores import crps
from foresail.forecasting.series import panel
from foresail.forecasting.series.series import parse_series
from tests.unit.forecasting.series.tables import COLUMNS, make_values

FIGURES = {
    "crps",
    "crps_per_column",
    "mse",
    "coverage_80",
    "coverage_95",
    "violation_99",
    "energy_score",
    "energy_score_shuffled",
    "pinball_90",
    "pinball_99",
}
QUICK = ("--horizons", "1,3", "--models", "last,marginal")


def write_csv(file: Path, rows: int = 120, seed: int = 0) -> Path:
    lines = [",".join(("time", *COLUMNS))]
    lines += [f"{600 * t}," + ",".join(map(repr, row.tolist())) for t, row in enumerate(make_values(rows, seed=seed))]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def evaluate(capsys: pytest.CaptureFixture[str], *words: str | Path) -> list[dict[str, Any]]:
    """Results of a run that must succeed."""
    assert main(["forecast", "evaluate", *map(str, words), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""  # no bar where stderr is no terminal
    results = json.loads(out)["results"]
    assert isinstance(results, list)
    return results


def figures_of(row: dict[str, Any]) -> dict[str, Any]:
    """A row without its timings."""
    return {key: value for key, value in row.items() if not key.endswith(("seconds", "milliseconds"))}


def test_json_has_every_key_of_the_contract(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_csv(tmp_path / "web.csv")
    results = evaluate(capsys, file, *QUICK)
    assert [(row["model"], row["horizon"]) for row in results] == [
        ("last", 1),
        ("last", 3),
        ("marginal", 1),
        ("marginal", 3),
    ]
    for row in results:
        timings = {"train_cpu_seconds", "predict_milliseconds", "parameters"}
        assert set(row) >= FIGURES | timings | {"file", "model", "horizon", "raw"}
        assert set(row["raw"]) == FIGURES
        assert row["file"] == str(file)
        assert set(row["crps_per_column"]) == set(COLUMNS)
        assert math.isclose(row["crps"], sum(row["crps_per_column"].values()) / 4)


def test_all_models_are_evaluated_by_default_and_the_floor_stands_beside_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_csv(tmp_path / "web.csv", rows=200)
    assert main(["forecast", "evaluate", "--horizons", "2", "--format", "json", str(file)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert tuple(row["model"] for row in answer["results"]) == MODELS == panel.MODELS
    (floor,) = answer["coin_flip_floor"]
    assert list(floor["crps_per_column"]) == ["device"]
    assert 0.0 < floor["crps"] < min(row["crps"] for row in answer["results"])


def test_figures_follow_from_what_is_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_csv(tmp_path / "web.csv")
    results = evaluate(capsys, file, *QUICK, "--save", tmp_path / "out")
    values = parse_series(file.read_text(encoding="utf-8"), "web").values
    train = values[: int(0.7 * 120)]
    span = np.where(np.ptp(train, axis=0) > 0.0, np.ptp(train, axis=0), 1.0)
    for row in results:
        saved = np.load(tmp_path / "out" / f"web-{row['model']}-h{row['horizon']}.npz")  # pickles are refused
        assert saved["quantiles"].shape == (24, 100, 4)
        assert saved["samples"].shape == (24, 100, 4)
        assert saved["columns"].tolist() == list(COLUMNS)
        np.testing.assert_array_equal(saved["target_rows"], np.arange(96, 120))
        scores = crps(saved["quantiles"].transpose(1, 0, 2), values[96:])
        assert row["raw"]["crps"] == pytest.approx(scores.mean())
        assert row["crps"] == pytest.approx((scores / span).mean())


def test_a_files_results_do_not_depend_on_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = write_csv(tmp_path / "one.csv"), write_csv(tmp_path / "other.csv", rows=150, seed=1)
    alone = evaluate(capsys, one, *QUICK)
    together = evaluate(capsys, other, one, *QUICK)
    assert list(map(figures_of, together[4:])) == list(map(figures_of, alone))


def test_a_bom_and_a_missing_cell_are_no_obstacle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_csv(tmp_path / "web.csv")
    lines = file.read_text(encoding="utf-8").splitlines()
    lines[110] = lines[110].split(",")[0] + ",,NaN,inf,"
    file.write_text("\n".join(lines), encoding="utf-8-sig")
    for row in evaluate(capsys, file, *QUICK):
        assert 0.0 <= row["crps"] < 1.0


def test_other_splits_and_levels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_csv(tmp_path / "web.csv")
    evaluate(
        capsys, file, "--models", "ridge", "--horizons", "1", "--split", "0.5,0,0.5", "--levels", "20",
        "--train-only-on-train", "--save", tmp_path,
    )  # fmt: skip
    saved = np.load(tmp_path / "web-ridge-h1.npz")
    assert saved["quantiles"].shape == (60, 20, 4)
    assert saved["samples"].shape == (60, 100, 4)


def test_text_is_a_table_for_each_file_and_one_of_their_means(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(write_csv(tmp_path / f"{name}.csv", rows=200)) for name in ("one", "two")]
    assert main(["forecast", "evaluate", *files, *QUICK]) == 0
    out = capsys.readouterr().out
    assert "mean of 2 files" in out
    assert out.count("coin-floor") == 3
    assert max(map(len, out.splitlines())) < 160


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("time,load\n0,1\n1,fast\n", "load: line 3 is not a number, got 'fast'"),
        ("time,load\n" + "".join(f"{t},1\n" for t in range(15)), "rows: must leave 13 rows to train"),
        ("time,load,gone\n" + "".join(f"{t},{t},\n" for t in range(60)), "gone: has no value in the training part"),
    ],
)
def test_bad_input_is_exit_2_with_one_line_and_nothing_on_stdout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, named: str
) -> None:
    good, bad = write_csv(tmp_path / "good.csv"), tmp_path / "bad.csv"
    bad.write_text(text, encoding="utf-8")
    assert main(["forecast", "evaluate", str(good), str(bad), *QUICK]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"{bad}: {named}")
    assert len(err.splitlines()) == 1


def test_files_that_cannot_be_read_or_saved_are_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_csv(tmp_path / "web.csv")
    (tmp_path / "there").mkdir()
    same = write_csv(tmp_path / "there" / "web.csv")
    latin = tmp_path / "latin.csv"
    latin.write_bytes("zeit,größe\n0,1\n".encode("latin-1"))
    cases: list[tuple[list[str | Path], str]] = [
        ([tmp_path / "none.csv"], "none.csv: CSV: cannot be read"),
        ([latin], "latin.csv: CSV: is not UTF-8"),
        ([file, same, "--save", tmp_path], "--save: another file has this stem, got 'web'"),
        ([file, *QUICK, "--save", file], "--save: cannot be written"),
    ]
    for words, named in cases:
        assert main(["forecast", "evaluate", *map(str, words)]) == 2
        out, err = capsys.readouterr()
        assert (out, len(err.splitlines())) == ("", 1)
        assert named in err


def test_what_is_too_large_for_a_cell_keeps_its_width() -> None:
    assert number(0.02871, 7, 4) == " 0.0287"
    assert number(2278202197.2645, 7, 4) == "2.3e+09"
    assert number(None, 7, 4) == "      -"


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    computed: list[object] = []
    monkeypatch.setattr("foresail.cli.evaluation.evaluate", lambda *given: computed.append(given))
    file = write_csv(tmp_path / "web.csv")
    assert main(["forecast", "evaluate", str(file), *QUICK, "--save", str(file / "below")]) == 2
    assert capsys.readouterr().err.startswith(f"{file}/below: --save: cannot be written, got 'Not a directory'")
    assert computed == []


@pytest.mark.parametrize(
    "words",
    [
        ["--split", "0.7,0.2"],
        ["--split", "0.7,0.2,0.2"],
        ["--split", "1,0,0"],
        ["--split", "nan,0,0.2"],
        ["--horizons", "0"],
        ["--horizons", "1,x"],
        ["--models", "last,oracle"],
        ["--levels", "5"],
        ["--seed", "-1"],
        ["--format", "xml"],
    ],
)
def test_bad_usage_is_exit_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["forecast", "evaluate", "x.csv", *words])
    out, err = capsys.readouterr()
    assert stopped.value.code == 2
    assert out == ""
    assert words[0] in err


def test_the_example_of_the_help_runs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["forecast", "evaluate", "--help"])
    example = capsys.readouterr().out.strip().splitlines()[-1].split()
    root = Path(__file__).parents[3]
    words = [str(root / word) if word.endswith(".csv") else word for word in example[1:]]
    assert main([*words, "--models", "last"]) == 0


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from foresail.cli.main import main\n"
        "try: main(['forecast', 'evaluate', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'rich', 'torch'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    assert result.returncode == 0, result.stderr
