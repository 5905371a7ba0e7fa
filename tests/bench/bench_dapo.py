"""The gain of generation during training: DAPO with and without staleness, in turns, from the same model.

    python -m tests.bench.bench_dapo runs/sample [--steps 12] [--staleness 2] [--layout distributed]

``runs/sample`` is the root of a pipeline with a finished DAPO stage, whose questions, index and starting model are
used; each run has its own folder. Engine and trainer have one thread each, so that both can work at the same time on
two cores; in layout `distributed` the engine is a process of a local Ray cluster. Shares are of the time of all steps
but the first two: the engine idle, the trainer waiting for rollouts, and the publication of weights.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from statistics import fmean

from pydantic import ValidationError

from schemas.errors import BadInput
from schemas.jobs import DapoJob

_WARM_UP = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--staleness", type=int, default=2)
    parser.add_argument("--layout", choices=("together", "distributed"), default="distributed")
    arguments = parser.parse_args()
    job = _job_of(arguments.root, arguments.layout)
    print("staleness  seconds a step  engine idle  trainer waits  hands over  reward  stale groups")
    for staleness in (0, arguments.staleness):
        with tempfile.TemporaryDirectory() as folder:
            print(_line(staleness, _run(job, Path(folder), arguments.steps, staleness)), flush=True)


def _job_of(root: Path, layout: str) -> DapoJob:
    for path in sorted(root.glob("*/models/*/job-config.json")):
        with suppress(ValidationError):  # the job of another kind of step
            job = DapoJob.model_validate_json(path.read_text())
            placement = job.placement.model_copy(update={"layout": layout})
            engine = job.engine.model_copy(update={"threads": 1})
            return job.model_copy(update={"placement": placement, "engine": engine, "threads_per_rank": 1})
    raise BadInput(f"{root}: no DAPO training is there; run the pipeline first")


def _run(job: DapoJob, folder: Path, steps: int, staleness: int) -> list[dict[str, float]]:
    """The lines of metrics of a training that is done."""
    curriculum = [{"max_masks": 4, "steps": steps}]
    told = job.model_dump()
    told["settings"] |= {"curriculum": curriculum, "staleness": staleness, "checkpoint_every": steps}
    config = folder / "job-config.json"
    changed = DapoJob.model_validate({**told, "output": str(folder)})
    config.write_text(changed.model_dump_json())
    subprocess.run([sys.executable, "-m", "trainers.dapo", str(config)], check=True)
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def _line(staleness: int, lines: list[dict[str, float]]) -> str:
    steady = lines[_WARM_UP:]
    seconds = sum(line["seconds"] for line in steady)
    idle = sum(line["engine_idle"] * line["seconds"] for line in steady) / seconds
    waits = sum(line["seconds_generation"] for line in steady) / seconds
    update = sum(line["seconds_update"] for line in steady) / seconds
    reward = fmean(line["reward"] for line in steady if "reward" in line)
    stale = sum(line["stale_groups"] for line in steady)
    shares = f"{idle:11.1%}  {waits:13.1%}  {update:10.1%}"
    return f"{staleness:9}  {seconds / len(steady):14.1f}  {shares}  {reward:6.3f}  {stale:12.0f}"


if __name__ == "__main__":
    try:
        main()
    except BadInput as error:
        sys.exit(f"error: {error}")
