"""Free room on a cluster by moving few of its virtual machines or GPU pods, in an order that is safe, with proof.

plan       the moves that are worth most, in waves that fit while every unit still holds its source
verify     replay any plan on its instance and name every fault; shares no code with what plans
generate   make up an instance, from openly stated statistics
"""

from __future__ import annotations

import argparse

from foresail.cli.rescheduling import plan
from foresail.cli.rescheduling.options import add_format, add_limits, add_price, add_rest
from foresail.cli.rescheduling.values import churn, moves, nodes, share
from foresail.cli.subcommands import add_subcommand, add_subcommands
from foresail.cli.values import seed

EXAMPLE = plan.EXAMPLE
VERIFY_EXAMPLE = (
    "foresail reschedule plan examples/rescheduling/vms.json --moves 10 --format json"
    " | foresail reschedule verify examples/rescheduling/vms.json -"
)
GENERATE_EXAMPLE = "foresail reschedule generate --size small --seed 7 > cluster.json"
VERIFY = """Replay a plan on its instance, move by move and wave by wave, and name every fault.

PLAN is what `foresail reschedule plan --format json` prints, or JSON of anybody else with `moves` (unit, to, numa_node
or cards) and, where there are some, `waves`, `before`, `after`, `bound` and `certified`. Figures that are there are
computed anew, and with a price per move it is tried whether moves earn it. `-` is standard input, for one of the two.
Exit 0: no fault; 1: faults; 2: cannot be understood.
"""
GENERATE = """Make up an instance: machines filled best fit, then stirred by units that leave and come back.

VMs have the proportions of sizes that VMR2L (EuroSys 2025) works with, or come in mixed families whose memory binds;
pods and nodes those of Alibaba's openb trace. The same options and seed make the same instance.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands under `foresail reschedule`."""
    commands = add_subcommands(parser)
    for name, (summary, description, example, add) in COMMANDS.items():
        add(add_subcommand(commands, name, summary=summary, description=description, example=example))


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("instance", metavar="INSTANCE", help="JSON of a cluster, - for standard input")
    parser.add_argument("plan", metavar="PLAN", help="JSON of a plan, - for standard input")
    parser.add_argument("--moves", metavar="N", type=moves, help="more are a fault (default: any number)")
    add_limits(parser)
    add_price(parser, None)
    add_rest(parser)
    add_format(parser)


def _add_generate(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--kind", choices=("vms", "gpus"), default="vms", help="virtual machines (default), or pods with GPUs")
    add("--size", choices=("small", "medium", "large", "xl"), default="small", help="20, 279, 1176 or 1400 machines;"
        " 60, 300, 1213 or 2426 nodes with GPUs (default small)")  # fmt: skip
    add("--nodes", metavar="N", type=nodes, help="so many instead")
    add("--load", metavar="X", type=share, help="share of CPU in use, or of cards (default 0.907, 0.72)")
    add("--churn", metavar="X", type=churn, help="how often each unit has left and come back (default 3, 0)")
    add("--scatter", metavar="X", type=share, help="share of units that were placed at random (default 0.42, 0)")
    add("--pinned", metavar="X", type=share, default=0.0, help="share of units that may not be moved (default 0)")
    add("--family", choices=("c1", "mixed", "odd"), help="of VMs: 2 GiB a core (c1, default); 2, 4 and 8 GiB, so that"
        " memory binds (mixed); that in odd sizes (odd)")  # fmt: skip
    add("--double", metavar="X", type=share, help="share of VMs of 8 to 32 cores on both NUMA nodes (default: its own)")
    add("--affinity", metavar="X", type=share, help="share of VMs in groups of five that must be apart (default 0)")
    add("--bound", metavar="X", type=share, help="share of pods with cards that ask for a type of card (default 0)")
    add("--seed", metavar="N", type=seed, default=0, help="of everything random (default 0)")
    add("--output", metavar="FILE", help="write it there and say what it is, instead of printing it")
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it, then print everything at once: nothing is printed where something is refused."""
    return {"plan": plan.run, "verify": _verify, "generate": _generate}[arguments.action](arguments)


def _verify(arguments: argparse.Namespace) -> int:
    from foresail.cli.rescheduling.checked import sentence, to_json, to_text  # noqa: PLC0415 - lazy
    from foresail.cli.rescheduling.document import once_from_stdin  # noqa: PLC0415 - lazy
    from foresail.cli.rescheduling.instance import read_instance  # noqa: PLC0415 - lazy
    from foresail.cli.rescheduling.past import Rest  # noqa: PLC0415 - lazy
    from foresail.cli.rescheduling.verification.claim import read_claim  # noqa: PLC0415 - lazy
    from foresail.cli.rescheduling.verification.replay import Limits  # noqa: PLC0415 - lazy
    from foresail.cli.rescheduling.verification.verify import verify  # noqa: PLC0415 - lazy

    once_from_stdin(arguments.instance, arguments.plan)
    instance, claim = read_instance(arguments.instance), read_claim(arguments.plan)
    rest = Rest(arguments.minimum_age, arguments.cool_down)
    wave = (arguments.parallel, arguments.max_in, arguments.max_out)
    limits = Limits(*wave, arguments.moves, rest, arguments.price_per_move)
    verdict = verify(instance, claim, limits)
    said = sentence(claim, verdict)
    json_wanted = arguments.format == "json"
    print(to_json(claim, verdict, said) if json_wanted else to_text(instance, verdict, said))
    return int(bool(verdict.faults))


def _generate(arguments: argparse.Namespace) -> int:
    from foresail.cli.rescheduling.generated import generate, summary, to_json, write  # noqa: PLC0415 - lazy

    instance = generate(arguments)
    if arguments.output is None:
        print(to_json(instance))
    else:
        write(instance, arguments.output)
        print(summary(instance, arguments.output, as_json=arguments.format == "json"))
    return 0


COMMANDS = {
    "plan": (plan.SUMMARY, plan.DESCRIPTION, plan.EXAMPLE, plan.add_arguments),
    "verify": ("replay a plan and name its faults", VERIFY, VERIFY_EXAMPLE, _add_verify),
    "generate": ("make up an instance", GENERATE, GENERATE_EXAMPLE, _add_generate),
}
