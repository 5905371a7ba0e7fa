"""Questions of the split rl → a model trained by DAPO with live search."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from schemas.config import PipelineConfig
from schemas.errors import BadInput
from schemas.identity import Reads
from schemas.jobs import DapoJob
from schemas.manifest import StageManifest
from schemas.records import Question, Split
from schemas.settings import AgentSettings, DapoSettings, KeptQuestionSettings
from tasks.ledger import storage
from tasks.making.context import Making
from tasks.making.demand import is_kept_for_evolution
from tasks.making.rollout_work import tokens_of_rollout, work_of_rollouts
from tasks.making.stage import Seen, Work
from tasks.stages.index import IndexStage
from tasks.stages.models import TRAINING_VERSION, ModelStage, room_for_training, training_job
from tasks.stages.questions import QuestionStage, asked_of, asking_needs
from tasks.stages.sft import last_student
from tasks.stages.tokenizer import TokenizerStage

REWARD_VERSION = 2
"""Raised when scoring changes what a rollout earns."""
_PASSES = 8 / 6
"""A token is scored once more before it is trained on: a forward pass besides the forward and backward pass of SFT."""


class DapoReads(Reads):
    agent: AgentSettings
    dapo: DapoSettings
    evolution: KeptQuestionSettings | None
    """The questions that self-evolution keeps; None where it keeps none."""
    certified_only: bool


@dataclass(frozen=True, kw_only=True)
class DapoStage(ModelStage[DapoReads]):
    group = "rl"
    version = TRAINING_VERSION + REWARD_VERSION
    keys = "dapo"

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["DapoStage"]:
        if config.dapo is None or config.model is None:
            return
        evolution = config.evolution
        yield cls(
            key="dapo",
            label=config.label("dapo"),
            reads=DapoReads(
                agent=config.agent,
                dapo=config.dapo,
                evolution=None if evolution is None else KeptQuestionSettings.within(evolution),
                certified_only=config.certified_only,
            ),
            upstreams=(
                TokenizerStage.in_config(config),
                IndexStage.in_config(config),
                QuestionStage.in_config(config),
                last_student(config),
            ),
            needs=(*asking_needs(config), *room_for_training(config)),
        )

    def questions(self, making: Making) -> Iterator[Question]:
        """All of the split `rl`, but for what self-evolution keeps of it."""
        kept = self.reads.evolution
        for path in making.upstream_paths("questions"):
            for question in asked_of(path, [Split.RL], self.reads.certified_only):
                if not (kept and is_kept_for_evolution(question, kept)):
                    yield question

    def make(self, making: Making) -> StageManifest:
        questions = self.questions(making)
        if (first := next(questions, None)) is None:
            raise BadInput("DAPO has no questions: the split 'rl' is empty or evolution.share takes all of it")
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
