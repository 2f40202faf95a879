"""What a replica is predicted to sustain where nobody wrote it down: the shipped matrix, else roofline and kin.

A prediction comes with how far it may be off, which becomes head-room: sample paths of required replicas are spread by
it. What replicas are then seen to serve corrects it within minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import log

import numpy as np

from foresail.domain.accelerator import Accelerator, CapacityPoint, Prediction
from foresail.domain.errors import SpecError
from foresail.domain.workload import Variant, Workload
from foresail.policies.allocation.profiles.deployment import Deployment, Slo
from foresail.policies.allocation.profiles.profile import Profile, belief_profile, shipped_profile
from foresail.policies.allocation.profiles.transfer import Known, believe
from foresail.profiles.known import accelerator_spec, accelerator_specs, model_spec
from foresail.profiles.shipped import catalog


def hardware_problem(accelerator: Accelerator) -> str:
    """That the profile names a data sheet which is not known, and what may be written; empty where it does not."""
    if accelerator.hardware is None or accelerator.hardware in accelerator_specs():
        return ""
    known = ", ".join(sorted(accelerator_specs()))
    problem = SpecError(
        f"AcceleratorProfile {accelerator.name}",
        "spec.hardware",
        "is no known data sheet, so no capacity is predicted",
        value=accelerator.hardware,
        remedy=f"write one of {known}, or remove it to have it told from spec.nodeSelector",
    )
    return str(problem)


def predict_variants(
    workload: Workload, model: str | None, accelerators: Mapping[str, Accelerator]
) -> dict[str, Prediction]:
    """Predictions by variant, of those whose profile lists no capacity of this model.

    Args:
        workload: Whose variants and SLO.
        model: The name that the engine's metrics carry.
        accelerators: Profiles by name.
    """
    slo = Slo(workload.slo.tpot_milliseconds / 1000.0, workload.slo.ttft_milliseconds / 1000.0)
    found = {variant.name: _of(variant, workload.model or model, accelerators, slo) for variant in workload.variants}
    return {name: prediction for name, prediction in found.items() if prediction is not None}


def _of(variant: Variant, model: str | None, accelerators: Mapping[str, Accelerator], slo: Slo) -> Prediction | None:
    accelerator = accelerators.get(variant.accelerator or "")
    if accelerator is None or accelerator.points_of(model, variant.gpus_per_replica):
        return None
    spec, hardware = model_spec(model), accelerator_spec(accelerator)
    if spec is None or hardware is None:
        return None
    return predict(Deployment(spec, hardware, variant.gpus_per_replica), slo)


@lru_cache(maxsize=1024)
def predict(deployment: Deployment, slo: Slo) -> Prediction | None:
    """Points of the deployment's capacity under an SLO; None where it is predicted to sustain nothing."""
    profile = _profile(deployment, slo)
    served = np.argwhere(profile.capacity_rps > 0.0)
    points = tuple(
        CapacityPoint(
            deployment.model.name,
            deployment.gpus,
            float(profile.capacity_rps[row, column]),
            float(profile.buckets.input_edges[row]),
            float(profile.buckets.output_edges[column]),
        )
        for row, column in served
    )
    provenance = f"{_what(deployment, slo)}. {profile.provenance}"
    return Prediction(points, str(profile.source), provenance, profile.relative_error) if points else None


def _what(deployment: Deployment, slo: Slo) -> str:
    limits = f"{slo.ttft_seconds:g} s to the first token and {1000 * slo.tpot_seconds:g} ms for each"
    return f"{deployment.model.name} on {deployment.gpus} {deployment.accelerator.name} within {limits}"


def _profile(deployment: Deployment, slo: Slo) -> Profile:
    shipped = catalog()
    everything = [known for profiles in shipped.profiles.values() for known in profiles]
    buckets = everything[0].buckets
    error = shipped.relative_error
    found = shipped_profile(deployment, slo, buckets, everything, tool=shipped.tool, relative_error=error)
    if found is not None:
        return found
    kin = _kin(slo)
    return belief_profile(believe(deployment, slo, buckets, kin), len(kin))


def _kin(slo: Slo) -> tuple[Known, ...]:
    """Shipped matrices under the SLO nearest to this one."""
    shipped = catalog()

    def distance(name: str) -> float:
        other = shipped.slos[name]
        tokens, first = log(other.tpot_seconds / slo.tpot_seconds), log(other.ttft_seconds / slo.ttft_seconds)
        return abs(tokens) + 0.1 * abs(first)  # the first token binds rarely

    return shipped.profiles[min(shipped.slos, key=distance)]
