"""``python -m trainers.dapo CONFIG.json`` (schemas.jobs.DapoJob): reinforcement learning with live search.

All ranks train (DeepSpeed). Rank 0 is also the controller: it has the engines generate rollouts, and sends them to the
other ranks.
"""

import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from schemas.errors import BadInput
from schemas.jobs import DapoJob
from schemas.records import Question
from tasks import jobs
from tasks.ledger import storage
from tasks.rollouts.spots import Spot, own_spot
from trainers.ranks import launch
from trainers.rl.rollouts import PooledRollouts, Rollouts


def train(
    job: DapoJob, open_rollouts: Callable[[DapoJob, Sequence[Spot]], Rollouts] = PooledRollouts
) -> dict[str, Any]:
    """Train the policy, and write ``model/``."""
    questions = [question for path in job.questions for question in storage.read_rows(path, Question)]
    if not questions:
        raise BadInput(f"no question to train on in {', '.join(job.questions) or 'an empty list of files'}")
    import torch

    from tasks.agent.protocol import prompt_of
    from tasks.agent.tokenizer import AgentTokenizer
    from trainers.ranks.deepspeed_engine import TrainingEngine
    from trainers.ranks.stopping import StopSignal
    from trainers.rl.controller import Controller
    from trainers.rl.generation import Generation
    from trainers.rl.parity import EngineWeights
    from trainers.rl.policy_training import PolicyTraining
    from trainers.rl.prompts import PromptOrder
    from trainers.rl.stream import Stream

    torch.set_num_threads(job.threads_per_rank)
    torch.manual_seed(job.settings.seed)
    stop, settings, agent = StopSignal(job.output), job.settings, job.agent
    tokenizer = AgentTokenizer.load(job.tokenizer)
    trainer = TrainingEngine(job.start, settings.optimiser, settings.engineering)
    spots = trainer.of_all_ranks(own_spot(trainer.device)) if job.placement.takes_turns else []
    trainer.leave_room()  # in layout `shared` an engine starts on the same GPU
    scratch = Path(job.output) / ".weights"
    with ExitStack() as closed_at_the_end:
        rollouts = generation = None
        if trainer.rank == 0:
            rollouts = closed_at_the_end.enter_context(closing(open_rollouts(job, spots)))
        probe = tokenizer.begin(prompt_of(questions[0], agent))[: agent.max_tokens - 1]
        weights = EngineWeights(trainer, rollouts, probe, settings.largest_gap, scratch, job.placement)
        if rollouts is not None:
            order, roll, most = PromptOrder(questions, settings.seed), rollouts.roll, agent.max_written_tokens
            generation = closed_at_the_end.enter_context(
                closing(
                    Stream(roll, order, settings, most, stop, lambda: weights.version)
                    if settings.staleness
                    else Generation(roll, order, settings, most, stop)
                )
            )
        controller = Controller(job, rollouts, generation, tokenizer) if rollouts and generation else None
        figures = PolicyTraining(job, trainer, weights, controller, stop).run()
        # Before the engines are closed, because that may end all torch.distributed groups.
        trainer.save_weights(str(Path(job.output) / "model"))
        if trainer.rank == 0:
            shutil.rmtree(scratch)
    return figures


if __name__ == "__main__":
    jobs.main(DapoJob, lambda job: launch.on_ranks("trainers.dapo", job, train))
