"""``python -m trainers.dapo CONFIG.json`` (schemas.jobs.DapoJob): reinforcement learning with live search.

All ranks train (DeepSpeed). Rank 0 is the controller besides: it has the engines roll out, and gives the others what
came of it.
"""

import shutil
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from schemas.errors import BadInput
from schemas.jobs import DapoJob
from schemas.records import Question
from tasks import jobs, storage
from trainers import launch
from trainers.rollouts import Rollouts, open_rollouts


def train(job: DapoJob, open_rollouts: Callable[[DapoJob], Rollouts] = open_rollouts) -> dict[str, Any]:
    """Train the policy, and write ``model/``."""
    questions = [question for path in job.questions for question in storage.read_rows(path, Question)]
    if not questions:
        raise BadInput(f"no question to train on in {', '.join(job.questions) or 'an empty list'}")
    import torch

    from tasks.rollouts.protocol import prompt_of
    from tasks.rollouts.tokenizer import AgentTokenizer
    from trainers.deepspeed_engine import TrainingEngine
    from trainers.generation import Generation
    from trainers.parity import EngineWeights
    from trainers.policy_training import PolicyTraining
    from trainers.prompts import PromptOrder
    from trainers.stopping import StopSignal

    torch.set_num_threads(job.threads_per_rank)
    torch.manual_seed(job.settings.seed)
    stop, settings, agent = StopSignal(job.output), job.settings, job.agent
    tokenizer = AgentTokenizer.load(job.tokenizer)
    trainer = TrainingEngine(job.start, settings.optimiser, settings.engineering)
    scratch = Path(job.output) / ".weights"
    with ExitStack() as closed_at_the_end:
        rollouts = generation = None
        if trainer.rank == 0:
            rollouts = closed_at_the_end.enter_context(closing(open_rollouts(job)))
            order = PromptOrder(questions, settings.seed)
            generation = closed_at_the_end.enter_context(
                closing(Generation(rollouts.roll, order, settings, agent.max_tokens, stop))
            )
        probe = tokenizer.encode(prompt_of(questions[0], agent))[: agent.max_tokens - 1]
        weights = EngineWeights(trainer, rollouts, probe, settings.parity_tolerance, scratch)
        figures = PolicyTraining(job, trainer, weights, generation, tokenizer, stop).run()
        trainer.save_weights(str(Path(job.output) / "model"))  # closing an engine may end all torch.distributed groups
        if trainer.rank == 0:
            shutil.rmtree(scratch)
    return figures


if __name__ == "__main__":
    jobs.main(DapoJob, lambda job: launch.on_ranks("trainers.dapo", job, train))
