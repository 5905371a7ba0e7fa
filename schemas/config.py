"""One pipeline's config: its sections, and how it is read from YAML.

What changes what is computed is `schemas.corpus_settings` and `schemas.settings` (all of them `schemas.identity`); what
does not is `schemas.runtime`: two types, never mixed.

A section that is absent is a stage that is not run: a config without ``model`` ends at the trajectories.
"""

import re
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from schemas.corpus_settings import (
    NearDuplicateSettings,
    PageSettings,
    PassageSettings,
    RampSettings,
    SnapshotIndexSettings,
    WorldSettings,
)
from schemas.errors import BadInput, first_problem
from schemas.records import Split
from schemas.runtime import RuntimeSettings
from schemas.settings import (
    AgentSettings,
    AnyTeacher,
    BaseSettings,
    DapoSettings,
    EvaluationSettings,
    EvolutionSettings,
    ModelSettings,
    SftSettings,
    TokenizerSettings,
)
from schemas.snapshot import SnapshotName, date_of, wiki_of

_LABEL = re.compile(r"[a-z0-9][a-z0-9._-]*")


class PipelineConfig(BaseModel):
    """One pipeline: which stages there are and how each is made, and (`runtime`) where and with what."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    snapshot: SnapshotName
    labels: dict[str, str] = Field(default_factory=dict)
    """Other labels, by the name of a data stage (whose label is else ``v1``) or by a label (``dapo: dapo-hot``); and,
    as ``earlier/questions``, those under which an earlier snapshot has what `ramp` takes from it (else ``v1``)."""
    world: WorldSettings | None = None
    dump: Annotated[str, Field(min_length=1)] | None = None
    """Path of a dump, {wiki} and {date} being the snapshot's. A location, not identity: it is known by its digest.
    A dump may move, or be deleted once it is read; another one is refused under the same label."""
    pages: PageSettings = PageSettings()
    passages: PassageSettings = PassageSettings()
    near_duplicates: NearDuplicateSettings | None = None
    index: SnapshotIndexSettings = SnapshotIndexSettings()
    ramp: RampSettings = RampSettings()
    certified_only: bool = True
    """Ask, train on and evaluate only questions whose masks all have evidence. Identity of every stage that asks."""
    agent: AgentSettings = AgentSettings()
    teacher: AnyTeacher | None = None
    tokenizer: TokenizerSettings | None = None
    model: ModelSettings | None = None
    base: BaseSettings | None = None
    sft: SftSettings | None = None
    evolution: EvolutionSettings | None = None
    dapo: DapoSettings | None = None
    evaluation: EvaluationSettings | None = None
    runtime: RuntimeSettings

    @property
    def dump_path(self) -> str | None:
        """The dump's path for this snapshot."""
        if self.dump is None:
            return None
        return self.dump.replace("{wiki}", wiki_of(self.snapshot)).replace("{date}", date_of(self.snapshot))

    def label(self, key: str, default: str | None = None) -> str:
        """The label that `labels` gives to this key; else the default, or the key itself."""
        return self.labels.get(key, key if default is None else default)

    @field_validator("labels")
    @classmethod
    def _labels_are_folders(cls, labels: dict[str, str]) -> dict[str, str]:
        for label in labels.values():
            if not _LABEL.fullmatch(label):
                raise ValueError(f"{label!r} is no label: small letters, digits, dots, dashes and underscores")
        return labels

    @model_validator(mode="after")
    def _whole(self) -> "PipelineConfig":
        if (self.world is None) == (self.dump is None):
            raise ValueError("give either world (to make an encyclopedia) or dump (to read one)")
        needs = {
            "model": ["tokenizer"],
            "sft": ["teacher", "tokenizer", "model"],
            "evolution": ["sft"],
            "dapo": ["sft"],
            "base": ["tokenizer", "model"],
            "evaluation": ["sft"],
        }
        for section, required in needs.items():
            for other in required:
                if getattr(self, section) is not None and getattr(self, other) is None:
                    raise ValueError(f"{section} needs the section {other}")
        if self.dapo is not None and self.dapo.staleness and self.runtime.placement.takes_turns:
            raise ValueError(
                "dapo.staleness: in runtime.placement.layout shared engines sleep while ranks train: set 0"
            )
        return self

    @model_validator(mode="after")
    def _nothing_is_trained_on_what_is_evaluated(self) -> "PipelineConfig":
        if self.evaluation is None:
            return self
        for setting, split in self._trained_on():
            if split == self.evaluation.split:
                raise ValueError(
                    f"evaluation.split is {split}, and so is {setting}: what is trained on cannot be evaluated; name "
                    "another split in one of them"
                )
        return self

    @model_validator(mode="after")
    def _splits_that_are_asked_are_there(self) -> "PipelineConfig":
        there = self._splits_there()
        asked = self._trained_on()
        if self.evaluation is not None:
            asked.append(("evaluation.split", self.evaluation.split))
        for setting, split in asked:
            if there is None or split in there:
                continue
            if self.world is not None:
                raise ValueError(f"{setting} asks the split {split}: give world.families a number for {split}")
            if split == Split.DEV:
                raise ValueError(
                    f"{setting} asks the split dev, which ramp.splits held_out does not make: name another"
                )
            share = "rl_share" if split == Split.RL else "held_out_share"
            raise ValueError(f"{setting} asks questions of the split {split}: give ramp.{share}")
        return self

    def _trained_on(self) -> list[tuple[str, Split]]:
        """The splits whose questions or pages something learns from, each with the setting that says so."""
        found: list[tuple[str, Split]] = []
        if self.tokenizer is not None and self.tokenizer.vocabulary is not None:
            found.append(("what tokenizer.vocabulary is trained on", Split.TRAIN))
        if self.base is not None:
            found.append(("what base is trained on", Split.TRAIN))
        if self.teacher is not None:
            found += [("teacher.splits", split) for split in self.teacher.splits]
        if self.evolution is not None:
            found.append(("evolution.split", self.evolution.split))
        if self.dapo is not None:
            found.append(("what dapo is trained on", Split.RL))
        return found

    def _splits_there(self) -> set[Split] | None:
        """The splits that have pages; None where a table beside the dump says so."""
        if self.ramp.splits == "held_out":
            shares = {Split.TEST: self.ramp.held_out_share, Split.RL: self.ramp.rl_share}
            return {Split.TRAIN, *(split for split, share in shares.items() if share)}
        return set(self.world.families) if self.world is not None else None


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice, of which YAML's own would take the last and say nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"{key.value} is there twice", problem_mark=key.start_mark
                )
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else key)
        return super().construct_mapping(node, deep)


def _read_yaml(path: Path, below: tuple[Path, ...] = ()) -> dict[str, Any]:
    """``below`` are the files that extend this one."""
    try:
        document = yaml.load(path.read_text(), _Loader)
    except FileNotFoundError:
        raise BadInput(f"{path}: no such config file") from None
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise BadInput(f"{path}: not a YAML config: {line}{error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise BadInput(f"{path}: not a YAML config: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise BadInput(f"{path}: a config is a mapping of sections")
    parent = document.pop("extends", None)
    return document if parent is None else _merged(_read_parent(path, parent, below), document)


def _read_parent(path: Path, parent: Any, below: tuple[Path, ...]) -> dict[str, Any]:
    if not isinstance(parent, str) or not parent:
        raise BadInput(f"{path}: extends: name one file, not {parent!r}")
    above, seen = path.parent / parent, (*below, path.resolve())
    if above.resolve() in seen:
        raise BadInput(f"{path}: extends {parent}, which extends it in turn")
    return _read_yaml(above, seen)


def read_config(path: str | Path, overrides: dict[str, Any] | None = None) -> PipelineConfig:
    """Read a config; ``extends: other.yaml`` in it starts from another one. ``overrides`` are merged last.

    Raises:
        BadInput: naming file, field and what is allowed.
    """
    return config_of(path, document_of(path, overrides))


def document_of(path: str | Path, overrides: dict[str, Any] | None = None) -> dict[str, Any]:
    """What a config says, unchecked, with what it extends and ``overrides``."""
    return _merged(_read_yaml(Path(path)), overrides or {})


def config_of(path: str | Path, document: dict[str, Any]) -> PipelineConfig:
    """The config that a document of this path says; raises BadInput as `read_config` does."""
    try:
        return PipelineConfig.model_validate(document)
    except ValidationError as error:
        raise BadInput(f"{path}: {first_problem(error)}") from None
