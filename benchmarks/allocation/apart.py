"""Measurements in processes of their own, two at a time, so that their peak memory is their own and nothing is warm."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from time import perf_counter
from typing import Any

from benchmarks.machine import usage_of

Report = dict[str, Any]
Job = tuple[Callable[..., Report], Sequence[Any]]


def measure_apart(jobs: Mapping[str, Job], say: Callable[[str], None], *, at_once: int = 2) -> dict[str, Report]:
    """Run all jobs; each report gets the peaks of its process and of that one's children, in MiB."""

    def run(name: str, job: Job) -> Report:
        begin = perf_counter()
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as worker:
            report = worker.submit(_with_peaks, *job).result()
        say(f"{name}: {perf_counter() - begin:.0f} s")
        return report

    with ThreadPoolExecutor(at_once) as lanes:
        pending = {name: lanes.submit(run, name, job) for name, job in jobs.items()}
        return {name: report.result() for name, report in pending.items()}


def _with_peaks(measure: Callable[..., Report], arguments: Sequence[Any]) -> Report:
    report = measure(*arguments)
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return report | {"peak_mebibytes": round(usage_of().peak_mebibytes, 1), "child_peak_mebibytes": round(children, 1)}
