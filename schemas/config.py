"""One pipeline's config: its sections. `schemas.config_files` reads it from YAML.

Settings that change what is computed are in `schemas.corpus_settings` and `schemas.settings` and derive from
`schemas.identity`. All other settings are in `schemas.runtime`. The two types are never mixed.

If a section is absent, its stages do not run: a config without ``model`` ends at the trajectories.
"""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from schemas.config_files import document_of
from schemas.corpus_settings import (
    NearDuplicateSettings,
    PageSettings,
    PassageSettings,
    RampSettings,
    SnapshotIndexSettings,
    WorldSettings,
)
from schemas.errors import BadInput, first_problem
from schemas.evaluation_settings import EvaluationSettings
from schemas.records import Split
from schemas.runtime import RuntimeSettings
from schemas.settings import AgentSettings, AnyTeacher, ModelSettings, TokenizerSettings
from schemas.snapshot import SnapshotName, date_of, wiki_of
from schemas.training_steps import (
    RAMP,
    DapoStep,
    LanguageModellingStep,
    QuestionStep,
    SelfEvolutionStep,
    SftStep,
    TrainingStep,
    origins_of,
    phases_of,
    splits_trained_on,
)

_LABEL = re.compile(r"[a-z0-9][a-z0-9._-]*")


class PipelineConfig(BaseModel):
    """One pipeline: its stages, how each is built, and (`runtime`) where and with what it runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """The pipeline's name, in titles and reports."""
    snapshot: SnapshotName
    """The wiki and date to build, such as enwiki-20261101. If absent, it is read from the names of the dump's files."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels that replace the default ones. A key is the name of a data stage (whose default label is ``v1``), a
    default label (``scripted: scripted-2``), or a stage of an earlier snapshot that `ramp` reads
    (``earlier/questions``, default ``v1``). The label of a trained model is its step's name."""
    world: WorldSettings | None = None
    """The made-up encyclopedia to write as a dump; a config has either `world` or `dump`."""
    dump: Annotated[str, Field(min_length=1)] | None = None
    """Path of a dump; {wiki} and {date} stand for the snapshot's. The stage is identified by the dump's digest, not by
    its location: the dump may move, or be deleted once it is read; a different dump under the same label is refused."""
    pages: PageSettings = PageSettings()
    """How the dump becomes pages."""
    passages: PassageSettings = PassageSettings()
    """How pages become passages."""
    near_duplicates: NearDuplicateSettings | None = None
    """How nearly equal passages are found, of which only one becomes a question; null: they are not searched for."""
    index: SnapshotIndexSettings = SnapshotIndexSettings()
    """The search index over the passages."""
    ramp: RampSettings = RampSettings()
    """How paragraphs become questions."""
    certified_only: bool = True
    """Whether only questions whose masks all have evidence are answered, trained on and evaluated. It is part of the
    identity of every stage that answers questions."""
    agent: AgentSettings = AgentSettings()
    """The loop of search and answer."""
    teacher: AnyTeacher | None = None
    """The teacher of trajectories; null: the pipeline ends at the questions."""
    tokenizer: TokenizerSettings | None = None
    """The student's tokenizer."""
    model: ModelSettings | None = None
    """The student before training; null: the pipeline ends at the trajectories."""
    training: list[TrainingStep] = Field(default_factory=list)
    """The steps of training, each of which makes one model from an earlier one. A config that extends another may
    change steps by their names: ``training: {ramp-sft: {seed: 2}, ramp-rl: null}``, where null removes the step."""
    evaluation: EvaluationSettings | None = None
    """The questions that every model answers at the end; null: no evaluation."""
    runtime: RuntimeSettings
    """Where and with what the pipeline runs."""

    @property
    def dump_path(self) -> str | None:
        """The dump's path for this snapshot."""
        if self.dump is None:
            return None
        return self.dump.replace("{wiki}", wiki_of(self.snapshot)).replace("{date}", date_of(self.snapshot))

    def label(self, key: str, default: str | None = None) -> str:
        """The label that `labels` gives to this key; otherwise the default, or the key itself."""
        return self.labels.get(key, key if default is None else default)

    @field_validator("labels")
    @classmethod
    def _labels_are_folders(cls, labels: dict[str, str]) -> dict[str, str]:
        for label in labels.values():
            if not _LABEL.fullmatch(label):
                raise ValueError(
                    f"{label!r} cannot be a label: begin with a small letter or digit, and use only small letters, "
                    "digits, dots, dashes and underscores"
                )
        return labels

    @model_validator(mode="after")
    def _whole(self) -> "PipelineConfig":
        if (self.world is None) == (self.dump is None):
            raise ValueError("give either world (to make up an encyclopedia) or dump (to read one)")
        needs = {"model": ["tokenizer"], "training": ["tokenizer", "model"], "evaluation": ["model"]}
        for section, required in needs.items():
            for other in required:
                if getattr(self, section) and getattr(self, other) is None:
                    raise ValueError(f"{section} needs the section {other}")
        return self

    @model_validator(mode="after")
    def _steps_have_what_they_need(self) -> "PipelineConfig":
        origins_of(self.training)
        for step in self.training:
            if isinstance(step, SftStep | SelfEvolutionStep) and self.teacher is None:
                raise ValueError(f"training.{step.name} needs the section teacher")
            if isinstance(step, QuestionStep):
                self._refuse_another_unit(step)
            if isinstance(step, DapoStep) and step.staleness and self.runtime.placement.takes_turns:
                raise ValueError(
                    f"training.{step.name}.staleness: set 0, because engines in runtime.placement.layout shared sleep "
                    "while ranks train"
                )
        return self

    def _refuse_another_unit(self, step: QuestionStep) -> None:
        unit = "masks" if step.on == RAMP else "hops"
        for phase in phases_of(step):
            if phase.bound is not None and phase.unit != unit:
                raise ValueError(
                    f"training.{step.name}: a phase has max_{phase.unit}, but the questions of {step.on} have {unit}: "
                    f"give max_{unit}"
                )

    @model_validator(mode="after")
    def _nothing_is_trained_on_what_is_evaluated(self) -> "PipelineConfig":
        if self.evaluation is None:
            return self
        evaluated = {(name, asked.split) for name, asked in self.evaluation.sets.items()}
        for setting, name, split in self._trained_on():
            if (name, split) in evaluated:
                raise ValueError(
                    f"evaluation.sets.{name}.split is {split}, and so is {setting}: a model cannot be evaluated on its "
                    "training questions; name another split in one of them"
                )
        return self

    @model_validator(mode="after")
    def _splits_that_are_used_exist(self) -> "PipelineConfig":
        used = self._trained_on()
        if self.evaluation is not None:
            used += [
                (f"evaluation.sets.{name}.split", name, asked.split) for name, asked in self.evaluation.sets.items()
            ]
        for setting, name, split in used:
            if name == RAMP:
                self._refuse_a_split_without_pages(setting, split)
        return self

    def _refuse_a_split_without_pages(self, setting: str, split: Split) -> None:
        existing = self._existing_splits()
        if existing is None or split in existing:
            return
        if self.world is not None:
            raise ValueError(
                f"{setting} needs the split {split}, which has no families: give world.families a number for {split}"
            )
        if split == Split.DEV:
            raise ValueError(
                f"{setting} needs the split dev, which ramp.splits held_out does not make: name another split"
            )
        share = "rl_share" if split == Split.RL else "held_out_share"
        raise ValueError(f"{setting} needs the split {split}, which has no pages: raise ramp.{share} above 0")

    def _trained_on(self) -> list[tuple[str, str, Split]]:
        """What something learns from: the setting that names it, the set, and the split of its questions or pages."""
        used: list[tuple[str, str, Split]] = []
        if self.tokenizer is not None and self.tokenizer.vocabulary is not None:
            used.append(("the training text of tokenizer.vocabulary", RAMP, Split.TRAIN))
        taught = [] if self.teacher is None else self.teacher.splits
        used += [("teacher.splits", RAMP, split) for split in taught]
        for step in self.training:
            if isinstance(step, LanguageModellingStep):
                used.append((f"the training text of training.{step.name}", RAMP, Split.TRAIN))
            used += [(f"training.{step.name}", name, split) for name, split in splits_trained_on(step, taught)]
        return used

    def _existing_splits(self) -> set[Split] | None:
        """The splits of RAMP that have pages; None where a table beside the dump decides."""
        if self.ramp.splits == "held_out":
            shares = {Split.TEST: self.ramp.held_out_share, Split.RL: self.ramp.rl_share}
            return {Split.TRAIN, *(split for split, share in shares.items() if share)}
        return set(self.world.families) if self.world is not None else None


def read_config(path: str | Path, overrides: dict[str, Any] | None = None) -> PipelineConfig:
    """Read a config. With ``extends: other.yaml`` it is merged over that file. ``overrides`` are merged last.

    Raises:
        BadInput: the config is invalid; the error names file, field and allowed values.
    """
    return config_of(path, document_of(path, overrides))


def config_of(path: str | Path, document: dict[str, Any]) -> PipelineConfig:
    """The validated config of a document from this path; raises BadInput as `read_config` does."""
    try:
        return PipelineConfig.model_validate(document)
    except ValidationError as error:
        raise BadInput(f"{path}: {first_problem(error, document)}") from None
