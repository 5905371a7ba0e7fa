"""What a stage is: one declaration that holds all that the pipeline knows of it.

A class declares a kind of stage. Its instances are the stages of one config: a label, the settings that the stage
reads, and the stages that it is made from. Nothing else about a stage stands anywhere else; `tasks.pipeline.registry`
lists the classes.

Identity is made from what is given. `make` receives no config: its settings are `reads`, which the fingerprint is made
from, and what changes no row (the runtime, locations, limits) has types of its own.
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
Group = Literal["corpus", "ramp", "trajectories", "sft", "rl", "evaluate"]
"""What a command builds: `masksearch corpus` and so on."""
Location = NewType("Location", str)
"""Where something outside the root is. It may move: what it holds is noted by digest."""
Limit = NewType("Limit", float)
"""What a gate allows. It changes no row."""
S = TypeVar("S", bound=Reads)


class Seen(NamedTuple):
    """Of the last student's trajectories under a root: the share that was accepted, and mean tokens of one."""

    accepted: float
    tokens: float
    generated: float


class Work(NamedTuple):
    """What a stage will take: ``rows`` at most, ``tokens`` trained on, ``generated`` tokens; None where unknown."""

    rows: int | None = None
    tokens: int = 0
    generated: int = 0
    updates: int = 0
    passes: float = 1.0
    """Forward and backward passes over a token, in those of SFT."""
    staleness: int = 0
    """How many updates rollouts may run ahead of: with any, both go on at once."""
    is_bound: bool = False
    """Whether the tokens are an upper bound."""


@dataclass(frozen=True, kw_only=True)
class Stage(ABC, Generic[S]):
    """One making of a stage."""

    stage: ClassVar[str]
    group: ClassVar[Group]
    version: ClassVar[int] = 1
    """Raised when the stage's code changes what it computes."""
    keys: ClassVar[str | None] = None
    """A pattern of the names by which `labels` of a config changes this stage's label. Default: the stage's name."""
    runs_models: ClassVar[bool] = False
    """Whether its job loads the config's model."""
    together: ClassVar[bool] = False
    """Whether one job makes all labels of the stage: their recipes are written before it starts."""

    key: str | None
    """The name by which `labels` changes this stage's label; None where its label follows from another's."""
    label: str
    reads: S
    upstreams: tuple[Name, ...] = ()
    needs: tuple[Need, ...] = ()
    """What it reads from outside the root, and whom it asks."""
    places: tuple[Location, ...] = ()
    """Where those files are that it notes by digest."""

    @classmethod
    @abstractmethod
    def of(cls, config: PipelineConfig) -> Iterable[Self]:
        """The stages of this kind that the config has."""

    @abstractmethod
    def make(self, making: Making) -> StageManifest:
        """Make the stage, or the parts of it that are missing.

        Raises:
            BadInput: its input is wrong.
            RunFailed: work failed or a gate does not hold; what was finished is kept.
        """

    @classmethod
    def changes(cls, ledger: Ledger, made: StageManifest, places: Sequence[str]) -> list[str]:
        """How the files at these places differ from those that a finished stage was made from, in words.

        Raises:
            RunFailed: a store does not answer.
        """
        return []

    def work(self, seen: Seen | None) -> Work | None:
        """The work that the settings ask for; None for a stage whose work grows with its input."""
        return None

    @property
    def name(self) -> Name:
        return self.stage, self.label

    def __str__(self) -> str:
        return f"{self.stage}/{self.label}"

    def recipe(self, ledger: Ledger) -> Recipe | None:
        """How it is made, its upstreams pinned by digest; None while one of them is unfinished."""
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
        """Whether a name in `labels` changes the label of stages of this kind."""
        return re.fullmatch(cls.keys or cls.stage, name) is not None


@dataclass(frozen=True, kw_only=True)
class DataStage(Stage[S]):
    """A stage that a config has once: its label is ``v1`` unless the config's `labels` give another."""

    @classmethod
    def in_config(cls, config: PipelineConfig) -> Name:
        """The name that the stage has in this config."""
        return cls.stage, config.label(cls.stage, "v1")

    @classmethod
    def once(cls, config: PipelineConfig, reads: S, *upstreams: Name, **more: Any) -> Self:
        """The stage with these settings and upstreams; ``more`` are fields of the declaration."""
        return cls(key=cls.stage, label=cls.in_config(config)[1], reads=reads, upstreams=upstreams, **more)
