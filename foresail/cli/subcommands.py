"""Commands under a command: each is told in a line, described, and has an example that runs."""

from __future__ import annotations

import argparse
from typing import Any

Commands = Any  # what argparse makes of `add_subparsers`, which has no name of its own


def add_subcommands(parser: argparse.ArgumentParser) -> Commands:
    """Where commands are added; the one that is given is in `action`."""
    return parser.add_subparsers(dest="action", metavar="COMMAND", required=True)


def add_subcommand(
    commands: Commands, name: str, *, summary: str, description: str, example: str
) -> argparse.ArgumentParser:
    """A command, whose arguments are for the caller to add."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser
