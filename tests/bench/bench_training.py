"""The speed of fine-tuning on this machine: the gain of packing, the cost of the loop, the gain of a second rank.

    python -m tests.bench.bench_training [packing] [loop] [ranks] [--steps 60] [--hidden 128] [--repeats 5]

It uses synthetic sequences and trajectories. Ranks are measured through ``python -m trainers.sft``, as a pipeline
starts it, one thread each, in wall seconds: they need idle cores. The rest is in CPU seconds of one thread.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import torch

from schemas.jobs import SftJob, TrajectorySource
from schemas.records import Trajectory
from schemas.settings import ModelSettings
from schemas.training_settings import CurriculumPhase, OptimiserSettings, SftSettings
from tasks.agent.tokenizer import AgentTokenizer, train_tokenizer
from tasks.ledger import storage
from tests.bench import training_loop, training_packing
from tests.support.trajectories import SNAPSHOT, made_up_trajectory
from trainers.model.sequences import sequence_of
from trainers.model.weights import load_model, new_model
from trainers.supervised.curriculum import Example, TrajectoryCourse

_EXAMPLES = 2000
_PARTS = ["packing", "loop", "ranks"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=_PARTS, help=f"of {', '.join(_PARTS)}; all of them by default")
    parser.add_argument("--steps", type=int, default=60, help="of each training by trainers.sft")
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings = SftSettings(
        curriculum=[CurriculumPhase(max_masks=4, steps=arguments.steps)],
        optimiser=OptimiserSettings(lr=1e-3),
        checkpoint_every=max(1, arguments.steps // 3),
    )
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder)
        tokenizer, trajectories = _prepare(
            files, ModelSettings(hidden=arguments.hidden, intermediate=3 * arguments.hidden)
        )
        if "ranks" in arguments.parts:  # first: the loop makes this process a rank of its own
            print(_ranks(files, settings, arguments.repeats), flush=True)
        if "packing" in arguments.parts:
            load = partial(load_model, str(files / "model"))
            print(training_packing.compare(load, 100, 400, 1024, 8_192, arguments.repeats), flush=True)
            print(training_packing.compare(load, 200, 2000, 4096, 16_384, arguments.repeats), flush=True)
        if "loop" in arguments.parts:
            course = _course(trajectories, tokenizer, settings)
            print(training_loop.compare(course, str(files / "model"), settings, arguments.repeats), flush=True)


def _prepare(files: Path, model: ModelSettings) -> tuple[AgentTokenizer, list[Trajectory]]:
    """Write ``tokenizer/``, ``model/`` and ``trajectories.parquet``."""
    trajectories = [made_up_trajectory(number) for number in range(_EXAMPLES)]
    tokenizer = train_tokenizer((segment.text for row in trajectories[:200] for segment in row.segments), 640)
    tokenizer.save(str(files / "tokenizer"))
    new_model(model, tokenizer.vocabulary, str(files / "model"))
    storage.write_rows(str(files / "trajectories.parquet"), Trajectory, trajectories)
    return tokenizer, trajectories


def _course(trajectories: list[Trajectory], tokenizer: AgentTokenizer, settings: SftSettings) -> TrajectoryCourse:
    sequences = [sequence_of(trajectory, tokenizer) for trajectory in trajectories]
    examples = [Example(len(sequence), row.n_masks, 1.0) for sequence, row in zip(sequences, trajectories, strict=True)]
    return TrajectoryCourse(sequences, examples, settings)


def _ranks(files: Path, settings: SftSettings, repeats: int) -> str:
    """Tokens a second of trainings on one and two ranks, taking turns."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    outside: dict[int, list[float]] = {1: [], 2: []}
    for repeat in range(repeats):
        for ranks in rates:
            began = time.perf_counter()
            lines = _train(files, settings, ranks, files / f"sft-{ranks}-{repeat}")
            outside[ranks].append(time.perf_counter() - began - sum(line["seconds"] for line in lines))
            warm = lines[5:]
            rates[ranks].append(sum(line["tokens"] for line in warm) / sum(line["seconds"] for line in warm))
    gains = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    each = "; ".join(
        f"{ranks} ranks {statistics.median(rates[ranks]):,.0f} tokens/s and "
        f"{statistics.median(outside[ranks]):.0f} s besides steps"
        for ranks in rates
    )
    return f"trainers.sft: {each}; two are {statistics.median(gains):.2f} times one"


def _train(files: Path, settings: SftSettings, ranks: int, output: Path) -> list[dict[str, float]]:
    """The figures of every step."""
    job = SftJob(
        output=str(output),
        snapshot=SNAPSHOT,
        tokenizer=str(files / "tokenizer"),
        start=str(files / "model"),
        ranks=ranks,
        threads_per_rank=1,
        settings=settings,
        sources=[TrajectorySource(label="made-up", paths=[str(files / "trajectories.parquet")])],
    )
    output.mkdir()
    (output / "config.json").write_text(job.model_dump_json())
    command = [sys.executable, "-m", "trainers.sft", str(output / "config.json")]
    subprocess.run(command, check=True, capture_output=True)
    return [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]


if __name__ == "__main__":
    main()
