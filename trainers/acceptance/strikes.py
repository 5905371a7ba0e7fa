"""``python -m trainers.acceptance.strikes CONFIG.json`` (`schemas.jobs.StrikeJob`): kill processes of a training.

``strikes.jsonl`` has one line for each kill and one for each recovery, so that an interrupted strike job that is
started again kills nothing twice.
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
"""After this time without a running job, the training counts as abandoned, and nothing more is killed."""


class Strike(BaseModel):
    """One kill. ``step`` was the last finished step at that time.

    ``recovered`` is None until all processes of the kind are back and another step is finished. Times are seconds since
    the epoch.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    victim: Victim
    step: int
    killed: float
    alive: int
    """The number of living processes of the kind before the kill."""
    recovered: float | None = None


def strikes_of(output: str) -> list[Strike]:
    """The strikes in a strike job's folder, in order; an incomplete last line is ignored."""
    lines = [Strike.model_validate_json(line) for line in json_lines.read(Path(output, _JOURNAL))]
    return list({strike.victim: strike for strike in lines}.values())


def strike(job: StrikeJob) -> dict[str, Any]:
    """Kill one process of each kind while the training runs; returns the number of strikes."""
    strikes = _Strikes(job, processes_of(job))
    for number, victim in enumerate(job.victims):
        strikes.kill_and_wait(victim)
        jobs.report_progress(job.output, number + 1, len(job.victims), "kills", victim)
    return {"strikes": len(strikes_of(job.output))}


class _Strikes:
    def __init__(self, job: StrikeJob, processes: Processes) -> None:
        self._job, self._processes = job, processes
        self._done = {strike.victim: strike for strike in strikes_of(job.output)}
        self._seen = self._looked = time.monotonic()

    def kill_and_wait(self, victim: Victim) -> None:
        """Kill one process of a kind and wait for the recovery; does nothing more once the training has ended."""
        strike = self._done.get(victim) or self._kill_one(victim)
        if strike is None or strike.recovered is not None:
            return
        # The training may end between two looks: a later step is enough then, because no process is left to count.
        if self._wait_for(lambda: self._has_gone_on(strike)) or self._steps() > strike.step:
            self._note(strike.model_copy(update={"recovered": time.time()}))

    def _kill_one(self, victim: Victim) -> Strike | None:
        """Kill one process of a kind; None if the training ended first."""
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
        """Wait until a condition holds; False if the training is done first."""
        while not self._is_done():
            if holds():
                return True
            time.sleep(_LOOK_SECONDS)
        return False

    def _steps(self) -> int:
        """The number of steps that the training has finished."""
        lines = json_lines.read(Path(self._job.target, "metrics.jsonl"))
        return json.loads(lines[-1])["step"] if lines else 0

    def _is_done(self) -> bool:
        return jobs.result_of(self._job.target) is not None or self._is_gone()

    def _is_gone(self) -> bool:
        now = time.monotonic()
        if now - self._looked >= _GONE_SECONDS / 20:  # rarely, because it may be a request to the cluster's job server
            self._looked = now
            if jobs.is_running(self._job.target):
                self._seen = now
        return now - self._seen > _GONE_SECONDS

    def _note(self, strike: Strike) -> None:
        self._done[strike.victim] = strike
        json_lines.append(Path(self._job.output, _JOURNAL), [strike.model_dump_json()])


if __name__ == "__main__":
    jobs.main(StrikeJob, strike)
