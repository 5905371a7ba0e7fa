"""The untrained model, and language modelling on the train split's passages."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from schemas.config import PipelineConfig
from schemas.corpus_settings import SplitSettings
from schemas.identity import Reads
from schemas.jobs import JobResult, NewModelJob, PretrainJob, TrainingJob
from schemas.manifest import Gate, StageManifest
from schemas.names import START
from schemas.records import Passage
from schemas.settings import ModelSettings
from schemas.training_settings import LanguageModellingSettings
from schemas.training_steps import LanguageModellingStep, NamedStep, origins_of
from tasks.ledger import storage
from tasks.making.context import Making
from tasks.making.model_size import parameters_in
from tasks.making.needs import Heads, LanguageModel, Need, RoomToTrain
from tasks.making.stage import Group, Name, S, Seen, Stage, Work
from tasks.stages.passages import PassageStage
from tasks.stages.source import source_in
from tasks.stages.tokenizer import TokenizerStage, train_passages

TRAINING_VERSION = 3
"""The version of all trained models: raised when code for tokens, batches, losses or updates changes the weights."""


@dataclass(frozen=True, kw_only=True)
class ModelStage(Stage[S]):
    """A model in the ledger. A trained model's label is the name of its step (`schemas.training_steps`)."""

    stage = "models"
    group: ClassVar[Group] = "sft"
    version = TRAINING_VERSION
    runs_models = True
    keys = ""

    def finish(self, making: Making, result: JobResult) -> StageManifest:
        """Finish the stage after its job, which wrote a model into the stage's folder."""
        model = storage.join(making.folder, "model", "config.json")
        whole = Gate(name="model written", holds=storage.exists(model), detail=model)
        return making.open.finish(made="model", gates=[whole], figures=result.figures, seconds=result.seconds)


def training_job(making: Making) -> TrainingJob:
    """The fields that all trainers share: the tokenizer, the starting model, and the ranks."""
    assert making.tokenizer is not None, "every model has a tokenizer"
    runtime = making.runtime
    return TrainingJob(
        output=making.folder,
        snapshot=making.snapshot,
        tokenizer=making.tokenizer,
        start=storage.join(making.upstream_folder("models"), "model"),
        ranks=runtime.ranks,
        threads_per_rank=runtime.threads_per_rank,
        keep_checkpoints=runtime.keep_checkpoints,
        placement=runtime.placement,
    )


class UntrainedReads(Reads):
    model: ModelSettings


@dataclass(frozen=True, kw_only=True)
class UntrainedStage(ModelStage[UntrainedReads]):
    """Random weights of the configured architecture, or an existing model fitted to the tokenizer."""

    version = 1
    keys = "untrained"

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["UntrainedStage"]:
        if config.model is not None:
            yield cls(
                key="untrained",
                label=config.label("untrained"),
                reads=UntrainedReads(model=config.model),
                upstreams=(TokenizerStage.in_config(config),),
                needs=_needs_of(config, config.model),
            )

    def make(self, making: Making) -> StageManifest:
        assert making.tokenizer is not None, "every model has a tokenizer"
        job = NewModelJob(
            output=making.folder, snapshot=making.snapshot, tokenizer=making.tokenizer, settings=self.reads.model
        )
        return self.finish(making, making.run_job("trainers.untrained", job))


def _needs_of(config: PipelineConfig, model: ModelSettings) -> tuple[Need, ...]:
    if model.path is None:
        return (Heads(model.hidden, model.heads, model.key_value_heads or model.heads),)
    # A model for jobs of a cluster may be on a disk that this machine does not see.
    is_read_here = config.runtime.jobs.runs_here
    return (LanguageModel("model.path", model.path, "model"),) if is_read_here else ()


class LanguageModellingReads(Reads):
    language_modelling: LanguageModellingSettings
    ramp: SplitSettings


@dataclass(frozen=True, kw_only=True)
class LanguageModellingStage(ModelStage[LanguageModellingReads]):
    """Language modelling on the passages of the train split."""

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["LanguageModellingStage"]:
        for step in config.training:
            if isinstance(step, LanguageModellingStep):
                yield cls(
                    key=None,
                    label=step.name,
                    reads=LanguageModellingReads(
                        language_modelling=step.settings, ramp=SplitSettings.within(config.ramp)
                    ),
                    upstreams=(
                        source_in(config),
                        PassageStage.in_config(config),
                        TokenizerStage.in_config(config),
                        model_before(config, step),
                    ),
                    needs=room_for_training(config),
                )

    def make(self, making: Making) -> StageManifest:
        documents = storage.join(making.folder, "job-documents.parquet")
        storage.write_rows(documents, Passage, train_passages(making, self.reads.ramp))
        common = training_job(making).model_dump()
        job = PretrainJob(**common, settings=self.reads.language_modelling, documents=[documents])
        return self.finish(making, making.run_job("trainers.pretrain", job))

    def work(self, seen: Seen | None) -> Work:
        return Work(tokens=self.reads.language_modelling.steps * self.reads.language_modelling.tokens_per_step)


def room_for_training(config: PipelineConfig) -> tuple[Need, ...]:
    """The disk space for one training: a lower bound of what all trainings need."""
    parameters = parameters_in(config)
    return (
        () if parameters is None else (RoomToTrain(config.runtime.root, parameters, config.runtime.keep_checkpoints),)
    )


def model_before(config: PipelineConfig, step: NamedStep) -> Name:
    """The model that a step begins with."""
    return model_named(config, origins_of(config.training)[step.name])


def model_named(config: PipelineConfig, name: str) -> Name:
    """The model of a step, or the model before all steps (`start`)."""
    return ModelStage.stage, config.label("untrained") if name == START else name
