"""Questions → a model trained by DAPO with live search."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from schemas.config import PipelineConfig
from schemas.errors import BadInput
from schemas.identity import Reads
from schemas.jobs import DapoJob
from schemas.manifest import StageManifest
from schemas.records import Question
from schemas.settings import AgentSettings
from schemas.training_settings import AskedQuestions, DapoSettings
from schemas.training_steps import DapoStep
from tasks.ledger import storage
from tasks.making.asked import is_asked
from tasks.making.context import Making
from tasks.making.rollout_work import tokens_of_rollout, work_of_rollouts
from tasks.making.stage import Seen, Work
from tasks.stages.index import IndexStage
from tasks.stages.models import TRAINING_VERSION, ModelStage, model_before, room_for_training, training_job
from tasks.stages.questions import asked_of, asking_needs, questions_of
from tasks.stages.tokenizer import TokenizerStage

REWARD_VERSION = 2
"""Raised when scoring changes what a rollout earns."""
_PASSES = 8 / 6
"""A token is scored once more before it is trained on: a forward pass besides the forward and backward pass of SFT."""


class DapoReads(Reads):
    agent: AgentSettings
    dapo: DapoSettings
    asked: AskedQuestions
    certified_only: bool


@dataclass(frozen=True, kw_only=True)
class DapoStage(ModelStage[DapoReads]):
    group = "rl"
    version = TRAINING_VERSION + REWARD_VERSION

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["DapoStage"]:
        for step in config.training:
            if isinstance(step, DapoStep):
                yield cls(
                    key=None,
                    label=step.name,
                    reads=DapoReads(
                        agent=config.agent,
                        dapo=step.settings,
                        asked=step.asked,
                        certified_only=config.certified_only,
                    ),
                    upstreams=(
                        TokenizerStage.in_config(config),
                        IndexStage.in_config(config),
                        questions_of(config, step.on),
                        model_before(config, step),
                    ),
                    needs=(*asking_needs(config, step.on), *room_for_training(config)),
                )

    def questions(self, making: Making) -> Iterator[Question]:
        """The step's share of its split."""
        asked = self.reads.asked
        for path in making.upstream_paths("questions"):
            for question in asked_of(path, [asked.split], self.reads.certified_only):
                if is_asked(question, asked):
                    yield question

    def make(self, making: Making) -> StageManifest:
        questions = self.questions(making)
        if (first := next(questions, None)) is None:
            asked = self.reads.asked
            raise BadInput(
                f"training.{self.label} has no questions: the split {asked.split} holds none in its share "
                f"{list(asked.share)}: widen the share, or make more questions"
            )
        chosen = storage.join(making.folder, "job-questions.parquet")
        storage.write_rows(chosen, Question, chain([first], questions))
        runtime = making.runtime
        # Without a cluster DAPO is one process, on all processors.
        alone = {"ranks": 1, "threads_per_rank": runtime.ranks * runtime.threads_per_rank}
        ranks = {} if runtime.placement.is_in_cluster else alone
        job = DapoJob(
            **{**training_job(making).model_dump(), **ranks},
            settings=self.reads.dapo,
            agent=self.reads.agent,
            questions=[chosen],
            index=making.index,
            engine=runtime.engine,
        )
        return self.finish(making, making.run_job("trainers.dapo", job))

    def work(self, seen: Seen | None) -> Work:
        dapo, agent = self.reads.dapo, self.reads.agent
        rows = dapo.steps * dapo.prompts * dapo.group
        return work_of_rollouts(rows, agent, seen)._replace(
            tokens=rows * tokens_of_rollout(agent, seen),
            updates=dapo.steps,
            passes=_PASSES,
            staleness=dapo.staleness,
        )
