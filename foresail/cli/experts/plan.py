"""`foresail moe plan`: where experts go when GPUs are added, leave or stay, with few copies and in safe waves."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from foresail.cli.packages import check_plot
from foresail.cli.values import png
from foresail.domain.errors import InputError

if TYPE_CHECKING:
    from foresail.cli.experts.case import Case
    from foresail.policies.moe.limits import Refusal

SUMMARY = "where experts go when GPUs are added, leave or stay"
EXAMPLE = "foresail moe plan examples/moe/grow.json"
DESCRIPTION = """Plan where the experts of every layer go: few copies, the load balanced, in waves that are safe.

CASE is JSON (loads of experts, current experts of every slot, keep: the index that each GPU will have or -1, gpus,
slots, tau) or NPZ with loads, current and keep. Exit 0: planned, even where the balance that is asked for cannot be
reached, which the answer then says; 1: the staging budget is too small, or --engine cannot do it; 2: CASE or an option
cannot be understood.
"""
ENGINES = ("vllm", "sglang", "reference")
LEAST, MOST = 1e-6, 1e18  # beyond, numbers are slips of the keyboard


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("case", metavar="CASE", help="JSON, or NPZ with loads, current and keep")
    parser.add_argument("--gpus", metavar="M", type=_count, help="GPUs that there shall be (default: the case's)")
    parser.add_argument("--slots", metavar="S", type=_count, help="experts on each (default: the case's)")
    parser.add_argument(
        "--tau", metavar="T", type=_tau, help="load of the busiest GPU over the mean (default: the case's, else 1.05)"
    )
    parser.add_argument("--expert-bytes", metavar="B", type=_count, help="what a copy of one expert weighs")
    parser.add_argument("--link-gbytes-per-second", metavar="G", type=_positive, help="of a GPU's port, each way")
    parser.add_argument(
        "--staging-budget-bytes",
        metavar="B",
        type=_count,
        help="that a GPU may receive in one wave; needs --expert-bytes",
    )
    parser.add_argument("--engine", choices=ENGINES, help="refuse what it cannot do, with the fewest and most GPUs")
    parser.add_argument(
        "--most-gpus",
        metavar="M",
        type=_count,
        help="that the engine was started for: --elastic-ep-max-dp-size times a rank's (default: as many as now)",
    )
    parser.add_argument("--gpus-per-rank", metavar="R", type=_count, help="that come and go together (default: 1)")
    parser.add_argument("--output", metavar="FILE.npz", type=_npz, help="write the placement there")
    parser.add_argument(
        "--plot",
        metavar="FILE.png",
        type=png,
        help="draw the load of every GPU before and after; needs pip install 'foresail[plot]'",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="text is for people (default)")


def run(arguments: argparse.Namespace) -> int:
    """Plan, then print everything at once: nothing is printed where something is refused."""
    from foresail.cli.experts.case import Flags, read_case  # noqa: PLC0415 - lazy: --help is quick
    from foresail.cli.experts.planned import Sizes, plan_case  # noqa: PLC0415 - lazy

    _check(arguments)
    case = read_case(Path(arguments.case), Flags(arguments.gpus, arguments.slots, arguments.tau))
    sizes = Sizes(arguments.expert_bytes, arguments.link_gbytes_per_second, arguments.staging_budget_bytes)
    refused = None if arguments.engine is None else _refusal(arguments, case)
    if refused is not None:
        from foresail.cli.experts.report import refused_to_json  # noqa: PLC0415 - lazy

        print(refused_to_json(refused) if arguments.format == "json" else refused.message)
        return 1
    planned = plan_case(case, sizes)
    if arguments.output is not None:
        _save(planned.plan.placement, arguments.output)
    if arguments.plot is not None:
        from foresail.cli.experts.plot import plot  # noqa: PLC0415 - lazy

        plot(planned, arguments.plot)
    if arguments.format == "json":
        from foresail.cli.experts.report import to_json  # noqa: PLC0415 - lazy

        print(to_json(planned, with_placement=case.json or arguments.output is None))
    else:
        from foresail.cli.experts.table import to_text  # noqa: PLC0415 - lazy

        print(to_text(planned, color=sys.stdout.isatty()))
    return int(planned.steps is None)


def _refusal(arguments: argparse.Namespace, case: Case) -> Refusal | None:
    """Why the engine cannot do it."""
    from foresail.policies.moe.limits import Engine, refusal_of_change  # noqa: PLC0415 - lazy: --help is quick

    change, rank = case.change, arguments.gpus_per_rank or 1
    gpus, experts = len(change.keep), change.loads.shape[1]
    redundant = gpus * change.current.shape[2] - experts
    if gpus % rank:
        raise InputError(
            "foresail moe plan",
            "--gpus-per-rank",
            f"does not divide the {gpus} GPUs of now",
            value=rank,
            remedy="correct it",
        )
    if redundant < 0:
        raise InputError(
            case.source,
            "current",
            f"has fewer slots than the {experts} experts",
            value=gpus * change.current.shape[2],
            remedy=f"give what {arguments.engine} has, a slot for each expert or more",
        )
    most = arguments.most_gpus or (max(gpus, change.gpus) if arguments.engine == "reference" else None)
    engine = Engine(arguments.engine, experts, redundant, gpus, gpus_per_rank=rank, most_gpus=most)
    return refusal_of_change(engine, change)


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what cannot be done before anything is computed."""
    if arguments.plot is not None:
        check_plot(arguments.plot, command="foresail moe plan")
    needs = {"staging_budget_bytes": "expert_bytes", "link_gbytes_per_second": "expert_bytes"}
    for flag, other in (needs | {"most_gpus": "engine", "gpus_per_rank": "engine"}).items():
        if getattr(arguments, flag) is not None and getattr(arguments, other) is None:
            named = f"--{other.replace('_', '-')}"
            raise InputError(
                "foresail moe plan",
                f"--{flag.replace('_', '-')}",
                f"says nothing without {named}",
                value=getattr(arguments, flag),
                remedy=f"give {named} too",
            )
    if arguments.output is not None and not arguments.output.resolve().parent.is_dir():
        raise InputError(
            str(arguments.output), "--output", "cannot be written", value="no such folder", remedy="give another file"
        )


def _save(placement: object, file: Path) -> None:
    import numpy as np  # noqa: PLC0415 - lazy: --help is quick

    try:
        np.savez_compressed(file, placement=np.asarray(placement))
    except OSError as error:
        raise InputError(
            str(file), "--output", "cannot be written", value=error.strerror or str(error), remedy="give another file"
        ) from error


def _count(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= MOST:
        raise argparse.ArgumentTypeError(f"give a whole number of at least 1, got {text!r}")
    return number


def _tau(text: str) -> float:
    number = _number(text)
    if not 1.0 <= number <= MOST:
        raise argparse.ArgumentTypeError(f"give a number of at least 1, such as 1.02, got {text!r}")
    return number


def _positive(text: str) -> float:
    number = _number(text)
    if not LEAST <= number <= MOST:
        raise argparse.ArgumentTypeError(f"give a number of at least {LEAST:g}, such as 50, got {text!r}")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _npz(text: str) -> Path:
    if Path(text).suffix.lower() != ".npz":
        raise argparse.ArgumentTypeError(f"give a name that ends in .npz, got {text!r}")
    return Path(text)
