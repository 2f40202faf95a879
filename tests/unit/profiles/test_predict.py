from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from foresail.domain.accelerator import Accelerator, Prediction
from foresail.domain.workload import Slo, Workload
from foresail.profiles.known import accelerator_spec, accelerator_specs, model_spec, model_specs
from foresail.profiles.predict import predict_variants
from tests.builders import make_accelerator, make_variant, make_workload

H100 = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}


def profile(name: str = "h100", *, rps: float | None = None, **changes: Any) -> Accelerator:
    return replace(make_accelerator(name, rps=rps), **({"node_selector": H100} | changes))


def predicted(
    workload: Workload | None = None, accelerator: Accelerator | None = None, model: str | None = None
) -> dict[str, Prediction]:
    accelerator = accelerator or profile()
    return predict_variants(workload or make_workload(), model, {accelerator.name: accelerator})


def at(prediction: Prediction, inputs: float, outputs: float) -> float:
    return next(
        p.requests_per_second for p in prediction.points if (p.input_tokens, p.output_tokens) == (inputs, outputs)
    )


def test_a_shipped_matrix_is_taken_where_it_keeps_the_slo() -> None:
    lenient = make_workload(slo=Slo(ttft_milliseconds=2000, tpot_milliseconds=40))
    found = predicted(lenient)["h100"]
    assert (found.source, found.log_error) == ("shipped", 0.25)
    assert "aiconfigurator 0.12.0" in found.provenance
    assert at(found, 1024, 256) == pytest.approx(23.6, abs=0.1)
    # A stricter first token leaves only the matrix that was made for one as strict.
    strict = predicted(make_workload(slo=Slo(ttft_milliseconds=1000, tpot_milliseconds=40)))["h100"]
    assert at(strict, 1024, 256) <= at(found, 1024, 256)


def test_where_none_is_as_strict_the_roofline_and_its_kin_tell() -> None:
    found = predicted(make_workload(slo=Slo(ttft_milliseconds=300, tpot_milliseconds=25)))["h100"]
    assert found.source == "roofline"
    assert 0.05 < found.log_error < 0.6
    assert "within 0.3 s to the first token and 25 ms for each" in found.provenance


def test_what_was_written_down_needs_no_prediction() -> None:
    assert predicted(accelerator=profile(rps=6.0)) == {}


@pytest.mark.parametrize(
    ("workload", "accelerator"),
    [
        (make_workload(model="acme/secret-9B"), profile()),
        (make_workload(model="meta-llama/Llama-3.1-8B-Instruct-FP8"), profile()),
        (make_workload(), profile(node_selector={"pool": "a"})),
        (make_workload(), profile(hardware="abacus")),
        (make_workload(variants=(make_variant(accelerator=None),)), profile()),
        (make_workload(variants=(make_variant(accelerator="gone"),)), profile()),
    ],
)
def test_what_is_not_known_is_not_guessed(workload: Workload, accelerator: Accelerator) -> None:
    assert predicted(workload, accelerator) == {}


def test_the_model_may_be_named_by_the_engine_alone() -> None:
    assert predicted(make_workload(model=None), model="meta-llama/Llama-3.1-8B-Instruct")["h100"].points


def test_a_model_that_does_not_fit_has_no_capacity() -> None:
    large = make_workload(model="meta-llama/Llama-3.3-70B-Instruct")
    assert predicted(large) == {}
    spread = make_workload(model="meta-llama/Llama-3.3-70B-Instruct", variants=(make_variant(gpus_per_replica=4),))
    assert predicted(spread)["h100"].points


def test_the_profile_may_name_its_data_sheet() -> None:
    spec = accelerator_spec(profile(node_selector={}, hardware="l4"))
    assert spec is not None
    assert (spec.name, spec.memory_gib) == ("l4", 24)


@pytest.mark.parametrize("name", ["meta-llama/Llama-3.1-8B", "Meta-Llama-3.1-8B-Instruct", "org/meta-llama-3.1-8b"])
def test_names_of_one_architecture_are_one(name: str) -> None:
    spec = model_spec(name)
    assert spec is not None
    assert spec.layers == 32


def test_every_data_sheet_and_config_makes_sense() -> None:
    for sheet in accelerator_specs().values():
        assert 1 < sheet.memory_gib < 400
        assert 100 < sheet.bandwidth_gb_per_second < 10_000
    for config in model_specs().values():
        assert config.active_parameters <= config.parameters
        assert config.kv_bytes_per_token % config.layers == 0 or config.name == "openai/gpt-oss-120b"
