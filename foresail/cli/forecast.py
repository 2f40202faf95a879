"""Forecast series from CSV files, and see how good that is.

evaluate   forecast every test row from some rows before it, with several models, and print their scores
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EXAMPLE = "foresail forecast evaluate examples/data/servegen-chat.csv --horizons 1,6"
EVALUATE = """Forecast every test row of each CSV from some rows before it, and print how good that was.

The first column is the time (ISO 8601 or seconds), every other one an indicator; an empty cell is missing. Models
that need no training: mixture (all experts, averaged online), ridge, last, marginal, seasonal. Scores are on the
scale of the training part, 0 to 1 for each column; JSON has them in raw units too.
"""
MODELS = ("mixture", "last", "marginal", "seasonal", "ridge")
LEAST_LEVELS, MOST_LEVELS = 10, 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands under `foresail forecast`."""
    commands = parser.add_subparsers(dest="action", metavar="COMMAND", required=True)
    evaluate = commands.add_parser(
        "evaluate",
        help="score models on CSV files",
        description=EVALUATE,
        epilog=f"example:\n  {EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    evaluate.add_argument("csv", metavar="CSV", nargs="+", help="time in the first column, then indicators")
    evaluate.add_argument(
        "--split",
        metavar="A,B,C",
        type=_split,
        default=(0.7, 0.1, 0.2),
        help="shares of the rows: training part first, test part last (default 0.7,0.1,0.2)",
    )
    evaluate.add_argument(
        "--horizons", metavar="H,…", type=_horizons, default=(1, 3, 6, 12), help="rows ahead (default 1,3,6,12)"
    )
    evaluate.add_argument(
        "--models", metavar="NAME,…", type=_models, default=MODELS, help=f"of {', '.join(MODELS)} (default: all)"
    )
    evaluate.add_argument("--levels", metavar="Q", type=_levels, default=100, help="quantiles a forecast (default 100)")
    evaluate.add_argument("--save", metavar="DIR", help="write STEM-MODEL-hH.npz: quantiles, samples, rows, columns")
    evaluate.add_argument(
        "--train-only-on-train", action="store_true", help="fit nothing again on rows behind the training part"
    )
    evaluate.add_argument("--seed", metavar="N", type=_seed, default=0, help="of everything random (default 0)")
    evaluate.add_argument("--format", choices=("text", "json"), default="text", help="text is for people (default)")


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, then print everything at once: nothing is printed of files when one of them is refused."""
    from foresail.cli.evaluation import check_stems, evaluate_files, save, to_json, to_text  # noqa: PLC0415 - lazy
    from foresail.forecasting.evaluate import Rules  # noqa: PLC0415 - lazy: --help is quick

    files = [Path(name) for name in arguments.csv]
    train, _, test = arguments.split
    rules = Rules(train, test, arguments.levels, refits=not arguments.train_only_on_train, seed=arguments.seed)
    if arguments.save is not None:
        check_stems(files)
    results = evaluate_files(
        files, rules, horizons=arguments.horizons, models=arguments.models, progress=sys.stderr.isatty()
    )
    if arguments.save is not None:
        save(results, Path(arguments.save))
    print(to_json(results) if arguments.format == "json" else to_text(results))
    return 0


def _split(text: str) -> tuple[float, float, float]:
    try:
        train, between, test = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"give three shares such as 0.7,0.1,0.2, got {text!r}") from None
    if not (0.0 < train < 1.0 and 0.0 < test < 1.0 and between >= 0.0 and train + between + test <= 1.0 + 1e-9):
        raise argparse.ArgumentTypeError(f"shares must be positive and at most 1 together, got {text!r}")
    return train, between, test


def _horizons(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(_whole(part, least=1, most=100_000) for part in text.split(",")))


def _models(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    unknown = next((name for name in names if name not in MODELS), None)
    if unknown is not None:
        raise argparse.ArgumentTypeError(f"there is no model {unknown!r}; choose from {', '.join(MODELS)}")
    return names


def _levels(text: str) -> int:
    return _whole(text, least=LEAST_LEVELS, most=MOST_LEVELS)


def _seed(text: str) -> int:
    return _whole(text, least=0, most=2**63 - 1)


def _whole(text: str, *, least: int, most: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"give whole numbers from {least} to {most}, got {text!r}")
    return number
