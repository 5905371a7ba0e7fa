"""Every model's answers to the same questions of every set, in one job for all finished models."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from schemas.config import PipelineConfig
from schemas.evaluation_settings import (
    DecodingSettings,
    EvaluatedSet,
    EvaluatedSetSettings,
    EvaluationSettings,
    Retrieval,
    Way,
)
from schemas.identity import Reads
from schemas.jobs import Contestant, EvaluationJob
from schemas.manifest import Gate, StageManifest, digest_of
from schemas.names import RAMP, START
from schemas.protocol_settings import ProtocolSettings
from schemas.records import Answer, Question
from schemas.settings import AgentSettings
from schemas.training_steps import last_on
from tasks.evaluation.questions import DECODINGS, chosen_questions
from tasks.evaluation.ways import protocol_in
from tasks.ledger import outside, storage
from tasks.ledger.ledger import Ledger
from tasks.making.context import Making, no_failed_rows
from tasks.making.rollout_work import work_of_rollouts
from tasks.making.stage import Location, Name, Seen, Stage, Work
from tasks.stages.index import IndexStage
from tasks.stages.models import model_named
from tasks.stages.noted_model import files_of
from tasks.stages.passages import PassageStage
from tasks.stages.published import PublishedStage
from tasks.stages.questions import asked_of, asking_needs, questions_of
from tasks.stages.tokenizer import TokenizerStage
from tasks.stages.trajectories import SCORED_VERSION


class AnswerReads(Reads):
    agent: AgentSettings
    decoding: DecodingSettings
    set: str
    asked: EvaluatedSet
    masks: list[int] | None
    """The numbers of masks that are asked; None for a set without masks."""
    way: Way
    retrieval: Retrieval
    certified_only: bool


class ProtocolReads(AnswerReads):
    """Of a contestant that does not answer in the pipeline's own protocol. The limits are those of both together."""

    protocol: ProtocolSettings


class Contest(NamedTuple):
    """A model with a way to answer and a retrieval, on one set."""

    set: str
    model: Name
    way: Way = "agent"
    retrieval: Retrieval = "live"
    named: ProtocolSettings | None = None
    """The protocol that the config names for it."""
    path: Location | None = None
    """The folder of a published model; None for a model of the config."""

    @property
    def protocol(self) -> ProtocolSettings | None:
        """The protocol in which it answers; None for the pipeline's own."""
        return protocol_in(self.way, self.named, is_published=self.path is not None)

    @property
    def label(self) -> str:
        """The set and the model, then the way, the retrieval and the protocol as far as they are not the usual ones."""
        way = [] if self.way == "agent" else [self.way]
        retrieval = [] if self.retrieval == "live" or self.way == "direct" else [self.retrieval]
        protocol = [] if self.named is None else [self.named.name]
        return ".".join([self.set, self.model[1], *way, *retrieval, *protocol])


@dataclass(frozen=True, kw_only=True)
class AnswerStage(Stage[AnswerReads]):
    """One contestant's answers.

    One job answers for all models of the config, so that the engine is started only once. A published model has its
    own tokenizer, and so a job of its own.
    """

    stage = "answers"
    group = "evaluate"
    version = SCORED_VERSION
    runs_models = True
    together = True
    keys = ""

    contests: tuple[Contest, ...]
    """All contestants of the config. Those with a written recipe answer in the same job."""

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["AnswerStage"]:
        evaluation = config.evaluation
        if evaluation is None:
            return
        contests = tuple(_contests(config, evaluation))
        for contest in contests:
            reads = AnswerReads(
                agent=config.agent,
                decoding=DecodingSettings.within(evaluation),
                set=contest.set,
                asked=EvaluatedSet.within(evaluation.sets[contest.set]),
                masks=config.ramp.masks if contest.set == RAMP else None,
                way=contest.way,
                retrieval=contest.retrieval,
                certified_only=config.certified_only,
            )
            if contest.protocol is not None:
                fields = {name: getattr(reads, name) for name in AnswerReads.model_fields}
                reads = ProtocolReads(**fields, protocol=contest.protocol)
            yield cls(
                key=None,
                label=contest.label,
                reads=reads,
                upstreams=(
                    *([TokenizerStage.in_config(config)] if contest.path is None else []),
                    IndexStage.in_config(config),
                    PassageStage.in_config(config),
                    questions_of(config, contest.set),
                    contest.model,
                ),
                needs=asking_needs(config, contest.set),
                contests=contests,
            )

    def make(self, making: Making) -> StageManifest:
        path = next(contest.path for contest in self.contests if contest.label == self.label)
        contestants = list(self._contestants(making, path))
        job_name = digest_of([[each.output, each.fingerprint] for each in contestants])[:12]
        output = storage.join(making.ledger.root, making.snapshot, "jobs", f"evaluation-{job_name}")
        asked = {name: self._written(making, output, name) for name in {each.set for each in contestants}}
        tokenizer = making.tokenizer if path is None else str(path)
        assert tokenizer is not None, "every model has a tokenizer"
        job = EvaluationJob(
            output=output,
            snapshot=making.snapshot,
            contestants=contestants,
            tokenizer=tokenizer,
            index=making.index,
            passages=making.upstream_paths("passages"),
            questions=asked,
            agent=self.reads.agent,
            settings=self.reads.decoding,
            engine=making.runtime.engine,
            placement=making.runtime.placement,
        )
        result = making.run_job("tasks.evaluation.answer", job)
        parts = making.open.parts(Answer).done()
        rows, wanted = sum(part.rows for part in parts.values()), result.figures[self.label]["wanted"]
        whole = Gate(
            name="every question answered greedily and sampled", holds=rows == wanted, detail=f"{rows} of {wanted}"
        )
        figures = {name: means for name, means in result.figures[self.label].items() if name != "wanted"}
        seconds = sum(part.seconds for part in parts.values())
        return making.open.finish(parts=parts, gates=[no_failed_rows(parts), whole], figures=figures, seconds=seconds)

    def _written(self, making: Making, output: str, name: str) -> str:
        """Write the questions that are asked of a set; returns the path."""
        recipe = next(
            recipe
            for contest in self.contests
            if contest.set == name and (recipe := making.ledger.recipe("answers", contest.label)) is not None
        )
        kind = ProtocolReads if "protocol" in recipe.settings else AnswerReads
        reads = kind.model_validate(recipe.settings)
        pinned = next(upstream for upstream in recipe.upstreams if upstream.stage == "questions")
        paths = making.ledger.data_paths(pinned.stage, pinned.label)
        available = (row for path in paths for row in asked_of(path, [reads.asked.split], reads.certified_only))
        asked = chosen_questions(available, name, reads.asked, reads.decoding.seed, reads.masks)
        path = storage.join(output, f"job-questions-{name}.parquet")
        storage.write_rows(path, Question, asked)
        return path

    def _contestants(self, making: Making, path: Location | None) -> Iterator[Contestant]:
        """Contestants whose model is finished and whose recipe is written, those of one model one after another.

        Args:
            path: of the published model whose contestants are wanted; None for those of the config's models.

        Raises:
            BadInput: files of the published model are gone.
        """
        together = [each for each in self.contests if each.path == path]
        models = [each.model for each in together]
        for contest in sorted(together, key=lambda each: models.index(each.model)):
            recipe = making.ledger.recipe("answers", contest.label)
            if recipe is not None and making.ledger.manifest(*contest.model) is not None:
                yield Contestant(
                    name=contest.model[1],
                    model=_folder_of(contest, making.ledger),
                    set=contest.set,
                    way=contest.way,
                    retrieval=contest.retrieval,
                    protocol=contest.protocol,
                    output=making.ledger.folder("answers", contest.label),
                    fingerprint=recipe.fingerprint,
                )

    def work(self, seen: Seen | None) -> Work | None:
        asked, masks = self.reads.asked, self.reads.masks
        if asked.per_level is None or masks is None:
            return None
        agent = self.reads.agent
        if isinstance(self.reads, ProtocolReads):
            agent = self.reads.protocol.limited(agent)
        return work_of_rollouts(asked.per_level * len(masks) * len(DECODINGS), agent, seen)


def _folder_of(contest: Contest, ledger: Ledger) -> str:
    """The folder of a contestant's model; raises BadInput where files of a published model are gone."""
    folder = ledger.folder(*contest.model)
    if contest.path is None:
        return storage.join(folder, "model")
    outside.refuse_gone(folder, files_of(contest.path).keys(), f"evaluation: the path of {contest.model[1]}")
    return contest.path


def _contests(config: PipelineConfig, evaluation: EvaluationSettings) -> Iterator[Contest]:
    """The contestants of each set, and the one that says what is known without a search, if none of them does."""
    for name, settings in evaluation.sets.items():
        contests = list(_contests_of(config, name, settings))
        if settings.known_by is not None:
            contests.append(Contest(name, model_named(config, settings.known_by), "direct", "none"))
        yield from {contest.label: contest for contest in contests}.values()


def _contests_of(config: PipelineConfig, name: str, settings: EvaluatedSetSettings) -> Iterator[Contest]:
    """The contestants that the config names, or else those of `EvaluatedSetSettings`."""
    if settings.contestants is not None:
        for each in settings.contestants:
            path = None if each.path is None else Location(each.path)
            model = (PublishedStage.stage, each.model) if path is not None else model_named(config, each.model)
            yield Contest(name, model, each.way, each.retrieval, each.protocol, path)
        return
    for step in (START, *(step.name for step in config.training)):
        yield Contest(name, model_named(config, step))
    last = model_named(config, last_on(config.training, name))
    yield Contest(name, last, retrieval="none")
    yield Contest(name, last, retrieval="random")
    if name != RAMP:
        yield Contest(name, last, way="rag")
