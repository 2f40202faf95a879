"""Forecast series from CSV files: how good that is, models trained for it, and what comes next.

evaluate   forecast every test row from some rows before it, with several models, and print their scores
train      train a flow on a file and keep it
predict    forecast the rows behind the end of a file, with a trained model or without
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from foresail.cli.packages import check_plot, need_torch
from foresail.cli.subcommands import add_subcommand, add_subcommands
from foresail.cli.values import HIGHEST, LOWEST, MOST_SAMPLES, horizons, levels, png, quantiles, samples, seed, split

EXAMPLE = "foresail forecast evaluate examples/data/servegen-chat.csv --horizons 1,6"
TRAIN_EXAMPLE = "foresail forecast train examples/data/servegen-chat.csv --output models/chat --horizons 1,6"
PREDICT_EXAMPLE = "foresail forecast predict examples/data/servegen-chat.csv --horizons 1,6"
EVALUATE = """Forecast every test row of each CSV from some rows before it, and print how good that was.

The first column is the time (ISO 8601 or seconds), every other one an indicator; an empty cell is missing. Models
that need no training: mixture (all experts, averaged online), ridge, last, marginal, seasonal. The flow learns what
the mixture misses, in up to a minute a horizon, and needs torch. Scores are on the scale of the training part, 0 to 1
for each column; JSON has them in raw units too.
"""
TRAIN = """Train a normalizing flow on a CSV, one for each horizon, and keep it in a folder of its own.

The flow learns where the mixture, which needs no training, is wrong, and how the columns go together. It learns from
the first nine tenths of the rows; the last tenth shows how it fares beside the mixture and the seasonal naive forecast.
DIR then holds card.json (what it is and how it fared) and weights.safetensors. What is there stays until the new model
is whole; a training that is interrupted goes on where it ended when the same command is given again.
It takes about a minute of one core for each horizon and needs torch: pip install 'foresail[train]'.
"""
PREDICT = """Forecast the rows behind the end of a CSV, some rows ahead each, as quantiles of every column.

Without --model nothing is trained: the mixture of simple experts forecasts. With it, the columns and the time between
rows must be those that the model was trained on; rows may have been added since. Each forecast says what made it.
Of a longer file the last 4000 rows are used: what was before them changes nothing.
"""
MODELS = ("mixture", "last", "marginal", "seasonal", "ridge")
TRAINED = ("flow",)  # need torch, and a minute a horizon


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands under `foresail forecast`."""
    commands = add_subcommands(parser)
    for name, (summary, description, example, add) in COMMANDS.items():
        add(add_subcommand(commands, name, summary=summary, description=description, example=example))


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("csv", metavar="CSV", nargs="+", help="time in the first column, then indicators")
    parser.add_argument(
        "--split",
        metavar="A,B,C",
        type=split,
        default=(0.7, 0.1, 0.2),
        help="shares of the rows: training part first, test part last (default 0.7,0.1,0.2)",
    )
    parser.add_argument(
        "--horizons", metavar="H,…", type=horizons, default=(1, 3, 6, 12), help="rows ahead (default 1,3,6,12)"
    )
    parser.add_argument(
        "--models",
        metavar="NAME,…",
        type=_models,
        default=MODELS,
        help=f"of {', '.join(MODELS)} (default: these), {', '.join(TRAINED)}",
    )
    parser.add_argument("--levels", metavar="Q", type=levels, default=100, help="quantiles a forecast (default 100)")
    parser.add_argument("--save", metavar="DIR", help="write STEM-MODEL-hH.npz: quantiles, samples, rows, columns")
    parser.add_argument(
        "--train-only-on-train", action="store_true", help="fit nothing again on rows behind the training part"
    )
    _add_plot(parser, "draw the test part of the first file, as forecast by the first model at the first horizon")
    _add_common(parser)


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("csv", metavar="CSV", help="time in the first column, then indicators")
    parser.add_argument("--output", metavar="DIR", required=True, help="a folder of its own for the trained model")
    parser.add_argument(
        "--horizons",
        metavar="H,…",
        type=horizons,
        default=(1, 3, 6, 12),
        help="rows ahead, a flow for each (default 1,3,6,12)",
    )
    parser.add_argument("--levels", metavar="Q", type=levels, default=100, help="quantiles a forecast (default 100)")
    _add_common(parser)


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("csv", metavar="CSV", help="time in the first column, then indicators")
    parser.add_argument("--model", metavar="DIR", help="the folder that `foresail forecast train` wrote")
    parser.add_argument(
        "--fallback", action="store_true", help="forecast by the mixture where the trained model cannot be used"
    )
    parser.add_argument(
        "--horizons", metavar="H,…", type=horizons, help="rows ahead (default: the model's; without one 1,3,6,12)"
    )
    parser.add_argument(
        "--quantiles",
        metavar="P,…",
        type=quantiles,
        default=(0.05, 0.5, 0.95, 0.99),
        help=f"levels from {LOWEST} to {HIGHEST} (default .05,.5,.95,.99)",
    )
    parser.add_argument(
        "--samples",
        metavar="N",
        type=samples,
        default=0,
        help=f"joint samples of all columns in JSON, at most {MOST_SAMPLES} (default 0)",
    )
    _add_plot(parser, "draw the last rows and what is forecast")
    _add_common(parser)


def _add_plot(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--plot", metavar="FILE.png", type=png, help=f"{what}; needs pip install 'foresail[plot]'")


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", metavar="N", type=seed, default=0, help="of everything random (default 0)")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="text is for people (default)")


def run(arguments: argparse.Namespace) -> int:
    """Do it, then print everything at once: nothing is printed where something is refused."""
    answer = {"evaluate": _evaluate, "train": _train, "predict": _predict}[arguments.action]
    print(answer(arguments))
    return 0


def _evaluate(arguments: argparse.Namespace) -> str:
    from foresail.cli.evaluation import check_save, evaluate_files, save, to_json, to_text  # noqa: PLC0415 - lazy
    from foresail.forecasting.series.evaluate import Rules  # noqa: PLC0415 - lazy: --help is quick

    if "flow" in arguments.models:
        need_torch()
    files = [Path(name) for name in arguments.csv]
    train, _, test = arguments.split
    rules = Rules(train, test, arguments.levels, refits=not arguments.train_only_on_train, seed=arguments.seed)
    if arguments.save is not None:
        check_save(files, Path(arguments.save))
    if arguments.plot is not None:
        check_plot(arguments.plot)
    results = evaluate_files(
        files, rules, horizons=arguments.horizons, models=arguments.models, progress=sys.stderr.isatty()
    )
    if arguments.save is not None:
        save(results, Path(arguments.save))
    if arguments.plot is not None:
        from foresail.cli.plot import plot_evaluation  # noqa: PLC0415 - lazy

        plot_evaluation(results[0], rules, arguments.plot)
    return to_json(results) if arguments.format == "json" else to_text(results)


def _train(arguments: argparse.Namespace) -> str:
    need_torch()
    from foresail.cli.evaluation import read_series  # noqa: PLC0415 - lazy
    from foresail.cli.trained import to_json, to_text  # noqa: PLC0415 - lazy
    from foresail.cli.training import train  # noqa: PLC0415 - lazy

    file = Path(arguments.csv)
    trained = train(
        file,
        read_series(file),
        Path(arguments.output),
        horizons=arguments.horizons,
        levels=arguments.levels,
        seed=arguments.seed,
        progress=sys.stderr.isatty(),
    )
    return to_json(trained) if arguments.format == "json" else to_text(trained)


def _predict(arguments: argparse.Namespace) -> str:
    from foresail.cli.evaluation import read_series  # noqa: PLC0415 - lazy
    from foresail.cli.prediction import Wanted, predict, to_json, to_text  # noqa: PLC0415 - lazy

    file = Path(arguments.csv)
    folder = None if arguments.model is None else Path(arguments.model)
    wanted = Wanted(arguments.horizons, folder, fallback=arguments.fallback, seed=arguments.seed)
    if arguments.plot is not None:
        check_plot(arguments.plot)
    prediction = predict(file, read_series(file), wanted, progress=sys.stderr.isatty())
    if arguments.plot is not None:
        from foresail.cli.plot import plot_prediction  # noqa: PLC0415 - lazy

        plot_prediction(prediction, arguments.plot)
    if arguments.format == "json":
        return to_json(prediction, arguments.quantiles, arguments.samples)
    return to_text(prediction, arguments.quantiles)


def _models(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    there = (*MODELS, *TRAINED)
    unknown = next((name for name in names if name not in there), None)
    if unknown is not None:
        raise argparse.ArgumentTypeError(f"there is no model {unknown!r}; choose from {', '.join(there)}")
    return names


COMMANDS = {
    "evaluate": ("score models on CSV files", EVALUATE, EXAMPLE, _add_evaluate),
    "train": ("train a model on a CSV file and keep it", TRAIN, TRAIN_EXAMPLE, _add_train),
    "predict": ("forecast the rows behind the end of a CSV file", PREDICT, PREDICT_EXAMPLE, _add_predict),
}
