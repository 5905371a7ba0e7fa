"""Timing of single-threaded programs on machines with other load."""

import statistics
import time
from collections.abc import Callable, Mapping


def interleaved(programs: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """CPU seconds of each program's runs, after one warm-up run.

    The programs take turns, so that all have the same load. CPU time excludes time in which other processes run.
    """
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for repeat in range(repeats + 1):
        for name, program in programs.items():
            began = time.process_time()
            program()
            if repeat:
                seconds[name].append(time.process_time() - began)
    return seconds


def ratio(ours: list[float], theirs: list[float]) -> float:
    """How many times as fast ours is: the median over pairs that ran one after the other."""
    return statistics.median(their / our for our, their in zip(ours, theirs, strict=True))
