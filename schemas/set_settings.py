"""Settings of question sets: the files that their questions are read from, and the splits that these belong to."""

import math
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, field_validator, model_validator

from schemas.identity import Identity, Positive, Share
from schemas.records import Split
from schemas.seams import Kind, Seam


class SetSettings(Kind):
    """A question set: its file, and how it is read (tasks/sets/registry.py)."""

    default: ClassVar[str] = "published"

    path: str
    """A location, not identity: the set is known by the names of its folder and file, and by the file's digest."""


LayoutName = Literal[
    "hotpotqa", "two_wiki", "musique", "fanoutqa", "freshqa", "bamboogle", "flashrag", "claims", "steps", "plain"
]


class PublishedSet(SetSettings):
    """JSON, CSV or the like in one of the layouts in which sets are published (tasks/sets/layouts)."""

    kind: Literal["published"] = "published"
    layout: LayoutName | None = None
    """The layout. Default: it is detected from the file's first record."""


SETS = Seam[SetSettings]("sets", SetSettings, {"published": PublishedSet}, short="path")
AnySet = Annotated[SetSettings, SETS]


_LAYOUTS_WITH_SPLITS = ("steps", "claims")


class SetDrawSettings(Identity):
    """Which questions of a set are taken, and the split of each."""

    split: Split | None = None
    """The split of all questions. The layouts `steps` and `claims`, which the world's questions and claims have, can
    give each question its own split; all others need `split` or `shares`."""
    shares: Annotated[dict[Split, Share], Field(min_length=1)] | None = None
    """The share of the questions in each split; they sum to 1. A hash of the question's id draws its split, so that
    added questions move no other."""
    limit: Positive | None = None
    """How many questions are taken, drawn by a hash of their ids; null: all."""
    seed: int = 1
    """Seed of the draws of `shares` and `limit`."""
    language: str | None = None
    """Language code of the questions. Default: that of the snapshot."""
    world: Literal["questions", "claims"] = "questions"
    """What a set without a path takes of the config's `world`: its questions, or its claims."""

    @model_validator(mode="after")
    def _one_way_to_split(self) -> "SetDrawSettings":
        if self.split is not None and self.shares is not None:
            raise ValueError("give either split (of all questions) or shares (of each split)")
        if self.shares is not None and not math.isclose(sum(self.shares.values()), 1, abs_tol=1e-6):
            raise ValueError(f"shares sum to {sum(self.shares.values()):g}: they must sum to 1; limit takes fewer")
        if self.shares is None and self.limit is None:
            self.refuse_unread(("seed",), "without shares and limit nothing is drawn")
        return self

    @property
    def splits(self) -> dict[Split, float]:
        """The share of each split that has questions; empty if the file gives the splits."""
        if self.split is not None:
            return {self.split: 1.0}
        return {split: share for split, share in (self.shares or {}).items() if share}


class QuestionSetSettings(SetDrawSettings):
    """One question set. Its questions are the stage `questions` of the set's name (tasks/stages/set_questions.py)."""

    path: Annotated[str, Field(min_length=1)] | None = None
    """A location, not identity: the set is known by the names of its folder and file, and by the file's digest. Null:
    the questions or claims that the config's `world` comes with."""
    layout: str | dict[str, Any] | None = None
    """`hotpotqa`, `two_wiki`, `musique`, `fanoutqa`, `freshqa`, `bamboogle`, `flashrag`, `claims`, `steps`, `plain`, or
    a layout of an installed package; a mapping of `kind` and that layout's own settings. Default: detected from the
    first record."""

    @field_validator("layout")
    @classmethod
    def _layout_exists(cls, layout: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
        layout_settings(layout, "")
        return layout

    @model_validator(mode="after")
    def _every_question_has_a_split(self) -> "QuestionSetSettings":
        if self.path is None:
            self.refuse_unread(("layout",), "without path the questions are the world's")
            return self
        self.refuse_unread(("world",), "with a path the questions are the file's")
        if not self.splits and self.layout not in _LAYOUTS_WITH_SPLITS:
            raise ValueError("give either split (of all questions) or shares (of each split)")
        return self

    @property
    def file(self) -> SetSettings | None:
        """The file with the layout that reads it; None for the world's questions."""
        return None if self.path is None else layout_settings(self.layout, self.path)


def layout_settings(layout: str | dict[str, Any] | None, path: str) -> SetSettings:
    """The settings of a file in a layout: a name, a mapping with `kind`, or None if it is to be detected.

    Raises:
        ValueError: there is no such layout, or its own settings are wrong.
    """
    if isinstance(layout, dict):
        return SETS.validated({**layout, "path": path})
    if layout is None or layout in get_args(LayoutName):
        return SETS.validated({"path": path, "layout": layout})
    if layout not in SETS.installed:
        installed = f"; installed: {', '.join(SETS.installed)}" if SETS.installed else ""
        raise ValueError(f"there is no layout {layout!r}: choose one of {', '.join(get_args(LayoutName))}{installed}")
    return SETS.validated({"path": path, "kind": layout})


def without_removed(sets: Any) -> Any:
    """The sets of a config without those that are null: a config that extends another removes sets so."""
    return {name: each for name, each in sets.items() if each is not None} if isinstance(sets, dict) else sets
