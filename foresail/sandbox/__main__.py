"""The sandbox's command line, called by make."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

from foresail.sandbox.attach import attach
from foresail.sandbox.binaries import BinariesMissingError
from foresail.sandbox.processes import stop_recorded
from foresail.sandbox.up import run_folder, up


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Understand the command line."""
    parser = argparse.ArgumentParser(prog="python -m foresail.sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("up", help="start everything, show it, end it")
    start.add_argument("--speed", type=float, default=20.0, help="how much faster trace time passes")
    start.add_argument("--minutes", type=float, help="end after this long (default: 10 without a terminal)")
    current = commands.add_parser("attach", help="run the operator against the user's own cluster")
    current.add_argument("--cluster", choices=["current"], default="current")
    current.add_argument("--prometheus", default="", metavar="URL")
    current.add_argument("--minutes", type=float)
    commands.add_parser("down", help="end what an earlier run left running")
    return parser.parse_args(arguments)


def down() -> int:
    """End what is recorded as running."""
    ended = [name for folder in ("sandbox", "attached") for name in stop_recorded(run_folder(folder))]
    print(f"ended {', '.join(ended)}" if ended else "nothing is running")
    return 0


def interrupt(*_: object) -> None:
    """SIGTERM ends it as Ctrl-C does: with the summary, and nothing left running."""
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    flags = parse_arguments(arguments)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        if flags.command == "up":
            return up(speed=flags.speed, minutes=flags.minutes)
        if flags.command == "attach":
            return attach(prometheus_url=flags.prometheus, minutes=flags.minutes)
        return down()
    except BinariesMissingError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing is left running", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
