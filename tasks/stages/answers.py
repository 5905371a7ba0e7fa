"""Every model's answers to the same test questions, in one job for all finished models."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from schemas.config import PipelineConfig
from schemas.corpus_settings import MaskNumberSettings
from schemas.identity import Reads
from schemas.jobs import Contestant, EvaluationJob
from schemas.manifest import Gate, StageManifest, digest_of
from schemas.records import Answer, Question
from schemas.settings import AgentSettings, EvaluationSettings
from tasks.evaluation.questions import answers_of_one, chosen_questions
from tasks.ledger import storage
from tasks.making.context import Making, no_failed_rows
from tasks.making.rollout_work import work_of_rollouts
from tasks.making.stage import Name, Seen, Stage, Work
from tasks.stages.dapo import DapoStage
from tasks.stages.index import IndexStage
from tasks.stages.models import BaseStage, UntrainedStage
from tasks.stages.passages import PassageStage
from tasks.stages.questions import QuestionStage, asked_of, asking_needs
from tasks.stages.sft import EvolvedStage, SftStage
from tasks.stages.tokenizer import TokenizerStage
from tasks.stages.trajectories import SCORED_VERSION


class AnswerReads(Reads):
    agent: AgentSettings
    evaluation: EvaluationSettings
    ramp: MaskNumberSettings
    retrieval: str
    certified_only: bool


class Contest(NamedTuple):
    """A model with one mode of retrieval."""

    label: str
    model: Name
    retrieval: str


@dataclass(frozen=True, kw_only=True)
class AnswerStage(Stage[AnswerReads]):
    """One contestant's answers. One job answers for all contestants, so that the engine is started only once."""

    stage = "answers"
    group = "evaluate"
    version = SCORED_VERSION
    runs_models = True
    together = True

    contests: tuple[Contest, ...]
    """All contestants of the config. Those with a written recipe answer in the same job."""

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["AnswerStage"]:
        evaluation = config.evaluation
        if evaluation is None:
            return
        contests = tuple(_contests(config))
        for label, model, retrieval in contests:
            yield cls(
                key=None,
                label=label,
                reads=AnswerReads(
                    agent=config.agent,
                    evaluation=evaluation,
                    ramp=MaskNumberSettings.within(config.ramp),
                    retrieval=retrieval,
                    certified_only=config.certified_only,
                ),
                upstreams=(
                    TokenizerStage.in_config(config),
                    IndexStage.in_config(config),
                    PassageStage.in_config(config),
                    QuestionStage.in_config(config),
                    model,
                ),
                needs=asking_needs(config),
                contests=contests,
            )

    @classmethod
    def has_key(cls, name: str) -> bool:
        return False

    def make(self, making: Making) -> StageManifest:
        settings, masks = self.reads.evaluation, self.reads.ramp.masks
        paths = making.upstream_paths("questions")
        available = (row for path in paths for row in asked_of(path, [settings.split], self.reads.certified_only))
        asked = chosen_questions(available, settings, masks)
        contestants = self._contestants(making)
        job_name = digest_of([[c.output, c.fingerprint] for c in contestants])[:12]
        output = storage.join(making.ledger.root, making.snapshot, "jobs", f"evaluation-{job_name}")
        questions = storage.join(output, "job-questions.parquet")
        storage.write_rows(questions, Question, asked)
        assert making.tokenizer is not None, "every model has a tokenizer"
        job = EvaluationJob(
            output=output,
            snapshot=making.snapshot,
            contestants=contestants,
            tokenizer=making.tokenizer,
            index=making.index,
            passages=making.upstream_paths("passages"),
            questions=[questions],
            agent=self.reads.agent,
            settings=settings,
            engine=making.runtime.engine,
            placement=making.runtime.placement,
        )
        result = making.run_job("tasks.evaluation.answer", job)
        parts = making.open.parts(Answer).done()
        rows, wanted = sum(part.rows for part in parts.values()), answers_of_one(settings, masks)
        whole = Gate(
            name="every question answered greedily and sampled", holds=rows == wanted, detail=f"{rows} of {wanted}"
        )
        figures = result.figures.get(self.label, {})
        seconds = sum(part.seconds for part in parts.values())
        return making.open.finish(parts=parts, gates=[no_failed_rows(parts), whole], figures=figures, seconds=seconds)

    def _contestants(self, making: Making) -> list[Contestant]:
        """Contestants whose model is finished and whose recipe is written."""
        found = []
        for label, model, retrieval in self.contests:
            recipe = making.ledger.recipe("answers", label)
            if recipe is not None and making.ledger.manifest(*model) is not None:
                found.append(
                    Contestant(
                        name=model[1],
                        model=storage.join(making.ledger.folder(*model), "model"),
                        retrieval=retrieval,
                        output=making.ledger.folder("answers", label),
                        fingerprint=recipe.fingerprint,
                    )
                )
        return found

    def work(self, seen: Seen | None) -> Work:
        return work_of_rollouts(answers_of_one(self.reads.evaluation, self.reads.ramp.masks), self.reads.agent, seen)


def _contests(config: PipelineConfig) -> Iterator[Contest]:
    """Each model with live search; the last one also without search, and with random passages."""
    kinds = (UntrainedStage, BaseStage, SftStage, EvolvedStage, DapoStage)
    models = [stage.name for kind in kinds for stage in kind.of(config)]
    yield from (Contest(model[1], model, "live") for model in models)
    last = models[-1]
    yield from (Contest(f"{last[1]}-{retrieval}", last, retrieval) for retrieval in ("none", "random"))
