"""Run the operator in the foreground against any cluster that has the CRDs."""

from __future__ import annotations

import argparse

EXAMPLE = "foresail operator --kubeconfig ~/.kube/config --prometheus http://127.0.0.1:9090"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags; what is absent comes from --config, then from the defaults."""
    parser.add_argument(
        "--kubeconfig", metavar="FILE", help="default: the pod's service account, else $KUBECONFIG, else ~/.kube/config"
    )
    parser.add_argument("--prometheus", metavar="URL", help="where the engines' metrics are")
    parser.add_argument("--forecaster", metavar="URL", help="a `foresail forecaster` to ask as well (default: none)")
    parser.add_argument("--namespace", metavar="NS", help="serve one namespace only")
    parser.add_argument("--lease-namespace", metavar="NS", help="where the leader's Lease is")
    parser.add_argument("--cycle-seconds", metavar="S", type=float, help="seconds between decisions (default 15)")
    parser.add_argument("--listen", metavar="HOST:PORT", help="health, metrics and API (default 127.0.0.1:8080)")
    parser.add_argument("--config", metavar="FILE", help="YAML with any of these settings and more")
    parser.add_argument("--log-format", choices=("text", "json"), default="text", help="text is for people (default)")


def run(arguments: argparse.Namespace) -> int:
    """Run until SIGTERM."""
    import asyncio  # noqa: PLC0415 - lazy: --help is quick

    from foresail.cli.logs import set_up_logging  # noqa: PLC0415
    from foresail.operator.heap import settle_heap, spare_modules  # noqa: PLC0415
    from foresail.operator.settings import load_settings  # noqa: PLC0415

    flags = dict(vars(arguments))
    set_up_logging(flags.pop("log_format"))
    settings = load_settings(flags)
    settle_heap()

    from foresail.operator.main import run as run_operator  # noqa: PLC0415 - after the settings: a typo is told quickly

    spare_modules()
    return asyncio.run(run_operator(settings))
