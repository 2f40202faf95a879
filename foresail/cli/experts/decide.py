"""`foresail moe decide`: grow, shrink, add or take a replica, rebalance, or wait, with what each would cost."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

SUMMARY = "grow, shrink, add or take a replica, rebalance, or wait: what each is expected to cost"
DESCRIPTION = """Decide how wide a mixture-of-experts model should be: every change that its engine allows is
priced over the paths of a forecast, in seconds of one GPU, and the cheapest is chosen.

CASE is JSON: model, engine, group, forecast, and optionally gpu, times, prices; docs/moe.md says what fields mean.
Exit 0: decided, what the engine refuses is in the answer with its reason; 2: CASE cannot be understood.
"""
EXAMPLE = "foresail moe decide examples/moe/decide.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("case", metavar="CASE", help="JSON: state and forecast")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="text is for people (default)")


def run(arguments: argparse.Namespace) -> int:
    """Decide and print."""
    from foresail.cli.experts.decide_case import read_case  # noqa: PLC0415 - lazy: --help is quick
    from foresail.cli.experts.decide_report import to_json, to_text  # noqa: PLC0415 - lazy
    from foresail.policies.moe.width import decide  # noqa: PLC0415 - lazy

    situation = read_case(Path(arguments.case))
    started = time.process_time()
    decision = decide(situation)
    spent = time.process_time() - started
    if arguments.format == "json":
        print(to_json(situation, decision, spent))
    else:
        print(to_text(situation, decision, color=sys.stdout.isatty()))
    return 0
