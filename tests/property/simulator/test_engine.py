"""Laws of a simulated server, whatever is asked of it."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.simulator.engine import Engine, EngineSettings, Finished, Request

ENGINES = st.builds(
    EngineSettings,
    base_seconds=st.floats(0.001, 0.05),
    seconds_per_prompt_token=st.floats(1e-6, 1e-3),
    seconds_per_sequence=st.floats(0.0, 1e-3),
    chunk_tokens=st.integers(1, 600),
    kv_tokens=st.integers(50, 2_000),
    max_sequences=st.integers(1, 12),
    max_queued=st.integers(0, 12),
)
ARRIVALS = st.lists(
    st.tuples(st.floats(0.0, 2.0), st.integers(1, 900), st.integers(1, 60)).map(lambda part: part), max_size=40
)
STRIDES = st.lists(st.floats(0.0, 3.0), min_size=1, max_size=6)


def requests_of(parts: list[tuple[float, int, int]]) -> list[Request]:
    """Requests in order of arrival; the first number is the gap before each."""
    clock, requests = 0.0, []
    for gap, inputs, outputs in parts:
        clock += gap / 10
        requests.append(Request(clock, inputs, outputs))
    return requests


def run(engine: Engine, requests: list[Request], strides: list[float]) -> list[Finished]:
    """Hand in everything, advancing in between, and check the laws after each step."""
    finished: list[Finished] = []
    for place, request in enumerate(requests):
        engine.submit(request)
        advance(engine, engine.clock + strides[place % len(strides)], finished)
    return finished


def advance(engine: Engine, until: float, finished: list[Finished]) -> None:
    before = engine.clock
    finished += engine.advance(until)
    assert engine.clock >= max(before, until)
    expect_balance(engine)


def expect_balance(engine: Engine) -> None:
    tally = engine.tally
    assert tally.received == tally.finished + engine.queued + engine.running + tally.refused
    assert 0 <= engine.kv_tokens <= engine.settings.kv_tokens
    assert engine.running <= engine.settings.max_sequences
    assert engine.queued <= engine.settings.max_queued


@given(ENGINES, ARRIVALS, STRIDES)
@settings(max_examples=150, deadline=None)
def test_every_request_is_finished_queued_running_or_refused(
    engine_settings: EngineSettings, parts: list[tuple[float, int, int]], strides: list[float]
) -> None:
    engine = Engine(engine_settings)
    run(engine, requests_of(parts), strides)
    expect_balance(engine)


@given(ENGINES, ARRIVALS, STRIDES)
@settings(max_examples=150, deadline=None)
def test_draining_finishes_everything_and_conserves_tokens(
    engine_settings: EngineSettings, parts: list[tuple[float, int, int]], strides: list[float]
) -> None:
    engine = Engine(engine_settings)
    finished = run(engine, requests_of(parts), strides)
    engine.draining = True
    assert not engine.submit(Request(engine.clock, 1, 1))
    for _ in range(10_000):
        if engine.in_flight == 0:
            break
        advance(engine, engine.clock + 10.0, finished)
    assert engine.in_flight == engine.kv_tokens == 0
    assert engine.tally.finished == len(finished)
    assert engine.tally.prompt_tokens == sum(done.request.input_tokens for done in finished)
    assert engine.tally.generation_tokens == sum(done.request.output_tokens for done in finished)
    assert engine.tally.itl.count == sum(done.request.output_tokens - 1 for done in finished)


@given(ENGINES, ARRIVALS, STRIDES)
@settings(max_examples=100, deadline=None)
def test_nobody_is_served_before_they_came_and_the_queue_is_fair(
    engine_settings: EngineSettings, parts: list[tuple[float, int, int]], strides: list[float]
) -> None:
    engine = Engine(engine_settings)
    finished = run(engine, requests_of(parts), strides)
    finished += engine.advance(engine.clock + 500.0)
    for done in finished:
        assert done.ttft_seconds > 0
        assert done.time >= done.request.arrival_seconds + done.ttft_seconds - 1e-9
        assert (done.tpot_seconds is None) == (done.request.output_tokens == 1)
    first_tokens = sorted((d.request.arrival_seconds, d.request.arrival_seconds + d.ttft_seconds) for d in finished)
    for (came, _), (later, token) in pairwise(first_tokens):
        assert came == later or token >= came  # first tokens come in the order of arrival
    times = [done.time for done in finished]
    assert times == sorted(times)


@given(ENGINES, ARRIVALS, st.integers(1, 20))
@settings(max_examples=100, deadline=None)
def test_how_often_one_looks_changes_nothing(
    engine_settings: EngineSettings, parts: list[tuple[float, int, int]], looks: int
) -> None:
    requests = requests_of(parts)[: engine_settings.max_queued]
    once, often = Engine(engine_settings), Engine(engine_settings)
    for engine in (once, often):
        for request in requests:
            engine.submit(request)
    seen_once = once.advance(50.0)
    seen_often = [done for look in range(looks) for done in often.advance(50.0 * (look + 1) / looks)]
    assert [done.request for done in seen_once] == [done.request for done in seen_often]
    for one, other in zip(seen_once, seen_often, strict=True):
        assert abs(one.time - other.time) < 1e-6
