"""``python -m trainers.dapo CONFIG.json`` (schemas.jobs.DapoJob): reinforcement learning with live search.

Trainer (DeepSpeed) and engine (vLLM) live in this one process and take turns.
"""

import shutil
from pathlib import Path
from typing import Any

from schemas.errors import BadInput
from schemas.jobs import DapoJob
from schemas.records import Question, Trajectory
from tasks import jobs, storage
from trainers import launch


def train(job: DapoJob) -> dict[str, Any]:
    """Train the policy, and write ``model/``."""
    if job.ranks != 1:
        raise BadInput(f"DAPO runs in one process: ranks must be 1, not {job.ranks}")
    questions = [question for path in job.questions for question in storage.read_rows(path, Question)]
    if not questions:
        raise BadInput(f"no question to train on in {', '.join(job.questions) or 'an empty list'}")
    import torch

    from retrieval_index.client import BatchingSearcher
    from retrieval_index.opening import open_index
    from tasks.rollouts.environment import TurnSampling, run_trajectory
    from tasks.rollouts.protocol import prompt_of
    from tasks.rollouts.tokenizer import AgentTokenizer
    from tasks.rollouts.vllm_engine import VllmEngine
    from trainers.deepspeed_engine import TrainingEngine
    from trainers.generation import Generation
    from trainers.parity import EngineWeights
    from trainers.policy_training import PolicyTraining
    from trainers.prompts import PromptOrder
    from trainers.stopping import StopSignal

    torch.set_num_threads(job.threads_per_rank)
    torch.manual_seed(job.settings.seed)
    stop, settings, agent = StopSignal(), job.settings, job.agent
    tokenizer = AgentTokenizer.load(job.tokenizer)
    trainer = TrainingEngine(job.start, settings.optimiser, settings.engineering)
    with VllmEngine(job.start, job.engine, agent.max_tokens) as engine:
        # After the engine: what vLLM imports installs a handler of SIGSEGV, which must not take the place of Java's.
        searcher = BatchingSearcher(open_index(job.index))

        async def roll(question: Question, rollout: int, seed: int) -> Trajectory:
            return await run_trajectory(
                question,
                engine=engine,
                searcher=searcher,
                tokenizer=tokenizer,
                agent=agent,
                sampling=TurnSampling(settings.temperature, seed=seed),
                rollout=rollout,
                label="dapo",
                model="dapo",
            )

        probe = tokenizer.encode(prompt_of(questions[0], agent))[: agent.max_tokens - 1]
        scratch = Path(job.output) / ".weights"
        weights = EngineWeights(trainer, engine, probe, settings.parity_tolerance, scratch)
        generation = Generation(roll, PromptOrder(questions, settings.seed), settings, agent.max_tokens, stop)
        figures = PolicyTraining(job, trainer, weights, generation, tokenizer, stop).run()
        generation.close()
        searcher.close()
        trainer.save_weights(str(Path(job.output) / "model"))  # closing the engine ends all torch.distributed groups
    shutil.rmtree(scratch)
    return figures


if __name__ == "__main__":
    jobs.main(DapoJob, lambda job: launch.on_ranks("trainers.dapo", job, train))
