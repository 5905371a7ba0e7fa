"""One engine and the index in the process of the trainer, which takes turns with them."""

from retrieval_index.client import BatchingSearcher
from retrieval_index.opening import open_index
from schemas.errors import BadInput
from schemas.jobs import DapoJob
from schemas.records import Question, Trajectory
from tasks.rollouts.environment import TurnSampling, run_trajectory
from tasks.rollouts.tokenizer import AgentTokenizer
from tasks.rollouts.vllm_engine import VllmEngine


class RolloutsHere:
    """See `trainers.rollouts.Rollouts`. Closing it ends all torch.distributed groups of the process."""

    def __init__(self, job: DapoJob) -> None:
        """Start vLLM and open the index.

        Raises:
            BadInput: there is no model or no index; or other ranks, whose group vLLM's would be mistaken for.
        """
        if job.ranks != 1:
            raise BadInput(f"DAPO with its engine in the trainer's process runs on one rank, not on {job.ranks}")
        self._job = job
        self._tokenizer = AgentTokenizer.load(job.tokenizer)
        self._engine = VllmEngine(job.start, job.engine, job.agent.max_tokens)
        try:
            # After the engine: vLLM's imports install a handler of SIGSEGV, which must not take the place of Java's.
            self._searcher = BatchingSearcher(open_index(job.index))
        except BaseException:
            self._engine.close()
            raise

    async def roll(self, question: Question, rollout: int, seed: int) -> Trajectory:
        return await run_trajectory(
            question,
            engine=self._engine,
            searcher=self._searcher,
            tokenizer=self._tokenizer,
            agent=self._job.agent,
            sampling=TurnSampling(self._job.settings.temperature, seed=seed),
            rollout=rollout,
            label="dapo",
            model="dapo",
        )

    def publish(self, folder: str) -> None:
        self._engine.load_weights(folder)

    def score(self, token_ids: list[int]) -> list[list[float]]:
        return [self._engine.score(token_ids)]

    def close(self) -> None:
        self._searcher.close()
        self._engine.close()
