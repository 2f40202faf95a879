"""What `foresail forecast evaluate` does: read the files, evaluate, save, and say it to people or to scripts."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from foresail.domain.errors import InputError
from foresail.forecasting.series.evaluate import CoinFloor, Evaluation, Rules, evaluate, find_coin_floor, split
from foresail.forecasting.series.panel import make_model
from foresail.forecasting.series.series import Series, parse_series


@dataclass(frozen=True, slots=True, eq=False)
class FileResult:
    """All evaluations of one file.

    Args:
        file: As it was given.
        series: What it holds.
        floor: Under every CRPS.
        evaluations: By model, then horizon.
    """

    file: Path
    series: Series
    floor: CoinFloor
    evaluations: tuple[Evaluation, ...]


def evaluate_files(
    files: Sequence[Path], rules: Rules, *, horizons: Sequence[int], models: Sequence[str], progress: bool
) -> list[FileResult]:
    """Evaluate each model at each horizon on each file, on its own; all files are checked before the first one.

    Raises:
        InputError: A file cannot be read, or is too short.
    """
    series = [read_series(file) for file in files]
    for one in series:
        split(one, rules, max(horizons))
    with Progress(console=Console(stderr=True), transient=True, disable=not progress) as bar:
        work = bar.add_task("evaluating", total=len(files) * len(models) * len(horizons))
        results = []
        for file, one in zip(files, series, strict=True):
            evaluations = []
            for name in models:
                for horizon in horizons:
                    bar.update(work, description=f"{file.name} {name} h={horizon}")
                    evaluations.append(evaluate(one, make_model(name), horizon, rules, time.process_time))
                    bar.advance(work)
            floor = find_coin_floor(one, rules, min(horizons))
            results.append(FileResult(file, one, floor, tuple(evaluations)))
    return results


def read_series(file: Path) -> Series:
    """Read a CSV file.

    Raises:
        InputError: It cannot be read or understood.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(
            str(file), "CSV", "cannot be read", value=error.strerror or str(error), remedy="give a readable file"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            str(file), "CSV", "is not UTF-8", value=error.reason, remedy="save it as UTF-8 text"
        ) from error
    return parse_series(text, str(file))


def check_save(files: Sequence[Path], folder: Path) -> None:
    """Make sure, before anything is computed, that every file's forecasts can be saved, each under a name of its own.

    Raises:
        InputError: Two files have the same stem, or the folder cannot be written to.
    """
    stems = [file.stem for file in files]
    twice = next((i for i, stem in enumerate(stems) if stem in stems[:i]), None)
    if twice is not None:
        raise InputError(
            str(files[twice]),
            "--save",
            "another file has this stem",
            value=stems[twice],
            remedy="rename one of them, or save them apart",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _cannot_save(folder, error) from error


def save(results: Sequence[FileResult], folder: Path) -> None:
    """Write STEM-MODEL-hH.npz for each evaluation into a folder that was checked.

    Raises:
        InputError: The folder cannot be written to.
    """
    try:
        for result in results:
            for one in result.evaluations:
                np.savez(
                    folder / f"{result.file.stem}-{one.model}-h{one.horizon}.npz",
                    quantiles=one.quantiles,
                    samples=one.samples,
                    target_rows=one.target_rows,
                    columns=np.array(result.series.columns),
                )
    except OSError as error:
        raise _cannot_save(folder, error) from error


def _cannot_save(folder: Path, error: OSError) -> InputError:
    return InputError(
        str(folder), "--save", "cannot be written", value=error.strerror or str(error), remedy="give another folder"
    )


def to_json(results: Sequence[FileResult]) -> str:
    """One object, `results` as in the contract, and the coin-flip floor of each file beside them."""
    floors = [
        {"file": str(result.file), "crps": result.floor.crps, "crps_per_column": result.floor.columns}
        for result in results
    ]
    return json.dumps({"results": [row for result in results for row in _rows(result)], "coin_flip_floor": floors})


def _rows(result: FileResult) -> list[dict[str, Any]]:
    return [
        {
            "file": str(result.file),
            "model": one.model,
            "horizon": one.horizon,
            **asdict(one.figures),
            "raw": asdict(one.raw),
            "train_cpu_seconds": one.train_cpu_seconds,
            "predict_milliseconds": one.predict_milliseconds,
            "parameters": one.parameters,
        }
        for one in result.evaluations
    ]


HEADER = (
    f"{'model':<10} {'h':>3} {'CRPS':>7} {'MSE':>8} {'80 %':>6} {'95 %':>6} {'>q99':>6} {'energy':>7} {'shuffled':>8}"
    f" {'CPU s':>6} {'ms':>6}"
)


def to_text(results: Sequence[FileResult]) -> str:
    """A table for each file, and one of the means over files where there are several."""
    blocks = [
        _table(f"{result.file} ({len(result.series.columns)} columns)", _rows(result), result.floor)
        for result in results
    ]
    if len(results) > 1:
        blocks.append(_mean_table(results))
    return "\n\n".join(blocks)


def _table(title: str, rows: Sequence[dict[str, Any]], floor: CoinFloor) -> str:
    lines = [title, HEADER, *(_line(row) for row in rows)]
    if floor.columns:
        names = ", ".join(floor.columns)
        lines.append(f"{'coin-floor':<10}   - {floor.crps:>7.4f} no forecast is below: drawn afresh each row: {names}")
    return "\n".join(lines)


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['model']:<10} {row['horizon']:>3} {number(row['crps'], 7, 4)} {number(row['mse'], 8, 5)}"
        f" {number(row['coverage_80'], 6, 3)} {number(row['coverage_95'], 6, 3)} {number(row['violation_99'], 6, 4)}"
        f" {number(row['energy_score'], 7, 4)} {number(row['energy_score_shuffled'], 8, 4)}"
        f" {row['train_cpu_seconds']:>6.1f} {row['predict_milliseconds']:>6.1f}"
    )


def number(value: float | None, width: int, digits: int) -> str:
    """A cell of a table; a dash where nothing is known, and two digits of what is too large for it."""
    if value is None:
        return f"{'-':>{width}}"
    text = f"{value:>{width}.{digits}f}"
    return text if len(text) <= width else f"{value:>{width}.2g}"


def _mean_table(results: Sequence[FileResult]) -> str:
    """Means over the files of each model and horizon; one that is unknown in a file is unknown here."""
    by_file = [_rows(result) for result in results]
    rows = [{key: _mean([row[key] for row in same]) for key in same[0]} for same in zip(*by_file, strict=True)]
    floor = sum(result.floor.crps for result in results) / len(results)
    names = dict.fromkeys(name for result in results for name in result.floor.columns)
    title = f"mean of {len(results)} files"
    return _table(title, rows, CoinFloor(dict.fromkeys(names, 0.0), floor))


def _mean(values: Sequence[Any]) -> Any:
    if isinstance(values[0], str | int | dict):
        return values[0]
    return None if any(value is None for value in values) else sum(values) / len(values)
