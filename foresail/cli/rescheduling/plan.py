"""`foresail reschedule plan`: its options, and what it does."""

from __future__ import annotations

import argparse
import sys

from foresail.cli.packages import check_plot
from foresail.cli.rescheduling.options import add_format, add_limits, add_price, add_rest
from foresail.cli.rescheduling.values import moves, share
from foresail.cli.values import png, seconds, seed

SUMMARY = "plan moves in waves, with proof"
EXAMPLE = "foresail reschedule plan examples/rescheduling/vms.json --moves 10"
DESCRIPTION = """Plan the moves that free most room, in waves, and say what no plan can beat.

INSTANCE is JSON, `-` for standard input: virtual machines (fragment, pms, vms, anti_affinity), or pods on nodes with
GPUs (nodes, pods, types). docs/rescheduling.md has every field. Each move fits while the unit still holds its source,
and in a wave all destinations are held before any source is given up. Exit 0: planned, no moves included; 1: the start
is over-committed or contradicts itself, or --goal is not reached; 2: INSTANCE or an option cannot be understood.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("instance", metavar="INSTANCE", help="JSON of a cluster, - for standard input")
    parser.add_argument("--moves", metavar="N", type=moves, required=True, help="at most so many")
    add_limits(parser)
    parser.add_argument(
        "--objective",
        choices=("fragments", "whole-nodes", "fewest-moves"),
        help="fragments: as little room in fragments as can be (default); whole-nodes: as many nodes empty, of GPUs"
        " those of 8; fewest-moves: as few moves as reach --goal (default with --goal)",
    )
    parser.add_argument("--goal", metavar="X", type=share, help="a fragment rate, 0 to 1, that is not to be exceeded")
    add_price(parser, 0.0)
    add_rest(parser)
    parser.add_argument(
        "--time-limit",
        metavar="SECONDS",
        type=seconds,
        default=5.0,
        help="of CPU for the search; the best plan by then is given with what no plan can beat (default 5)",
    )
    parser.add_argument(
        "--plot",
        metavar="FILE.png",
        type=png,
        help="draw the nodes before and after; needs pip install 'foresail[plot]'",
    )
    parser.add_argument("--seed", metavar="N", type=seed, default=0, help="of everything random (default 0)")
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    """Plan, then print everything at once: nothing is printed where something is refused."""
    from foresail.cli.rescheduling.instance import read_instance  # noqa: PLC0415 - lazy: --help is quick
    from foresail.cli.rescheduling.solve import solve  # noqa: PLC0415 - lazy
    from foresail.cli.rescheduling.wanted import parse_wanted  # noqa: PLC0415 - lazy

    if arguments.plot is not None:
        check_plot(arguments.plot, command="foresail reschedule plan")
    answer = solve(read_instance(arguments.instance), parse_wanted(arguments))
    if arguments.plot is not None:
        from foresail.cli.rescheduling.plot import plot  # noqa: PLC0415 - lazy

        plot(answer, arguments.plot)
    if arguments.format == "json":
        from foresail.cli.rescheduling.report import to_json  # noqa: PLC0415 - lazy

        print(to_json(answer))
    else:
        from foresail.cli.rescheduling.table import to_text  # noqa: PLC0415 - lazy

        print(to_text(answer, color=sys.stdout.isatty()))
    return int(answer.refused)
