"""Rank 0's work besides training: it has engines generate rollouts, keeps the prompt ledger, and reports progress."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from schemas.jobs import DapoJob
from tasks import jobs
from tasks.agent.tokenizer import AgentTokenizer
from tasks.rollouts.worker import Usage
from trainers.model.metrics import Metrics
from trainers.rl.generation import Cursor, Generation, Harvest
from trainers.rl.groups import figures_of
from trainers.rl.policy import Experience
from trainers.rl.prompt_ledger import Fate, PromptLedger
from trainers.rl.rollouts import Rollouts
from trainers.rl.stream import Stream

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Generated:
    """The data of a step that rank 0 sends to all ranks: experiences (maybe none), the next cursor, and figures."""

    experiences: list[Experience]
    cursor: Cursor
    figures: dict[str, Any]


class Controller:
    """Runs generation and writes ``metrics.jsonl``, ``prompts.jsonl`` and ``progress.json``."""

    def __init__(
        self, job: DapoJob, rollouts: Rollouts, generation: Generation | Stream, tokenizer: AgentTokenizer
    ) -> None:
        self._job, self._rollouts, self._generation, self._tokenizer = job, rollouts, generation, tokenizer
        self._metrics = Metrics(Path(job.output) / "metrics.jsonl")
        self._prompts = PromptLedger(Path(job.output) / "prompts.jsonl")
        self._fates: list[Fate] = []
        self._usage = rollouts.usage()

    def go_on_from(self, step: int) -> None:
        """Remove the lines that were written after the checkpoint of this step."""
        self._metrics.go_on_from(step)
        self._prompts.go_on_from(step)

    def generate(self, step: int, cursor: Cursor, bound: int) -> Generated:
        """Generate the data of step ``step`` (from 1).

        Raises:
            Interrupted: a stop was requested; ``cursor`` is still valid to resume from.
        """
        began = time.perf_counter()
        harvest, then = self._generation.collect(cursor, bound)
        waited = time.perf_counter() - began
        self._fates = harvest.fates(step)
        experiences = [experience for group in harvest.groups for experience in group.experiences(self._tokenizer)]
        figures = {**_figures_of(harvest), "seconds_generation": round(waited, 3)}
        return Generated(experiences, then, figures)

    def published(self) -> None:
        """Called when the engines have taken a new version of the policy."""
        self._generation.published()

    def record_step(self, done: int, total: int, line: dict[str, Any]) -> None:
        """Write the metrics and the prompts' fates of step ``done``, and report progress."""
        before, self._usage = self._usage, self._rollouts.usage()
        line |= _shares(before, self._usage)
        self._metrics.add(line)
        self._prompts.add(self._fates)
        importance, ess = line.get("importance", 1.0), line.get("importance_ess", 1.0)
        # Engine and trainer probabilities drift apart before a policy collapses, so warn early.
        if not 0.5 <= importance <= 2.0 or ess < 0.3:
            _log.warning(
                "step %d: importance weights have mean %.2f and effective sample share %.2f: the probabilities of "
                "engines and trainer have drifted apart",
                done,
                importance,
                ess,
            )
        note = f"reward {line['reward']:.3f}" if "reward" in line else ""
        jobs.report_progress(self._job.output, done, total, "steps", note)

    def figures(self) -> dict[str, Any]:
        """The figures of the whole training; shares are of the time of its steps."""
        lines = self._metrics.lines()
        rewards = [line["reward"] for line in lines if "reward" in line]
        seconds = sum(line["seconds"] for line in lines)
        kinds = ("generation", "reward", "training", "update")
        return {
            "steps": len(lines),
            "updates_skipped": sum(not line["trained_tokens"] for line in lines),
            "rollouts": sum(line["rollouts"] for line in lines),
            "generated_tokens": sum(line["generated_tokens"] for line in lines),
            "stale_groups": sum(line["stale_groups"] for line in lines),
            "reward_first": round(fmean(rewards[:3] or [0.0]), 4),
            "reward_last": round(fmean(rewards[-3:] or [0.0]), 4),
            **{f"share_{kind}": round(sum(line[f"seconds_{kind}"] for line in lines) / seconds, 4) for kind in kinds},
            **{
                f"share_{state}": round(sum(line.get(state, 0.0) * line["seconds"] for line in lines) / seconds, 4)
                for state in ("engine_asleep", "engine_idle")
            },
            "share_search_of_rollouts": round(fmean(line["search_share"] for line in lines), 4),
        }


def _figures_of(harvest: Harvest) -> dict[str, Any]:
    rollouts = [trajectory for group in harvest.drawn for trajectory in group.trajectories]
    return {
        **figures_of(harvest.drawn),
        "groups": len(harvest.groups),
        "informative_groups": sum(group.is_informative for group in harvest.drawn),
        "stale_groups": len(harvest.stale),
        "generation_batches": harvest.batches,
        "rollouts": len(rollouts),
        "tokens": sum(trajectory.n_tokens for trajectory in rollouts),
        "generated_tokens": sum(len(segment.logprobs or ()) for row in rollouts for segment in row.segments),
        "seconds_reward": round(sum(group.reward_seconds for group in harvest.drawn), 4),
    }


def _shares(before: list[Usage], after: list[Usage]) -> dict[str, float]:
    """Shares of time since ``before``: engines asleep, engines idle while awake, and rollouts waiting for search.

    A replaced engine counts from its own start.
    """
    spent = [
        Usage(*(late - early for late, early in zip(now, then, strict=True))) if now.alive > then.alive else now
        for now, then in zip(after, before, strict=True)
    ]
    alive, sampling, rolling, searching, asleep = (sum(values) for values in zip(*spent, strict=True))
    awake = alive - asleep
    return {
        "engine_asleep": round(asleep / alive, 4) if alive else 0.0,
        "engine_idle": round(max(0.0, 1 - sampling / awake), 4) if awake > 0 else 0.0,
        "search_share": round(searching / rolling, 4) if rolling else 0.0,
    }
