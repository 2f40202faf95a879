from __future__ import annotations

from importlib.resources import files

import numpy as np

from benchmarks.allocation.profiles import held_out, summary
from foresail.profiles.shipped import catalog


def test_each_slo_has_the_same_deployments_and_every_rate_is_a_rate() -> None:
    profiles = catalog().profiles
    first = [one.deployment for one in next(iter(profiles.values()))]

    assert len(first) == len(set(first)) == 42
    for known in profiles.values():
        assert [one.deployment for one in known] == first
        for one in known:
            assert one.capacity_rps.shape == one.buckets.shape == (10, 6)
            assert np.isfinite(one.capacity_rps).all()
            assert (one.capacity_rps >= 0.0).all()
            assert not one.capacity_rps.flags.writeable


def test_a_looser_slo_never_lowers_a_shipped_capacity() -> None:
    profiles = catalog().profiles
    for strict, loose in (("tpot40", "tpot120"), ("tpot40_ttft500", "tpot40")):
        for one, other in zip(profiles[strict], profiles[loose], strict=True):
            assert (one.capacity_rps <= other.capacity_rps + 1e-9).all()


def test_the_tool_its_version_and_its_licence_are_named_beside_the_data() -> None:
    notice = files("foresail.profiles").joinpath("NOTICE").read_text(encoding="utf-8")

    assert catalog().tool == "aiconfigurator 0.12.0"
    assert catalog().licence == "Apache-2.0"
    assert catalog().tool in notice
    assert "Apache License" in notice


def test_held_out_matrices_are_predicted_as_well_as_the_benchmark_says() -> None:
    rows = [held_out("tpot120", index) for index in range(0, 42, 3)]
    figures = summary([row for row in rows if row is not None])["all"]

    assert isinstance(figures["mean"], list)
    assert figures["mean"][0] < 0.20
    assert figures["mean"][3] < 0.10
