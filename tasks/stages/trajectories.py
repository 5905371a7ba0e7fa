"""The base of the stages of trajectories: their gates and figures."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, cast

from schemas.manifest import Gate, PartManifest, StageManifest
from schemas.records import Trajectory, VerdictStatus
from tasks.ledger import storage
from tasks.making.context import Making, has_rows, no_failed_rows
from tasks.making.stage import S, Stage

SCORED_VERSION = 4
"""The version of trajectories and answers: raised when scoring changes which of them are right, or when prompts or the
parsing of turns change."""


@dataclass(frozen=True, kw_only=True)
class TrajectoryStage(Stage[S]):
    """Judged trajectories. All verdicts are kept; training uses only those that are correct."""

    stage = "trajectories"
    group = "trajectories"
    version = SCORED_VERSION

    def finish(
        self,
        making: Making,
        parts: dict[str, PartManifest],
        figures: dict[str, Any] | None = None,
        at_least: int = 1,
    ) -> StageManifest:
        """Finish the stage; a gate requires at least ``at_least`` accepted trajectories."""
        verdicts: Counter[str] = Counter()
        ends: Counter[str] = Counter()
        yields: dict[str, Counter[str]] = {}
        for key in parts:
            for row in storage.read_rows(making.open.parts(Trajectory).data_path(key), Trajectory):
                status = cast(str, row.verdict.status) if row.verdict else "unjudged"
                verdicts[status] += 1
                ends[row.end_reason] += 1
                yields.setdefault(str(row.level), Counter())[status] += 1
        accepted = verdicts[VerdictStatus.CORRECT]
        enough = Gate(
            name="accepted trajectories", holds=accepted >= at_least, detail=f"{accepted}, at least {at_least}"
        )
        counted = {
            "verdicts": dict(sorted(verdicts.items())),
            "end_reasons": dict(sorted(ends.items())),
            "verdicts_by_level": {level: dict(sorted(counts.items())) for level, counts in sorted(yields.items())},
        }
        gates = [has_rows(parts), no_failed_rows(parts), enough]
        return making.open.finish(parts=parts, gates=gates, figures={**counted, **(figures or {})})
