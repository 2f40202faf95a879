"""`--plot`: a PNG of what was computed, whatever the series holds, and no window."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from foresail.cli.main import main
from foresail.cli.times import unit
from tests.unit.cli.flows import FakeFlow, without, write_csv
from tests.unit.forecasting.series.tables import COLUMNS, make_series, make_values

pytest.importorskip("matplotlib")
PNG = b"\x89PNG\r\n\x1a\n"
QUICK = ("--models", "last", "--horizons", "1")


def size_of(file: Path) -> tuple[int, int]:
    """Width and height of a PNG."""
    head = file.read_bytes()[:24]
    assert head.startswith(PNG)
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def test_an_evaluation_is_drawn_and_printed_as_without_a_plot(
    csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["forecast", "evaluate", str(csv), *QUICK, "--plot", str(tmp_path / "fan.png")]) == 0
    out, err = capsys.readouterr()
    assert (out.splitlines()[0], err) == (f"{csv} (4 columns)", "")
    width, height = size_of(tmp_path / "fan.png")
    assert width > height > 300


@pytest.mark.parametrize("start", [0, 1_500_000_000, -5_000_000_000])
def test_a_prediction_is_drawn_dated_or_not(
    tmp_path: Path, start: int, fake_flow: type[FakeFlow], capsys: pytest.CaptureFixture[str]
) -> None:
    csv = write_csv(tmp_path / "web.csv", start=start)
    assert main(["forecast", "train", str(csv), "--output", str(tmp_path / "m"), "--horizons", "2"]) == 0
    words = ["--model", str(tmp_path / "m"), "--horizons", "1,2", "--fallback", "--plot", str(tmp_path / "fan.PNG")]
    capsys.readouterr()
    assert main(["forecast", "predict", str(csv), *words]) == 0
    assert capsys.readouterr().err == ""
    assert size_of(tmp_path / "fan.PNG")[0] > 1000


def test_odd_names_holes_and_spikes_are_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = make_values(120)
    values[100:105, 0], values[110, 0] = np.nan, 1e12
    lines = ["time,$cost_{x$,負荷,a\\b_c%,limit"]
    lines += [
        f"{600 * t}," + ",".join("" if np.isnan(v) else repr(v) for v in row.tolist()) for t, row in enumerate(values)
    ]
    file = tmp_path / "odd.csv"
    file.write_text("\n".join(lines), encoding="utf-8")
    for command in (["evaluate", str(file), *QUICK], ["predict", str(file), "--horizons", "1"]):
        assert main(["forecast", *command, "--plot", str(tmp_path / f"{command[0]}.png")]) == 0
        assert capsys.readouterr().err == ""
        assert size_of(tmp_path / f"{command[0]}.png")


def test_a_constant_alone_is_drawn(tmp_path: Path) -> None:
    file = tmp_path / "constant.csv"
    file.write_text("time,zero\n" + "".join(f"{60 * t},0\n" for t in range(40)), encoding="utf-8")
    for command in (["evaluate", str(file), *QUICK], ["predict", str(file), "--horizons", "1"]):
        assert main(["forecast", *command, "--plot", str(tmp_path / "zero.png")]) == 0
        assert size_of(tmp_path / "zero.png")


@pytest.mark.parametrize(
    ("seconds", "named"), [(90.0, "seconds"), (3600.0, "minutes"), (86400.0, "hours"), (172800.0, "days")]
)
def test_a_span_is_told_in_the_largest_unit_of_which_it_has_a_few(seconds: float, named: str) -> None:
    name, size = unit(seconds)
    assert name == named
    assert 2.0 <= seconds / size <= 90.0


def test_the_columns_that_move_are_drawn_and_not_what_is_drawn_afresh_or_constant() -> None:
    from foresail.cli.plot import MOST_PANELS, liveliest  # noqa: PLC0415 - only where matplotlib is

    series = make_series(make_values(200), columns=COLUMNS)
    assert [COLUMNS[i] for i in liveliest(series, 200)] == ["load", "counter"]
    many = make_series(np.random.default_rng(0).normal(size=(200, 9)).cumsum(axis=0))
    assert len(liveliest(many, 200)) == MOST_PANELS


@pytest.mark.parametrize("command", [["evaluate", *QUICK], ["predict"]])
def test_what_hinders_a_plot_is_told_before_anything_is_computed(
    csv: Path, tmp_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.png").mkdir()
    words = ["forecast", command[0], str(csv), *command[1:], "--plot"]
    for place, told in (
        (tmp_path / "none" / "fan.png", "no such folder"),
        (tmp_path / "folder.png", "cannot be written"),
    ):
        assert main([*words, str(place)]) == 2
        out, err = capsys.readouterr()
        assert (out, len(err.splitlines())) == ("", 1)
        assert told in err
    without(monkeypatch, "matplotlib")
    assert main([*words, str(tmp_path / "fan.png")]) == 2
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert "pip install 'foresail[plot]'" in err


def test_matplotlib_is_imported_only_to_plot(csv: Path) -> None:
    code = (
        "import sys; from foresail.cli.main import main\n"
        f"assert main(['forecast', 'evaluate', {str(csv)!r}, '--models', 'last', '--horizons', '1']) == 0\n"
        "sys.exit(str('matplotlib' in sys.modules) if 'matplotlib' in sys.modules else 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")
