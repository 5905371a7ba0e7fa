"""``python -m trainers.acceptance.strikes CONFIG.json`` (`schemas.jobs.StrikeJob`): a training loses processes.

``strikes.jsonl`` keeps what was killed, and when the training had gone on: a line for the kill and one for the
recovery, so that strikes that were interrupted themselves kill nothing twice.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from schemas.jobs import StrikeJob, Victim
from tasks import jobs
from tasks.ledger import json_lines
from trainers.acceptance.processes import Found, Processes, processes_of

_JOURNAL = "strikes.jsonl"
_LOOK_SECONDS = 0.1
_GONE_SECONDS = 120.0
"""A training that has not run for so long is given up by whoever would start it again: nothing is killed any more."""


class Strike(BaseModel):
    """``step`` had been made when the process died; ``recovered`` is None until the training was whole and a step on.

    Times are seconds since the epoch.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    victim: Victim
    step: int
    killed: float
    alive: int
    """Processes of the kind there were."""
    recovered: float | None = None


def strikes_of(output: str) -> list[Strike]:
    """Those of a strike job's folder, in their order; a line that was cut off by a kill is left out."""
    told = [Strike.model_validate_json(line) for line in json_lines.read(Path(output, _JOURNAL))]
    return list({strike.victim: strike for strike in told}.values())


def strike(job: StrikeJob) -> dict[str, Any]:
    """Kill one process of each kind, as long as the training runs; how many there were."""
    strikes = _Strikes(job, processes_of(job))
    for number, victim in enumerate(job.victims):
        strikes.see_to(victim)
        jobs.report_progress(job.output, number + 1, len(job.victims), "kills", victim)
    return {"strikes": len(strikes_of(job.output))}


class _Strikes:
    def __init__(self, job: StrikeJob, processes: Processes) -> None:
        self._job, self._processes = job, processes
        self._done = {strike.victim: strike for strike in strikes_of(job.output)}
        self._seen = self._looked = time.monotonic()

    def see_to(self, victim: Victim) -> None:
        """One of a kind is killed, and the training goes on; nothing happens where it ends before."""
        strike = self._done.get(victim) or self._kill_one(victim)
        if strike is None or strike.recovered is not None:
            return
        if self._wait_for(lambda: self._has_gone_on(strike)) or self._steps() > strike.step:
            self._note(strike.model_copy(update={"recovered": time.time()}))

    def _kill_one(self, victim: Victim) -> Strike | None:
        """None where the training ended before."""
        found: list[Found] = []

        def is_killed() -> bool:
            if self._steps() < self._job.after_step:
                return False
            found[:] = self._processes.find(victim)
            return bool(found) and self._processes.kill(found[-1])

        if not self._wait_for(is_killed):
            return None
        strike = Strike(victim=victim, step=self._steps(), killed=time.time(), alive=len(found))
        self._note(strike)
        return strike

    def _has_gone_on(self, strike: Strike) -> bool:
        return self._steps() > strike.step and len(self._processes.find(strike.victim)) >= strike.alive

    def _wait_for(self, holds: Callable[[], bool]) -> bool:
        """Whether it held before the training was done."""
        while not self._is_done():
            if holds():
                return True
            time.sleep(_LOOK_SECONDS)
        return False

    def _steps(self) -> int:
        """Steps that the training has made."""
        lines = json_lines.read(Path(self._job.target, "metrics.jsonl"))
        return json.loads(lines[-1])["step"] if lines else 0

    def _is_done(self) -> bool:
        return jobs.result_of(self._job.target) is not None or self._is_gone()

    def _is_gone(self) -> bool:
        now = time.monotonic()
        if now - self._looked >= _GONE_SECONDS / 20:  # where the job is a cluster's, its server is asked
            self._looked = now
            if jobs.is_running(self._job.target):
                self._seen = now
        return now - self._seen > _GONE_SECONDS

    def _note(self, strike: Strike) -> None:
        self._done[strike.victim] = strike
        json_lines.append(Path(self._job.output, _JOURNAL), [strike.model_dump_json()])


if __name__ == "__main__":
    jobs.main(StrikeJob, strike)
