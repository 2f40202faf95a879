"""Plan the cheapest GPUs for given demand: how many replicas of which variant, what each serves, and proof of it.

CASE is JSON: one model as Mélange takes it (gpu_info, workload_distribution, total_request_rate, slice_factor), or a
fleet that shares a stock of GPUs (accelerators, models). docs/allocation.md says what is decided and what the answer
means. Exit 0: planned, a fleet's unserved demand is in the answer; 1: one model's demand cannot all be served, the
answer names the bucket; 2: CASE or an option cannot be understood.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from foresail.cli.packages import check_plot
from foresail.cli.values import png, seconds, utilization

EXAMPLE = "foresail allocate examples/allocation/two-models.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "case", metavar="CASE", help="JSON: one model in Mélange's form, or a fleet; - is standard input"
    )
    parser.add_argument(
        "--semantics",
        choices=("fractional", "sliced"),
        default="fractional",
        help="fractional: buckets are shared as it pays (default); sliced: in slice_factor whole slices, the paper's",
    )
    parser.add_argument(
        "--time-limit",
        metavar="SECONDS",
        type=seconds,
        default=120.0,
        help="of the search; the best plan by then is given with what no plan can beat (default 120)",
    )
    parser.add_argument(
        "--target-utilization",
        metavar="SHARE",
        type=utilization,
        default=1.0,
        help="load over replicas that a plan may reach, 0.001 to 1: less leaves head-room (default 1.0)",
    )
    parser.add_argument(
        "--plot",
        metavar="FILE.png",
        type=png,
        help="draw the cost beside fleets of one type, and who serves what; needs pip install 'foresail[plot]'",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="text is for people (default)")


def run(arguments: argparse.Namespace) -> int:
    """Plan, then print everything at once: nothing is printed where something is refused."""
    from foresail.cli.allocation.case import read_case  # noqa: PLC0415 - lazy: --help is quick
    from foresail.cli.allocation.solve import Wanted, refused, solve  # noqa: PLC0415 - lazy

    if arguments.plot is not None:
        check_plot(arguments.plot, command="foresail allocate")
    case = read_case(Path(arguments.case))
    sliced = arguments.semantics == "sliced"
    solved = solve(case, Wanted(sliced, arguments.time_limit, arguments.target_utilization))
    if arguments.plot is not None:
        from foresail.cli.allocation.plot import plot  # noqa: PLC0415 - lazy

        plot(solved, arguments.plot)
        print(f"drew {arguments.plot}", file=sys.stderr)
    if arguments.format == "json":
        from foresail.cli.allocation.report import to_json  # noqa: PLC0415 - lazy

        print(to_json(solved))
    else:
        from foresail.cli.allocation.table import to_text  # noqa: PLC0415 - lazy

        print(to_text(solved, color=sys.stdout.isatty()))
    return int(refused(solved))
