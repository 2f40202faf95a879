from __future__ import annotations

import pytest

from foresail.simulator.engine import Engine, EngineSettings, Request

SETTINGS = EngineSettings(base_seconds=0.01, seconds_per_prompt_token=0.0001, seconds_per_sequence=0.001)


def test_a_lone_request_takes_one_chunk_and_then_an_iteration_per_token() -> None:
    engine = Engine(SETTINGS)
    engine.submit(Request(1.0, 100, 11))
    [done] = engine.advance(10.0)
    assert done.ttft_seconds == pytest.approx(0.02)  # 10 ms + 100 tokens of 0.1 ms
    assert done.tpot_seconds == pytest.approx(0.011)  # 10 ms + one sequence of 1 ms
    assert done.time == pytest.approx(1.0 + 0.02 + 10 * 0.011)


def test_a_long_prompt_is_read_in_chunks() -> None:
    engine = Engine(SETTINGS)  # 512 tokens per iteration
    engine.submit(Request(0.0, 1024, 1))
    [done] = engine.advance(1.0)
    assert done.ttft_seconds == pytest.approx(2 * 0.01 + 1024 * 0.0001)
    assert done.tpot_seconds is None


def test_decode_slows_while_a_prompt_is_read() -> None:
    engine = Engine(SETTINGS)
    engine.submit(Request(0.0, 1, 101))
    engine.advance(0.5)
    engine.submit(Request(0.5, 400, 1))
    finished = engine.advance(5.0)
    slowed = next(done for done in finished if done.request.output_tokens == 101)
    # 100 iterations of 11 ms, one of which also read 400 tokens
    assert slowed.tpot_seconds == pytest.approx((100 * 0.011 + 0.04) / 100)


def test_the_kv_cache_bounds_the_batch_and_the_rest_waits() -> None:
    engine = Engine(EngineSettings(kv_tokens=1000))
    for _ in range(3):
        engine.submit(Request(0.0, 300, 100))
    engine.advance(0.1)
    assert (engine.running, engine.queued) == (2, 1)
    assert 0 < engine.kv_usage <= 1


def test_the_queue_is_bounded() -> None:
    engine = Engine(EngineSettings(max_queued=2))
    taken = [engine.submit(Request(0.0, 10, 10)) for _ in range(3)]
    assert taken == [True, True, False]
    assert engine.tally.refused == 1


def test_a_request_that_never_fits_is_refused() -> None:
    engine = Engine(EngineSettings(kv_tokens=100))
    assert not engine.submit(Request(0.0, 100, 1))


def test_a_request_is_not_served_before_it_arrives() -> None:
    engine = Engine(SETTINGS)
    engine.submit(Request(5.0, 10, 1))
    assert engine.advance(4.0) == []
    assert engine.clock == 4.0
    [done] = engine.advance(6.0)
    assert done.time == pytest.approx(5.011)
