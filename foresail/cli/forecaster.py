"""Train forecasts in the background and serve them to an operator; runs in the foreground."""

from __future__ import annotations

import argparse

EXAMPLE = "foresail forecaster --prometheus http://127.0.0.1:9090 --artifacts ./artifacts"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags; what is absent comes from --config, then from the defaults."""
    parser.add_argument("--prometheus", metavar="URL", help="where the engines' metrics are")
    parser.add_argument(
        "--artifacts",
        metavar="DIR|URL",
        help="where everything is kept: a folder, or s3://BUCKET/PREFIX, gs://… or az://… (default: ./artifacts)",
    )
    parser.add_argument("--working-copy", metavar="DIR", help="beside a URL: its working copy (default: ./artifacts)")
    parser.add_argument("--listen", metavar="HOST:PORT", help="forecasts, health and metrics (default 127.0.0.1:8090)")
    parser.add_argument(
        "--train-every-seconds", metavar="S", type=float, help="between trainings of a workload (default 21600)"
    )
    parser.add_argument("--history-hours", metavar="H", type=float, help="past to train on (default 72)")
    parser.add_argument("--config", metavar="FILE", help="YAML with any of these settings and more")
    parser.add_argument("--log-format", choices=("text", "json"), default="text", help="text is for people (default)")


def run(arguments: argparse.Namespace) -> int:
    """Run until SIGTERM."""
    import asyncio  # noqa: PLC0415 - lazy: --help is quick
    import os  # noqa: PLC0415

    from foresail.cli.logs import set_up_logging  # noqa: PLC0415
    from foresail.forecaster.settings import load_settings  # noqa: PLC0415

    flags = dict(vars(arguments))
    set_up_logging(flags.pop("log_format"))
    settings = load_settings(flags)

    from foresail.forecaster.main import run as run_forecaster  # noqa: PLC0415 - after the settings

    status = asyncio.run(run_forecaster(settings))
    # Not by way of the interpreter's end, which would wait for the models' thread: nothing is left to be written.
    os._exit(status)
