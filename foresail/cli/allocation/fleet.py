"""A fleet: accelerators with their stock, models with their demand, and the variants of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from foresail.cli.allocation.melange import shaped
from foresail.cli.fields import Field
from foresail.domain.allocation import USUAL_STARTUP_SECONDS, AllocationProblem, Candidate, ModelDemand

FIELDS = ("accelerators", "models")
MODEL_FIELDS = ("name", "priority", "unserved_usd_per_1k_requests", "demand_rps", "variants")
VARIANT_FIELDS = (
    "name",
    "accelerator",
    "gpus_per_replica",
    "usd_per_hour",
    "capacity_rps",
    "min_replicas",
    "max_replicas",
    "current_replicas",
    "startup_seconds",
)


def parse_fleet(document: Field) -> AllocationProblem:
    """The problem that a fleet's JSON poses.

    Raises:
        InputError: A field cannot be understood, or minima exceed what an accelerator has.
    """
    document.know(FIELDS)
    stock = {name: _count(field) for name, field in document["accelerators"].members()}
    models = tuple(_model(field, list(stock)) for field in document["models"].items())
    _check_names(document["models"], [model.name for model in models])
    gpus = {name: count for name, count in stock.items() if count is not None}
    problem = AllocationProblem(models, gpus)
    _check_minima(document, problem)
    return problem


def _count(field: Field) -> int | None:
    """GPUs of an accelerator, None where nothing caps it."""
    field.know(("count",))
    return None if field["count"].absent else field["count"].whole()


def _model(field: Field, accelerators: Sequence[str]) -> ModelDemand:
    field.know(MODEL_FIELDS)
    priority = field["priority"]
    demand = field["demand_rps"].matrix("give requests per second")
    variants = field["variants"]
    candidates = tuple(_variant(variant, accelerators, demand.shape) for variant in variants.items())
    _check_names(variants, [candidate.name for candidate in candidates])
    return ModelDemand(
        name=field["name"].text(),
        demand_rps=demand,
        candidates=candidates,
        unserved_usd_per_request=field["unserved_usd_per_1k_requests"].number("give USD for 1,000 requests") / 1000.0,
        priority=0 if priority.absent else priority.whole(least=-(10**9)),
    )


def _variant(field: Field, accelerators: Sequence[str], shape: tuple[int, ...]) -> Candidate:
    field.know(VARIANT_FIELDS)
    accelerator = field["accelerator"]
    if accelerator.text() not in accelerators:
        accelerator.fail(
            f"is not among accelerators ({', '.join(accelerators)})",
            "correct it or add it there, with {} for one without a cap",
        )
    least, most = field["min_replicas"], field["max_replicas"]
    current, startup = field["current_replicas"], field["startup_seconds"]
    min_replicas = 0 if least.absent else least.whole()
    max_replicas = None if most.absent else most.whole()
    if max_replicas is not None and min_replicas > max_replicas:
        least.fail(f"is above max_replicas, which is {max_replicas}", "lower it or raise max_replicas")
    return Candidate(
        name=field["name"].text(),
        accelerator=accelerator.text(),
        gpus_per_replica=field["gpus_per_replica"].whole(least=1),
        usd_per_hour=field["usd_per_hour"].number("give USD per hour of one replica"),
        capacity_rps=shaped(field["capacity_rps"], shape, "demand_rps"),
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        current_replicas=None if current.absent else current.whole(),
        startup_seconds=USUAL_STARTUP_SECONDS if startup.absent else startup.number("give seconds"),
    )


def _check_names(field: Field, names: Sequence[str]) -> None:
    """Refuse a name that is there twice."""
    for place, name in enumerate(names):
        if name in names[:place]:
            field.items()[place]["name"].fail("is there twice", "rename one")


def _check_minima(document: Field, problem: AllocationProblem) -> None:
    """Refuse minima that an accelerator cannot hold: nothing could be planned."""
    needed: Counter[str] = Counter()
    for place, model in enumerate(problem.models):
        for which, candidate in enumerate(model.candidates):
            needed[candidate.accelerator] += candidate.min_replicas * candidate.gpus_per_replica
            count = problem.gpus.get(candidate.accelerator)
            if candidate.min_replicas and count is not None and needed[candidate.accelerator] > count:
                least = document["models"].items()[place]["variants"].items()[which]["min_replicas"]
                least.fail(
                    f"takes minima on {candidate.accelerator} to {needed[candidate.accelerator]} GPUs of the {count}"
                    " that it has",
                    f"lower it or raise accelerators.{candidate.accelerator}.count",
                )
