"""Timing for the benchmarks of training, on machines that others use as well."""

import statistics
import time
from collections.abc import Callable, Mapping


def interleaved(programs: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Wall seconds of each program, the programs taking turns so that all meet the same load; one warm-up each."""
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for repeat in range(repeats + 1):
        for name, program in programs.items():
            began = time.perf_counter()
            program()
            if repeat:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def ratio(ours: list[float], theirs: list[float]) -> float:
    """How many times as fast ours is: the median over pairs that ran one after the other."""
    return statistics.median(their / our for our, their in zip(ours, theirs, strict=True))
