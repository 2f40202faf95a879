"""What `foresail forecast train` says: how the flow fared on rows it did not see, beside what needs no training."""

from __future__ import annotations

import json
from typing import Any

from foresail.cli.evaluation import number
from foresail.cli.times import moment, span
from foresail.cli.training import FIGURES, FLOW, MODELS, Trained
from foresail.forecasting.card import Card


def to_json(trained: Trained) -> str:
    """One object: what the artifact is, and a row for each horizon and model."""
    card = trained.card
    return json.dumps(
        {
            "file": str(trained.file),
            "output": str(trained.folder),
            "model": card.model,
            "columns": card.indicators,
            "step_seconds": card.step_seconds,
            "train_rows": card.rows,
            "train_start_seconds": card.train_start,
            "train_end_seconds": card.train_end,
            "held_out": _rows(trained),
        }
    )


def _rows(trained: Trained) -> list[dict[str, Any]]:
    card = trained.card
    return [
        {
            "horizon": horizon,
            "model": name,
            **{figure: card.scores.get(f"h{horizon}.{name}.{figure}") for figure in (*FIGURES, "parameters")},
            "cpu_seconds": trained.cpu_seconds.get(horizon) if name == FLOW else None,
        }
        for horizon in card.horizons
        for name in MODELS
    ]


HEADER = f"{'h':>3} {'model':<10} {'CRPS':>7} {'95 %':>6} {'>q99':>6} {'energy':>7} {'parameters':>10}"


def to_text(trained: Trained) -> str:
    """What was trained, a table of how it fared, and what to do with it."""
    card = trained.card
    lines = [
        f"{trained.file}: {len(card.indicators)} columns, a row each {span(card.step_seconds)}",
        f"trained on {card.rows} rows, from {moment(card.train_start)} to {moment(card.train_end)}",
        "scores on the rows behind them, which it did not see, columns scaled to 0 … 1 (lower is better):",
        HEADER,
        *map(_line, _rows(trained)),
        *(f"h={h}: the mixture, which needs no training, is better here" for h in _beaten(card)),
        *_resumed(trained),
        f"written to {trained.folder}; foresail forecast predict {trained.file} --model {trained.folder}",
    ]
    return "\n".join(lines)


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['horizon']:>3} {row['model']:<10} {number(row['crps'], 7, 4)} {number(row['coverage_95'], 6, 3)}"
        f" {number(row['violation_99'], 6, 4)} {number(row['energy_score'], 7, 4)} {number(row['parameters'], 10, 0)}"
    )


def _beaten(card: Card) -> list[int]:
    """Horizons at which the flow scored no better than the mixture."""
    crps = {(h, name): card.scores.get(f"h{h}.{name}.crps", 0.0) for h in card.horizons for name in MODELS}
    return [h for h in card.horizons if crps[h, FLOW] > crps[h, "mixture"]]


def _resumed(trained: Trained) -> list[str]:
    before = [str(horizon) for horizon in trained.card.horizons if horizon not in trained.cpu_seconds]
    return [f"taken from an interrupted training: h={', '.join(before)}"] if before else []
