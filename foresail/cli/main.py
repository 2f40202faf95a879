"""`foresail`: finds the command and hands over; a command's module is imported only when it runs or explains itself.

A command's module has `EXAMPLE` (a line that runs), `add_arguments(parser)` and `run(arguments) -> int`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from types import ModuleType

from foresail import __version__
from foresail.domain.errors import InputError

BROKEN_PIPE = 128 + 13  # as a shell shows it when the reader, such as `head`, has gone

COMMANDS = {
    "operator": "run the operator against a cluster, in the foreground",
    "explain": "print an object's last decision step by step",
    "allocate": "plan the cheapest GPUs for given demand, with proof",
    "reschedule": "plan the moves that free most room, in safe waves, with proof",
    "moe": "plan how a mixture-of-experts model grows and shrinks while it serves",
    "forecast": "forecast series from CSV files and score that",
    "forecaster": "train forecasts in the background and serve them to the operator",
    "sandbox": "run a model on a simulated cluster and watch it being scaled",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names; returns 0: answered, 1: the answer is no, 2: not understood."""
    try:
        try:
            return _run(list(sys.argv[1:] if argv is None else argv))
        finally:
            sys.stdout.flush()  # here, where it can be caught, and not by the interpreter at its end
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to say goes nowhere
        return BROKEN_PIPE


def _run(words: list[str]) -> int:
    name = words[0] if words else ""
    if name not in _available():
        return _explain_itself(words)
    module = importlib.import_module(f"foresail.cli.{name}")
    arguments = _command_parser(name, module).parse_args(words[1:])
    try:
        return int(module.run(arguments))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _available() -> dict[str, str]:
    return {name: text for name, text in COMMANDS.items() if find_spec(f"foresail.cli.{name}") is not None}


def _explain_itself(words: list[str]) -> int:
    """Print help, version, or that there is no such command."""
    commands = "\n".join(f"  {name:<10} {text}" for name, text in _available().items())
    parser = argparse.ArgumentParser(
        prog="foresail",
        usage="foresail COMMAND …",
        description="Scale model servers before the demand arrives, and say why.",
        epilog=f"commands:\n{commands}\n\nexample:\n  foresail explain --help",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"foresail {__version__}")
    parser.add_argument("command", metavar="COMMAND", choices=sorted(_available()), help="see below")
    parser.parse_args(words or ["--help"])
    return 0


def _command_parser(name: str, module: ModuleType) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"foresail {name}",
        description=module.__doc__,
        epilog=f"example:\n  {module.EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
