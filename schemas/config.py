"""One pipeline's config: its sections. `schemas.config_files` reads it from YAML.

Settings that change what is computed are in `schemas.corpus_settings` and `schemas.settings` and derive from
`schemas.identity`. All other settings are in `schemas.runtime`. The two types are never mixed.

If a section is absent, its stages do not run: a config without ``model`` ends at the trajectories.
"""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from schemas import config_checks
from schemas.config_files import document_of
from schemas.corpus_settings import (
    CorpusSettings,
    NearDuplicateSettings,
    PageSettings,
    PassageSettings,
    RampSettings,
    SnapshotIndexSettings,
    WorldSettings,
)
from schemas.errors import BadInput, first_problem
from schemas.evaluation_settings import EvaluationSettings
from schemas.names import RAMP, START, refuse_name
from schemas.runtime import RuntimeSettings
from schemas.set_settings import QuestionSetSettings, without_removed
from schemas.settings import AgentSettings, AnyTeacher, ModelSettings, TokenizerSettings
from schemas.snapshot import SnapshotName, date_of, wiki_of
from schemas.training_steps import TrainingStep


class PipelineConfig(BaseModel):
    """One pipeline: its stages, how each is built, and (`runtime`) where and with what it runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """The pipeline's name, in titles and reports."""
    snapshot: SnapshotName
    """The wiki (or corpus) and date to build, such as enwiki-20261101. If absent, it is read from the names of the
    dump's or corpus' files. The name tells the language: `dewiki_law-20261101` is German, `law-20261101` English."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels that replace the default ones. A key is the name of a data stage (whose default label is ``v1``), a
    default label (``scripted: scripted-2``), or a stage of an earlier snapshot that `ramp` reads
    (``earlier/questions``, default ``v1``). The label of a trained model is its step's name."""
    world: WorldSettings | None = None
    """The made-up encyclopedia to write as a dump; a config has one of `world`, `dump` and `corpus`."""
    dump: Annotated[str, Field(min_length=1)] | None = None
    """Path of a dump; {wiki} and {date} stand for the snapshot's. The stage is identified by the dump's digest, not by
    its location: the dump may move, or be deleted once it is read; a different dump under the same label is refused."""
    corpus: CorpusSettings | None = None
    """Passages to use as they are, in place of a dump. Without `ramp.spans` and `ramp.splits`, spans are `capitalised`
    and splits `held_out`, because a corpus has neither links nor a table of splits."""
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
    sets: dict[str, QuestionSetSettings] = Field(default_factory=dict)
    """Question sets by name. Each becomes a stage `questions` with the set's name as its label."""
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
        return None if self.dump is None else self._placed(self.dump)

    @property
    def corpus_path(self) -> str | None:
        """The path of the corpus' files for this snapshot."""
        return None if self.corpus is None else self._placed(self.corpus.passages)

    def _placed(self, pattern: str) -> str:
        return pattern.replace("{wiki}", wiki_of(self.snapshot)).replace("{date}", date_of(self.snapshot))

    def label(self, key: str, default: str | None = None) -> str:
        """The label that `labels` gives to this key; otherwise the default, or the key itself."""
        return self.labels.get(key, key if default is None else default)

    @field_validator("labels")
    @classmethod
    def _labels_are_folders(cls, labels: dict[str, str]) -> dict[str, str]:
        for label in labels.values():
            refuse_name(label, "a label")
        return labels

    @field_validator("sets", mode="before")
    @classmethod
    def _null_removes_a_set(cls, sets: Any) -> Any:
        return without_removed(sets)

    @field_validator("sets")
    @classmethod
    def _sets_have_names(cls, sets: dict[str, QuestionSetSettings]) -> dict[str, QuestionSetSettings]:
        for name in sets:
            refuse_name(name, "the name of a set")
            if name == RAMP:
                raise ValueError("ramp names the config's own masked questions: give the set another name")
        return sets

    @model_validator(mode="before")
    @classmethod
    def _as_a_corpus_allows(cls, document: Any) -> Any:
        """Defaults of `ramp` that a corpus can fulfil."""
        if not isinstance(document, dict) or document.get("corpus") is None:
            return document
        ramp = document.get("ramp") or {}
        if not isinstance(ramp, dict):
            return document
        takes_masks = ramp.get("masks_of") is not None
        spans = {} if takes_masks else {"spans": {"kind": "capitalised"}}
        return {**document, "ramp": {"splits": "held_out", **spans, **ramp}}

    @model_validator(mode="before")
    @classmethod
    def _as_a_published_model_allows(cls, document: Any) -> Any:
        """A published model may know answers; one from random weights knows none."""
        model, evaluation = (_mapping_in(document, name) for name in ("model", "evaluation"))
        sets = _mapping_in(evaluation, "sets")
        if model.get("path") is None or not sets:
            return document
        known = {
            name: {"known_by": START, **asked} if isinstance(asked, dict) and name != RAMP else asked
            for name, asked in sets.items()
        }
        return {**document, "evaluation": {**evaluation, "sets": known}}

    @model_validator(mode="after")
    def _one_source(self) -> "PipelineConfig":
        given = [name for name in ("world", "dump", "corpus") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                "give either world (to make up an encyclopedia), dump (to read one) or corpus (passages that exist), "
                + ("one of them" if not given else f"not {' and '.join(given)}")
            )
        if self.corpus is None:
            return self
        for section in ("pages", "passages"):
            if getattr(self, section) != type(self).model_fields[section].default:
                raise ValueError(f"{section} would not be read: the passages of corpus stay as they are; remove it")
        if self.ramp.splits == "table":
            raise ValueError(
                "ramp.splits table reads a file beside a dump, and a corpus has no such file: set held_out"
            )
        return self

    @model_validator(mode="after")
    def _whole(self) -> "PipelineConfig":
        needs = {"model": ["tokenizer"], "training": ["tokenizer", "model"]}
        if self.evaluation is not None and self.evaluation.asks_own_models:
            needs["evaluation"] = ["model"]
        for section, required in needs.items():
            for other in required:
                if getattr(self, section) and getattr(self, other) is None:
                    raise ValueError(f"{section} needs the section {other}")
        return self

    @model_validator(mode="after")
    def _parts_fit_together(self) -> "PipelineConfig":
        config_checks.refuse_wrong_steps(self)
        config_checks.refuse_unknown_sets(self)
        config_checks.refuse_training_on_what_is_evaluated(self)
        config_checks.refuse_missing_splits(self)
        config_checks.refuse_wrong_leaks(self)
        return self


def _mapping_in(document: Any, name: str) -> dict[str, Any]:
    """A section as it is written; empty if it is no mapping, which the section's own model refuses."""
    section = document.get(name) if isinstance(document, dict) else None
    return section if isinstance(section, dict) else {}


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
