from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from foresail.domain.errors import InputError
from foresail.simulator.trace import RateTrace, RequestTrace, read_trace


def write(folder: Path, text: str) -> Path:
    path = folder / "trace.csv"
    path.write_text(text)
    return path


def test_single_requests_are_sorted_and_count_from_the_first(tmp_path: Path) -> None:
    trace = read_trace(write(tmp_path, "arrival_seconds,input_tokens,output_tokens\n7.5,30,4\n5,10,2\n6,20,3\n"))
    assert isinstance(trace, RequestTrace)
    assert trace.arrival_seconds.tolist() == [0.0, 1.0, 2.5]
    assert trace.input_tokens.tolist() == [10, 20, 30]
    assert trace.output_tokens.tolist() == [2, 3, 4]


def test_azures_form_is_read(tmp_path: Path) -> None:
    trace = read_trace(
        write(
            tmp_path,
            "TIMESTAMP,ContextTokens,GeneratedTokens\n"
            "2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,396,109\n",
        )
    )
    assert isinstance(trace, RequestTrace)
    assert trace.arrival_seconds[1] == pytest.approx(4.314579)


def test_rates_are_read_with_columns_to_spare(tmp_path: Path) -> None:
    trace = read_trace(
        write(
            tmp_path,
            "time_s,requests_per_second,mean_input_tokens,mean_output_tokens,clients,arrival_cv\n"
            "0,2,100,10,5,1.5\n600,4,300,30,5,2\n",
        )
    )
    assert isinstance(trace, RateTrace)
    assert trace.step_seconds == 600
    assert trace.arrival_cv.tolist() == [1.5, 2.0]
    assert trace.duration_seconds == 1200


def test_without_a_variation_arrivals_are_poisson(tmp_path: Path) -> None:
    trace = read_trace(write(tmp_path, "time_s,requests_per_second,mean_input_tokens,mean_output_tokens\n0,2,100,10\n"))
    assert isinstance(trace, RateTrace)
    assert trace.arrival_cv.tolist() == [1.0]


def test_lengths_of_rows_without_requests_come_from_their_neighbors(tmp_path: Path) -> None:
    trace = read_trace(
        write(
            tmp_path,
            "time_s,requests_per_second,mean_input_tokens,mean_output_tokens\n0,2,100,10\n60,0,0,0\n120,2,300,30\n",
        )
    )
    assert isinstance(trace, RateTrace)
    assert trace.input_tokens.tolist() == [100, 200, 300]


def test_requests_become_rates() -> None:
    trace = RequestTrace(np.array([0.0, 1.0, 15.0]), np.array([10, 30, 50]), np.array([1, 3, 5]))
    rates = trace.to_rates(10.0)
    assert rates.requests_per_second.tolist() == [0.2, 0.1]
    assert rates.input_tokens.tolist() == [20, 50]


def test_faster_changes_time_and_not_rates() -> None:
    trace = RateTrace(600.0, *(np.array([x, x]) for x in (3.0, 100.0, 10.0, 1.0))).faster(20)
    assert trace.duration_seconds == 60
    assert trace.requests_per_second.tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "header: no known form of a trace, got 'a,b'; use the columns arrival_seconds,"),
        ("arrival_seconds,input_tokens,output_tokens\n", "rows: the trace is empty"),
        ("arrival_seconds,input_tokens,output_tokens\n0,many,2\n", "input_tokens, row 2: no number of at least 0, got"),
        ("arrival_seconds,input_tokens,output_tokens\n0,-1,2\n", "input_tokens, row 2"),
        ("arrival_seconds,input_tokens,output_tokens\n0,nan,2\n", "input_tokens, row 2"),
        ("arrival_seconds,input_tokens,output_tokens\n0,1\n", "row 2: has another number of cells"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\nnoon,1,2\n", "TIMESTAMP: no time, got 'noon'"),
        (
            "time_s,requests_per_second,mean_input_tokens,mean_output_tokens\n0,1,1,1\n60,1,1,1\n180,1,1,1\n",
            "time_s, row 4: rows must be 60 s apart",
        ),
    ],
)
def test_what_cannot_be_understood_is_told_with_place_and_remedy(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError) as error:
        read_trace(path)
    assert f"{path}: {said}" in str(error.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_trace(tmp_path / "none.csv")
