"""What was found, as items that passed or failed, each with its number."""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.acceptance import Accelerator, Item
from schemas.jobs import Victim
from tasks.engines.interface import DISAGREEMENT
from tasks.jobs.folder import times
from trainers.acceptance.strikes import Strike

Figures = Mapping[str, Any]
"""Those of a job that measured."""


def parity_item(lines: Sequence[Figures], tolerance: float, error: str | None) -> Item:
    """``lines`` of a training's metrics; ``error``, where it failed."""
    name = "parity after updates"
    gaps = [line["parity"] for line in lines if line["trained_tokens"]]
    if error is not None and (not gaps or DISAGREEMENT in error):
        return Item(name=name, outcome="fail", detail=error)
    if not gaps:
        return Item(name=name, outcome="fail", detail="no step had anything to learn from, so there was no update")
    holds = max(gaps) <= tolerance
    detail = f"at most {max(gaps):.2g} in {len(gaps)} updates; {tolerance:.2g} is allowed"
    return Item(name=name, outcome="pass" if holds else "fail", detail=detail, value=max(gaps), unit="log probability")


OUT_OF_REACH = Item(
    name="DAPO: processes killed",
    outcome="not tried",
    detail="a job of KubeRay has a cluster of its own, whose processes nobody else can kill",
)


def kill_items(
    training: str,
    victims: Sequence[Victim],
    strikes: Sequence[Strike],
    error: str | None,
    strikes_error: str | None = None,
) -> list[Item]:
    """One for each kind of process that was to die in a training; errors are why it, or what kills, failed."""
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
        return Item(name=name, outcome="fail", detail="the training ended before it could be killed")
    if strike.recovered is None:
        why = error or "the training ended first"
        return Item(name=name, outcome="fail", detail=f"after step {strike.step}; it did not come back: {why}")
    took = strike.recovered - strike.killed
    detail = f"after step {strike.step}; all were back and a step was made after {took:.0f} s"
    return Item(name=name, outcome="pass" if error is None else "fail", detail=detail, value=took, unit="seconds")


def whole_item(name: str, wrong: Sequence[str], right: str) -> Item:
    """Of a check that tells what is ``wrong``, and in ``right`` what there is."""
    more = f" and {len(wrong) - 2} more" if len(wrong) > 2 else ""
    detail = "; ".join(wrong[:2]) + more if wrong else right
    return Item(name=name, outcome="fail" if wrong else "pass", detail=detail)


def restarts_item(training: str, died: int, killed: int) -> Item:
    """A job of which so many attempts ``died``, and that was ``killed`` so often."""
    name = f"{training}: restarts"
    detail = f"the job was started again {times(died)}, and had been killed {times(killed)}"
    return Item(name=name, outcome="pass" if died == killed else "fail", detail=detail, value=died, unit="restarts")


def failed_item(name: str, error: str) -> Item:
    return Item(name=name, outcome="fail", detail=error)


def untried_item(name: str) -> Item:
    """Of a training that failed, which another item tells."""
    return Item(name=name, outcome="not tried", detail="the training failed")


def rollouts_item(figures: Figures) -> Item:
    rate = figures["tokens_per_second"] / figures["engines"]
    detail = (
        f"{rate:,.0f} generated tokens/s an engine, of {figures['engines']}: {figures['rollouts']:,} rollouts with "
        f"{figures['searches'] / max(figures['rollouts'], 1):.1f} searches, engine at work {figures['engine_busy']:.0%}"
    )
    if figures["failed"]:
        detail += f"; {figures['failed']} failed in search or engine"
    holds = rate > 0 and not figures["failed"]
    return Item(
        name="rollouts", outcome="pass" if holds else "fail", detail=detail, value=rate, unit="tokens/s an engine"
    )


def cost_item(device_seconds: float, accelerator: Accelerator, seen_yield: float | None) -> Item:
    """Of a trajectory; of an accepted one where an earlier student told how many are."""
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
    """Of every update of the training."""
    if not seconds:
        return Item(name="weight update", outcome="not tried", detail="there was no update")
    median = sorted(seconds)[len(seconds) // 2]
    detail = f"{median:.2f} s from trainer to all engines, probe included; at most {max(seconds):.2f} s"
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
