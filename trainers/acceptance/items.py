"""The results of an acceptance as items that passed or failed, each with its measured value."""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.acceptance import Accelerator, Item
from schemas.jobs import Victim
from tasks.engines.interface import DISAGREEMENT
from tasks.jobs.folder import times
from trainers.acceptance.strikes import Strike

Figures = Mapping[str, Any]
"""The figures of a measuring job."""


def parity_item(lines: Sequence[Figures], tolerance: float, error: str | None) -> Item:
    """Whether engines and trainer agreed after every update, by a training's metrics and the error that ended it."""
    name = "parity after updates"
    gaps = [line["parity"] for line in lines if line["trained_tokens"]]
    if error is not None and (not gaps or DISAGREEMENT in error):
        return Item(name=name, outcome="fail", detail=error)
    if not gaps:
        return Item(name=name, outcome="fail", detail="no step had an informative group, so there was no update")
    holds = max(gaps) <= tolerance
    detail = f"largest gap {max(gaps):.2g} in {len(gaps)} updates; allowed: {tolerance:.2g}"
    return Item(name=name, outcome="pass" if holds else "fail", detail=detail, value=max(gaps), unit="log probability")


OUT_OF_REACH = Item(
    name="DAPO: processes killed",
    outcome="not tried",
    detail="a KubeRay job has its own cluster, whose processes cannot be reached from here",
)


def kill_items(
    training: str,
    victims: Sequence[Victim],
    strikes: Sequence[Strike],
    error: str | None,
    strikes_error: str | None = None,
) -> list[Item]:
    """An item for each kind of process to kill. The errors are those of the training and of the job that kills."""
    by_victim = {strike.victim: strike for strike in strikes}
    return [
        _kill_item(f"{training}: {victim} killed", by_victim.get(victim), error, strikes_error) for victim in victims
    ]


def _kill_item(name: str, strike: Strike | None, error: str | None, strikes_error: str | None) -> Item:
    if strike is None:
        if error is not None:
            return untried_item(name)
        if strikes_error is not None:
            return Item(name=name, outcome="not tried", detail=strikes_error)
        return Item(name=name, outcome="fail", detail="the training ended before the process could be killed")
    if strike.recovered is None:
        why = error or "the training ended first"
        return Item(name=name, outcome="fail", detail=f"killed after step {strike.step}; it did not come back: {why}")
    took = strike.recovered - strike.killed
    detail = f"killed after step {strike.step}; all processes were back and a step was finished after {took:.0f} s"
    return Item(name=name, outcome="pass" if error is None else "fail", detail=detail, value=took, unit="seconds")


def whole_item(name: str, wrong: Sequence[str], right: str) -> Item:
    """The item of a check with a list of problems; ``right`` is the detail if the list is empty."""
    more = f" and {len(wrong) - 2} more" if len(wrong) > 2 else ""
    detail = "; ".join(wrong[:2]) + more if wrong else right
    return Item(name=name, outcome="fail" if wrong else "pass", detail=detail)


def restarts_item(training: str, died: int, killed: int) -> Item:
    """Compares the number of a job's attempts that ``died`` with how often it was ``killed``."""
    name = f"{training}: restarts"
    detail = f"the job was started again {times(died)}, and had been killed {times(killed)}"
    return Item(name=name, outcome="pass" if died == killed else "fail", detail=detail, value=died, unit="restarts")


def failed_item(name: str, error: str) -> Item:
    return Item(name=name, outcome="fail", detail=error)


def untried_item(name: str) -> Item:
    """The item of a check that a failed training made impossible. Another item reports the failure itself."""
    return Item(name=name, outcome="not tried", detail="the training failed")


def rollouts_item(figures: Figures) -> Item:
    rate = figures["tokens_per_second"] / figures["engines"]
    detail = (
        f"{rate:,.0f} generated tokens/s per engine ({figures['engines']} engines): {figures['rollouts']:,} rollouts, "
        f"{figures['searches'] / max(figures['rollouts'], 1):.1f} searches each, engines busy "
        f"{figures['engine_busy']:.0%}"
    )
    if figures["failed"]:
        detail += f"; {figures['failed']} failed in search or engine"
    holds = rate > 0 and not figures["failed"]
    return Item(
        name="rollouts", outcome="pass" if holds else "fail", detail=detail, value=rate, unit="tokens/s an engine"
    )


def cost_item(device_seconds: float, accelerator: Accelerator, seen_yield: float | None) -> Item:
    """The cost of a trajectory, and of an accepted trajectory if the yield of an earlier student is known."""
    detail = f"{device_seconds:.3g} {accelerator}-seconds a rollout"
    if seen_yield is None:
        return Item(
            name="cost of a trajectory",
            outcome="pass",
            detail=f"{detail}; yield unknown",
            value=device_seconds,
            unit=f"{accelerator}-seconds a rollout",
        )
    if not seen_yield:
        return Item(name="cost of a trajectory", outcome="pass", detail=f"{detail}; the last student had none accepted")
    return Item(
        name="cost of a trajectory",
        outcome="pass",
        detail=f"{detail}; {device_seconds / seen_yield:.3g} an accepted one at the last student's yield of "
        f"{seen_yield:.0%}",
        value=device_seconds / seen_yield,
        unit=f"{accelerator}-seconds an accepted trajectory",
    )


def training_item(figures: Figures) -> Item:
    rate = figures["tokens_per_second"]
    detail = (
        f"{rate:,.0f} tokens/s on {figures['ranks']} ranks, MFU {figures['mfu']:.2%} of a matrix rate of "
        f"{figures['matrix_flops_per_second'] / 1e12:,.2f} TFLOP/s each"
    )
    holds = rate > 0 and figures["mfu"] <= 1
    return Item(name="SFT", outcome="pass" if holds else "fail", detail=detail, value=rate, unit="tokens/s")


def update_item(seconds: Sequence[float]) -> Item:
    """The duration of the weight updates of a training."""
    if not seconds:
        return Item(name="weight update", outcome="not tried", detail="there was no update")
    median = sorted(seconds)[len(seconds) // 2]
    detail = f"median {median:.2f} s from the trainer to all engines, including the probe; maximum {max(seconds):.2f} s"
    return Item(name="weight update", outcome="pass", detail=detail, value=median, unit="seconds")


def retrieval_item(figures: Figures, in_flight: int, wanted: int, passages: int) -> Item:
    asked = f"{figures['queries']:,} of a step's {wanted:,} queries in {figures['seconds']:.1f} s"
    detail = (
        f"p50 {figures['p50_seconds']:.3f} s, p99 {figures['p99_seconds']:.3f} s with {in_flight:,} in flight; "
        f"{asked}, in an index of {passages:,} passages"
    )
    if figures["failed"]:
        detail += f"; {figures['failed']} failed"
    holds = figures["queries"] and not figures["failed"]
    return Item(
        name="retrieval",
        outcome="pass" if holds else "fail",
        detail=detail,
        value=figures["p99_seconds"],
        unit="seconds (p99)",
    )
