"""Plan a mixture-of-experts model: where its experts go when its GPUs change, and what that costs.

A command is a module of `foresail.cli.experts` with SUMMARY, DESCRIPTION and EXAMPLE (a line that runs),
`add_arguments(parser)` and `run(arguments) -> int`. docs/moe.md says what is decided and what the answers mean.
"""

from __future__ import annotations

import argparse
import importlib

from foresail.cli.subcommands import add_subcommand, add_subcommands

EXAMPLE = "foresail moe plan examples/moe/grow.json"
DESCRIPTION = """Plan a mixture-of-experts model: where its experts go when its GPUs change, and what that costs.

docs/moe.md says what is decided and what the answers mean.
"""
COMMANDS = ("plan", "spec", "decide")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands under `foresail moe`."""
    parser.description = DESCRIPTION
    commands = add_subcommands(parser)
    for name in COMMANDS:
        module = importlib.import_module(f"foresail.cli.experts.{name}")
        told = {"summary": module.SUMMARY, "description": module.DESCRIPTION, "example": module.EXAMPLE}
        module.add_arguments(add_subcommand(commands, name, **told))


def run(arguments: argparse.Namespace) -> int:
    """Do it; returns 0: answered, 1: the answer is no."""
    return int(importlib.import_module(f"foresail.cli.experts.{arguments.action}").run(arguments))
