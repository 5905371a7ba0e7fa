"""How fast fine-tuning goes on this machine: tokens a second, padding, start-up, checkpoints.

    python -m tests.bench.bench_training [--ranks 1 2] [--threads 1] [--steps 60] [--hidden 128]

Made-up trajectories of 1 to 4 masks, through ``python -m trainers.sft`` as a pipeline starts it.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from schemas.jobs import SftJob, TrajectorySource
from schemas.records import Trajectory
from schemas.settings import CurriculumStage, ModelSettings, OptimiserSettings, SftSettings
from tasks import storage
from tasks.rollouts.tokenizer import train_tokenizer
from tests.support.trajectories import SNAPSHOT, made_up_trajectory
from trainers.curriculum import Example, plan
from trainers.sequences import sequence_of
from trainers.weights import new_model

_EXAMPLES = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--hidden", type=int, default=128)
    arguments = parser.parse_args()
    settings = SftSettings(
        curriculum=[CurriculumStage(max_masks=4, steps=arguments.steps)],
        optimiser=OptimiserSettings(lr=1e-3),
        checkpoint_every=max(1, arguments.steps // 3),
    )
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder)
        print(_prepare(files, settings, ModelSettings(hidden=arguments.hidden, intermediate=3 * arguments.hidden)))
        for ranks in arguments.ranks:
            print(_run(files, settings, ranks, arguments.threads))


def _prepare(files: Path, settings: SftSettings, model: ModelSettings) -> str:
    """Write tokenizer, model and trajectories; a line on the padding of their batches."""
    trajectories = [made_up_trajectory(number) for number in range(_EXAMPLES)]
    tokenizer = train_tokenizer((segment.text for row in trajectories[:200] for segment in row.segments), 640)
    tokenizer.save(str(files / "tokenizer"))
    new_model(model, tokenizer.vocabulary, str(files / "model"))
    storage.write_rows(str(files / "trajectories.parquet"), Trajectory, trajectories)
    began = time.perf_counter()
    lengths = [len(sequence_of(trajectory, tokenizer)) for trajectory in trajectories]
    encoding = time.perf_counter() - began
    examples = [Example(length, row.n_masks, 1.0) for length, row in zip(lengths, trajectories, strict=True)]
    blocks = [block for step in islice(plan(examples, settings), 200) for block in step.blocks]
    real = sum(lengths[index] for block in blocks for index in block)
    padded = sum(max(lengths[index] for index in block) * len(block) for block in blocks)
    return (
        f"mean length {statistics.fmean(lengths):.0f} tokens; padding {1 - real / padded:.1%}; "
        f"encoding {_EXAMPLES / encoding:,.0f} trajectories/s"
    )


def _run(files: Path, settings: SftSettings, ranks: int, threads: int) -> str:
    output = files / f"ranks-{ranks}"
    job = SftJob(
        output=str(output),
        snapshot=SNAPSHOT,
        tokenizer=str(files / "tokenizer"),
        start=str(files / "model"),
        ranks=ranks,
        threads_per_rank=threads,
        settings=settings,
        sources=[TrajectorySource(label="made-up", paths=[str(files / "trajectories.parquet")])],
    )
    output.mkdir()
    (output / "config.json").write_text(job.model_dump_json())
    began = time.perf_counter()
    command = [sys.executable, "-m", "trainers.sft", str(output / "config.json")]
    subprocess.run(command, check=True, capture_output=True)
    wall = time.perf_counter() - began
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()][5:]
    rates = [line["tokens"] / line["seconds"] for line in lines]
    seconds = sum(line["seconds"] for line in lines)
    newest = max((output / "checkpoints").glob("step-*"))
    size = sum(path.stat().st_size for path in newest.rglob("*") if path.is_file())
    return (
        f"{ranks} ranks x {threads} threads: {sum(line['tokens'] for line in lines) / seconds:,.0f} tokens/s "
        f"(median step {statistics.median(rates):,.0f}), {wall - seconds:.0f} s besides steps, "
        f"checkpoint {size / 1e6:.1f} MB"
    )


if __name__ == "__main__":
    main()
