"""Plan a mixture-of-experts model: where its experts go when its GPUs change, and what that costs.

A command is a module of `foresail.cli.experts` with SUMMARY, DESCRIPTION and EXAMPLE (a line that runs),
`add_arguments(parser)` and `run(arguments) -> int`. docs/moe.md says what is decided and what the answers mean.
"""

from __future__ import annotations

import argparse
import importlib
from importlib.util import find_spec

EXAMPLE = "foresail moe plan examples/moe/grow.json"
DESCRIPTION = """Plan a mixture-of-experts model: where its experts go when its GPUs change, and what that costs.

docs/moe.md says what is decided and what the answers mean.
"""
COMMANDS = ("plan", "spec", "decide")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands under `foresail moe`."""
    parser.description = DESCRIPTION
    commands = parser.add_subparsers(dest="action", metavar="COMMAND", required=True)
    for name in available():
        module = importlib.import_module(f"foresail.cli.experts.{name}")
        module.add_arguments(
            commands.add_parser(
                name,
                help=module.SUMMARY,
                description=module.DESCRIPTION,
                epilog=f"example:\n  {module.EXAMPLE}",
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
        )


def available() -> tuple[str, ...]:
    """Commands that are installed, in the order in which they are told."""
    return tuple(name for name in COMMANDS if find_spec(f"foresail.cli.experts.{name}") is not None)


def run(arguments: argparse.Namespace) -> int:
    """Do it; returns 0: answered, 1: the answer is no."""
    return int(importlib.import_module(f"foresail.cli.experts.{arguments.action}").run(arguments))
