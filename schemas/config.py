"""One pipeline's config: its sections, and how it is read from YAML.

Settings that change what is computed are in `schemas.corpus_settings` and `schemas.settings` and derive from
`schemas.identity`. All other settings are in `schemas.runtime`. The two types are never mixed.

If a section is absent, its stages do not run: a config without ``model`` ends at the trajectories.
"""

import re
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

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
    """One pipeline: its stages, how each is built, and (`runtime`) where and with what it runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """The pipeline's name, in titles and reports."""
    snapshot: SnapshotName
    """The wiki (or corpus) and date to build, such as enwiki-20261101. If absent, it is read from the names of the
    dump's or corpus' files. The name tells the language: `dewiki_law-20261101` is German, `law-20261101` English."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels that replace the default ones. A key is the name of a data stage (whose default label is ``v1``), a
    default label (``dapo: dapo-hot``), or a stage of an earlier snapshot that `ramp` reads (``earlier/questions``,
    default ``v1``)."""
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
    base: BaseSettings | None = None
    """Language modelling before SFT; null: SFT starts from `model`."""
    sft: SftSettings | None = None
    """Supervised fine-tuning on the teacher's trajectories."""
    evolution: EvolutionSettings | None = None
    """Rounds of self-evolution after SFT; null: none."""
    dapo: DapoSettings | None = None
    """Reinforcement learning from the last student; null: none."""
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
            if not _LABEL.fullmatch(label):
                raise ValueError(
                    f"{label!r} cannot be a label: begin with a small letter or digit, and use only small letters, "
                    "digits, dots, dashes and underscores"
                )
        return labels

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
                "dapo.staleness: set 0, because engines in runtime.placement.layout shared sleep while ranks train"
            )
        return self

    @model_validator(mode="after")
    def _nothing_is_trained_on_what_is_evaluated(self) -> "PipelineConfig":
        if self.evaluation is None:
            return self
        for setting, split in self._trained_on():
            if split == self.evaluation.split:
                raise ValueError(
                    f"evaluation.split is {split}, and so is {setting}: a model cannot be evaluated on its training "
                    "questions; name another split in one of them"
                )
        return self

    @model_validator(mode="after")
    def _splits_that_are_used_exist(self) -> "PipelineConfig":
        existing = self._existing_splits()
        used = self._trained_on()
        if self.evaluation is not None:
            used.append(("evaluation.split", self.evaluation.split))
        for setting, split in used:
            if existing is None or split in existing:
                continue
            if self.world is not None:
                raise ValueError(
                    f"{setting} needs the split {split}, which has no families: give world.families a number for "
                    f"{split}"
                )
            if split == Split.DEV:
                raise ValueError(
                    f"{setting} needs the split dev, which ramp.splits held_out does not make: name another split"
                )
            share = "rl_share" if split == Split.RL else "held_out_share"
            raise ValueError(f"{setting} needs the split {split}, which has no pages: raise ramp.{share} above 0")
        return self

    def _trained_on(self) -> list[tuple[str, Split]]:
        """The splits whose questions or pages something learns from, each with the setting that names it."""
        used: list[tuple[str, Split]] = []
        if self.tokenizer is not None and self.tokenizer.vocabulary is not None:
            used.append(("the training text of tokenizer.vocabulary", Split.TRAIN))
        if self.base is not None:
            used.append(("the training text of base", Split.TRAIN))
        if self.teacher is not None:
            used += [("teacher.splits", split) for split in self.teacher.splits]
        if self.evolution is not None:
            used.append(("evolution.split", self.evolution.split))
        if self.dapo is not None:
            used.append(("the split that dapo trains on", Split.RL))
        return used

    def _existing_splits(self) -> set[Split] | None:
        """The splits that have pages; None where a table beside the dump decides."""
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


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML comes without types
    """Refuses a key that occurs twice; YAML's own loader would silently take the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key.value} occurs twice", problem_mark=key.start_mark
                )
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else key)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def _read_yaml(path: Path, below: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The YAML document with what it extends; ``below`` are the files that extend this one."""
    try:
        document = yaml.load(path.read_text(), _Loader)
    except FileNotFoundError:
        raise BadInput(f"{path}: no such config file: check the path") from None
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise BadInput(f"{path}: not a YAML config: {line}{error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise BadInput(f"{path}: not a YAML config: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise BadInput(f"{path}: not a config: its top level must be a mapping of sections")
    parent = document.pop("extends", None)
    return document if parent is None else _merged(_read_parent(path, parent, below), document)


def _read_parent(path: Path, parent: Any, below: tuple[Path, ...]) -> dict[str, Any]:
    if not isinstance(parent, str) or not parent:
        raise BadInput(f"{path}: extends: name one file, not {parent!r}")
    above, seen = path.parent / parent, (*below, path.resolve())
    if above.resolve() in seen:
        raise BadInput(f"{path}: extends {parent}, which extends it in turn: remove one of the two")
    return _read_yaml(above, seen)


def read_config(path: str | Path, overrides: dict[str, Any] | None = None) -> PipelineConfig:
    """Read a config. With ``extends: other.yaml`` it is merged over that file. ``overrides`` are merged last.

    Raises:
        BadInput: the config is invalid; the error names file, field and allowed values.
    """
    return config_of(path, document_of(path, overrides))


def document_of(path: str | Path, overrides: dict[str, Any] | None = None) -> dict[str, Any]:
    """A config's content before validation, merged with what it extends and with ``overrides``."""
    return _merged(_read_yaml(Path(path)), overrides or {})


def config_of(path: str | Path, document: dict[str, Any]) -> PipelineConfig:
    """The validated config of a document from this path; raises BadInput as `read_config` does."""
    try:
        return PipelineConfig.model_validate(document)
    except ValidationError as error:
        raise BadInput(f"{path}: {first_problem(error)}") from None
