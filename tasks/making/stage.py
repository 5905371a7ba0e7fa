"""The declaration of a stage: one class holds everything that the pipeline knows about it.

A class declares a kind of stage. Its instances are the stages of one config: a label, the settings that the stage
reads, and its upstream stages. `tasks.pipeline.registry` lists the classes.

The fingerprint of a stage covers all that its rows depend on. `make` does not receive the config: its settings are
`reads`, which the fingerprint includes. Values that change no row (the runtime, locations, limits) have their own types
and are not part of it.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, NamedTuple, NewType, Self, TypeVar

from schemas.config import PipelineConfig
from schemas.identity import Reads
from schemas.manifest import Recipe, StageManifest
from tasks.ledger.ledger import Ledger
from tasks.making.context import Making
from tasks.making.needs import Need

Name = tuple[str, str]
"""A stage and its label."""
Group = Literal["corpus", "ramp", "questions", "trajectories", "sft", "rl", "evaluate"]
"""The command that builds the stage: `masksearch corpus` and so on."""
Location = NewType("Location", str)
"""The path of something outside the root. It may move without a rebuild, because the digest of its content is noted."""
Limit = NewType("Limit", float)
"""A setting that changes no row, such as the limit of a gate."""
S = TypeVar("S", bound=Reads)


class Seen(NamedTuple):
    """Figures of the last student's trajectories under a root: the accepted share, and mean tokens of a trajectory.

    ``generated`` counts only the tokens that the model wrote.
    """

    accepted: float
    tokens: float
    generated: float


class Work(NamedTuple):
    """Expected work of a stage: ``rows`` is an upper bound (None if unknown); ``tokens`` are trained on."""

    rows: int | None = None
    tokens: int = 0
    generated: int = 0
    updates: int = 0
    passes: float = 1.0
    """Forward and backward passes over each token, relative to SFT."""
    staleness: int = 0
    """How many updates rollouts may run ahead. If positive, training and generation overlap."""
    is_bound: bool = False
    """Whether the numbers of tokens are upper bounds."""


@dataclass(frozen=True, kw_only=True)
class Stage(ABC, Generic[S]):
    """One stage of a config: a kind, a label, and what it is built from."""

    stage: ClassVar[str]
    group: ClassVar[Group]
    version: ClassVar[int] = 1
    """Raised when the stage's code changes what it computes."""
    keys: ClassVar[str | None] = None
    """A pattern of the keys in a config's `labels` that set the label of such a stage: by default the stage's name; the
    empty pattern if there are no such keys."""
    runs_models: ClassVar[bool] = False
    """Whether its job loads the config's model."""
    together: ClassVar[bool] = False
    """Whether one job builds all labels of the stage. Their recipes are then written before the job starts."""

    key: str | None
    """The key in `labels` that sets this stage's label; None if the label follows from another stage's."""
    label: str
    reads: S
    upstreams: tuple[Name, ...] = ()
    needs: tuple[Need, ...] = ()
    """The files it reads from outside the root, and the servers it contacts."""
    locations: tuple[Location, ...] = ()
    """The files outside the root whose digests it notes."""

    @classmethod
    @abstractmethod
    def of(cls, config: PipelineConfig) -> Iterable[Self]:
        """The stages of this kind that the config has."""

    @abstractmethod
    def make(self, making: Making) -> StageManifest:
        """Build the stage, or its missing parts.

        Raises:
            BadInput: its input is wrong.
            RunFailed: the work failed, or a gate does not hold. Finished parts are kept.
        """

    @classmethod
    def changes(cls, ledger: Ledger, built: StageManifest, locations: Sequence[str]) -> list[str]:
        """Messages about files at these locations that differ from those that a finished stage was built from.

        Raises:
            RunFailed: a store does not answer.
        """
        return []

    def work(self, seen: Seen | None) -> Work | None:
        """The work that the settings imply; None for a stage whose work grows with its input."""
        return None

    @property
    def name(self) -> Name:
        return self.stage, self.label

    def __str__(self) -> str:
        return f"{self.stage}/{self.label}"

    def recipe(self, ledger: Ledger) -> Recipe | None:
        """The recipe, with upstreams pinned by digest; None while an upstream is unfinished."""
        manifests = [ledger.manifest(*name) for name in self.upstreams]
        if None in manifests:
            return None
        return Recipe(
            stage=self.stage,
            label=self.label,
            snapshot=ledger.snapshot,
            version=self.version,
            settings=self.reads.all,
            given=self.reads.given,
            upstreams=[manifest.as_upstream for manifest in manifests if manifest],
        )

    @classmethod
    def has_key(cls, name: str) -> bool:
        """Whether a key in `labels` sets the label of stages of this kind."""
        return re.fullmatch(cls.stage if cls.keys is None else cls.keys, name) is not None


@dataclass(frozen=True, kw_only=True)
class DataStage(Stage[S]):
    """A stage that a config has at most once. Its label is ``v1`` unless the config's `labels` sets another."""

    @classmethod
    def in_config(cls, config: PipelineConfig) -> Name:
        """The stage's name and label in this config."""
        return cls.stage, config.label(cls.stage, "v1")

    @classmethod
    def once(cls, config: PipelineConfig, reads: S, *upstreams: Name, **more: Any) -> Self:
        """The stage with these settings and upstreams; ``more`` are fields of the declaration."""
        return cls(key=cls.stage, label=cls.in_config(config)[1], reads=reads, upstreams=upstreams, **more)
