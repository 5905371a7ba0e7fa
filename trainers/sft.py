"""``python -m trainers.sft CONFIG.json`` (schemas.jobs.SftJob): fine-tuning on accepted trajectories.

It trains only on trajectories that the judge found correct, and only on the model's own tokens in them.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from schemas.errors import BadInput
from schemas.jobs import SftJob
from schemas.records import Trajectory, VerdictStatus
from tasks import jobs
from tasks.ledger import storage
from trainers.ranks import launch


def train(job: SftJob) -> dict[str, Any]:
    """Train on the accepted trajectories of all sources; the figures include their counts by level."""
    from tasks.agent.tokenizer import AgentTokenizer
    from trainers.model.sequences import sequence_of
    from trainers.supervised import loop
    from trainers.supervised.curriculum import Example, TrajectoryCourse

    tokenizer = AgentTokenizer.load(job.tokenizer)
    sequences, examples, too_long = [], [], 0
    for trajectory, weight in accepted(job):
        sequence = sequence_of(trajectory, tokenizer)
        if len(sequence) > job.settings.max_length:
            too_long += 1
            continue
        sequences.append(sequence)
        examples.append(Example(len(sequence), trajectory.level, weight))
    if not examples:
        raise BadInput(
            f"no accepted trajectory of at most {job.settings.max_length} tokens to train on ({too_long} are longer): "
            "raise max_length of the step, or make more trajectories"
        )
    figures = loop.train(job, TrajectoryCourse(sequences, examples, job.settings))
    by_level = Counter(example.level for example in examples)
    return {**figures, "too_long": too_long, "examples": {str(level): by_level[level] for level in sorted(by_level)}}


def accepted(job: SftJob) -> Iterator[tuple[Trajectory, float]]:
    """Trajectories that the judge found correct, with the weight of their source."""
    for source in job.sources:
        for path in source.paths:
            for trajectory in storage.read_rows(path, Trajectory):
                if trajectory.verdict is not None and trajectory.verdict.status == VerdictStatus.CORRECT:
                    yield trajectory, source.weight


if __name__ == "__main__":
    jobs.main(SftJob, lambda job: launch.on_ranks("trainers.sft", job, train))
