"""The sandbox's command line, called by make."""

from __future__ import annotations

import argparse
import math
import signal
import sys
from collections.abc import Sequence

from foresail.domain.errors import ForesailError
from foresail.sandbox.attach import attach
from foresail.sandbox.processes import stop_recorded
from foresail.sandbox.up import remove_left_data, run_folder, up

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Understand the command line."""
    parser = argparse.ArgumentParser(prog="python -m foresail.sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("up", help="start everything, show it, end it")
    start.add_argument("--speed", type=positive, default=20.0, help="how much faster trace time passes")
    start.add_argument("--minutes", type=positive, help="end after this long (default: 10 without a terminal)")
    current = commands.add_parser("attach", help="run the operator against the user's own cluster")
    current.add_argument("--cluster", type=cluster, default="current", help="sandbox, or current: yours")
    current.add_argument("--prometheus", default="", metavar="URL")
    current.add_argument("--minutes", type=positive)
    commands.add_parser("down", help="end what an earlier run left running")
    return parser.parse_args(arguments)


def down() -> int:
    """End what is recorded as running."""
    ended = [name for folder in ("sandbox", "attached") for name in stop_recorded(run_folder(folder))]
    remove_left_data(run_folder().parent)
    print(f"ended {', '.join(ended)}" if ended else "nothing is running")
    return 0


def interrupt(*_: object) -> None:
    """End with the summary, and nothing left running. What is pressed meanwhile does not cut that short."""
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def catch_signals() -> None:
    """Let `make down` and a closed terminal end it as Ctrl-C does."""
    for number in ENDINGS:
        signal.signal(number, interrupt)


def cluster(text: str) -> str:
    """Where it runs; make starts the sandbox by another command."""
    if text != "current":
        raise argparse.ArgumentTypeError(
            f"CLUSTER is sandbox (simulated, the default) or current (the one of your kubeconfig), got {text!r}"
        )
    return text


def positive(text: str) -> float:
    """A number above zero."""
    number = float(text)
    if not 0.0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"a number above 0 is needed, got {text}")
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    flags = parse_arguments(arguments)
    catch_signals()
    try:
        if flags.command == "up":
            return up(speed=flags.speed, minutes=flags.minutes)
        if flags.command == "attach":
            return attach(prometheus_url=flags.prometheus, minutes=flags.minutes)
        return down()
    except ForesailError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
