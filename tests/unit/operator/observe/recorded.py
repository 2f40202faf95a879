"""What a real Prometheus recorded of a small fleet in twenty minutes, with an outage in it, and how it is asked."""

from __future__ import annotations

from foresail.domain.timeseries import FloatArray
from foresail.operator.observe.answers import Matrix, Vector
from foresail.operator.observe.attainment import Layout
from foresail.operator.observe.labels import PodKey
from foresail.operator.observe.prometheus import PrometheusClient
from foresail.operator.observe.queries import Indicator, Queries
from foresail.operator.observe.telemetry import Answers, Flow, Telemetry
from tests.unit.operator.observe.openmetrics import Recording, VllmPod, at, by_rate

ORIGIN = 1_795_435_200.0
MINUTE = 60.0
OUTAGE = (600.0, 780.0)  # three minutes without a scrape
QUERIES = Queries(scrape_seconds=15.0)
OLD_TPOT = {"0.025": 300.0, "0.05": 1000.0, "+Inf": 1000.0}


def record_fleet() -> Recording:
    recording = Recording(ORIGIN, 20 * MINUTE)
    for pod in (
        VllmPod("steady-7d9c6b5f4-bbbbb"),
        VllmPod("steady-7d9c6b5f4-ccccc", rps=2.0),
        VllmPod("outage-0", rps=55.0, alive=lambda s: not OUTAGE[0] < s < OUTAGE[1]),
        VllmPod("restarted-0", resets_at=607.0),
        VllmPod("new-0", start=-900.0, alive=lambda s: s >= 600.0),  # it served 15 minutes before its first scrape
        VllmPod("gone-0", alive=lambda s: s <= 600.0),
        VllmPod("busy-0", rps=2.0, waiting=by_rate(3.0)),
        VllmPod("double-0"),
        VllmPod("double-0", job="other"),
        VllmPod("broken-0", running=at(float("nan"))),
        VllmPod("rolled-7d9c6b5f4-bbbbb", alive=lambda s: s <= 990.0),
        VllmPod("rolled-5f6b7c8d9-ccccc", alive=lambda s: s >= 960.0, start=960.0),
        VllmPod("both-0"),
        VllmPod("slow-0", job="slow", every=60),
        VllmPod("quick-0", job="quick", every=2, rps=2.0, resets_at=700.0),
        VllmPod("young-0", job="young", alive=lambda s: s >= 600.0),
        VllmPod("old-0", namespace="dark", alive=lambda s: not OUTAGE[0] < s < OUTAGE[1]),
        VllmPod("new-0", namespace="dark", alive=lambda s: s >= OUTAGE[1], start=700.0),
        VllmPod("gap-0", job="gap", alive=lambda s: not OUTAGE[0] < s < OUTAGE[1]),
        VllmPod("imported-0", alive=lambda s: s % 60.0 == 0.0),  # one sample a minute
    ):
        pod.record(recording)
    for name in ("steady-7d9c6b5f4-bbbbb", "new-0"):
        labels = VllmPod(name).labels
        recording.add("vllm:kv_cache_usage_perc", labels, at(0.5))
        recording.add("vllm:gpu_cache_usage_perc", labels, at(0.9))  # both names: the new one counts
        recording.add_histogram("vllm:time_to_first_token_seconds", labels, {"0.5": 3.0, "1.0": 4.0, "+Inf": 4.0}, 0.4)
        recording.add_histogram(
            "vllm:request_time_per_output_token_seconds", labels, {"0.025": 4.0, "0.05": 4.0, "+Inf": 4.0}, 0.02
        )
        recording.add_histogram("vllm:inter_token_latency_seconds", labels, OLD_TPOT, 0.03)
    older = VllmPod("older-0").labels
    recording.add("vllm:gpu_cache_usage_perc", older, at(0.7))
    recording.add("vllm:num_requests_running", older, at(1.0))
    recording.add_histogram("vllm:time_per_output_token_seconds", older, OLD_TPOT, 0.03)
    record_sglang(recording, "sglang-0")
    record_sglang(recording, "both-0")
    return recording


def record_sglang(recording: Recording, pod: str) -> None:
    labels = VllmPod(pod).labels | {"model_name": "qwen"}
    for name, value in (("num_running_reqs", 7.0), ("num_queue_reqs", 2.0), ("token_usage", 0.3)):
        recording.add(f"sglang:{name}", labels, at(value))
    for name, per_second in (("num_requests", 3.0), ("prompt_tokens", 300.0), ("generation_tokens", 90.0)):
        recording.add(f"sglang:{name}_total", labels, by_rate(per_second))
    recording.add_histogram("sglang:inter_token_latency_seconds", labels, OLD_TPOT, 0.03)


async def ask(client: PrometheusClient, text: str, seconds: float) -> Vector:
    answer = await client.query(text, ORIGIN + seconds)
    assert isinstance(answer, Vector), answer
    return answer


async def observe(
    client: PrometheusClient, seconds: float, layout: Layout | None = None, queries: Queries = QUERIES
) -> Telemetry:
    layout = layout or Layout()
    return Telemetry(
        Answers(
            age=await ask(client, queries.age_seconds(), seconds),
            running=await ask(client, queries.running(), seconds),
            waiting=await ask(client, queries.waiting(), seconds),
            cache=await ask(client, queries.cache(), seconds),
            growth=await ask(client, queries.growth(), seconds),
            finished=await ask(client, queries.rate(Indicator.FINISHED), seconds),
            prompt_tokens=await ask(client, queries.rate(Indicator.PROMPT_TOKENS), seconds),
            generation_tokens=await ask(client, queries.rate(Indicator.GENERATION_TOKENS), seconds),
            tpot_mean=await ask(client, queries.tpot_mean(), seconds),
            ttft=await ask(client, queries.buckets(Indicator.TTFT, layout.around([0.75])), seconds),
            tpot=await ask(client, queries.buckets(Indicator.TPOT, layout.around([0.04])), seconds),
        ),
        scrape_seconds=queries.scrape_seconds,
    )


def flow_of(telemetry: Telemetry, pod: str) -> Flow | None:
    return telemetry.flow(PodKey("prod", pod), counted=frozenset())


def rows_of(answer: Matrix) -> dict[tuple[str, str], FloatArray]:
    return {
        (labels["owner"], labels["flow"]): values
        for labels, values in zip(answer.labels, answer.values, strict=True)
        if labels["engine"] == "vLLM"
    }
