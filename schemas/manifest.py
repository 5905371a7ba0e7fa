"""What a stage writes beside its data, so that anybody can tell how it was made and whether it is whole."""

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Upstream(_Document):
    """A finished stage that another was made from, pinned by what it holds."""

    stage: str
    label: str
    digest: str


class Recipe(_Document):
    """How a stage is made: written before its first part, and never changed under the same label.

    ``settings`` are all that the stage reads, for people. ``given`` are those that are not at their defaults: a setting
    that a later version adds, its default being what was done before, changes no fingerprint. In return a default is
    never changed without raising the versions of the stages that read it.
    """

    stage: str
    label: str
    snapshot: str
    version: int
    settings: dict[str, Any]
    given: dict[str, Any]
    upstreams: list[Upstream]

    @property
    def fingerprint(self) -> str:
        """sha256 of the given settings, upstream digests and the stage's version."""
        upstreams = [upstream.model_dump() for upstream in self.upstreams]
        return digest_of({"version": self.version, "settings": self.given, "upstreams": upstreams})


class PartManifest(_Document):
    """Written last, beside a part: the part counts as done if this file is there."""

    key: str
    fingerprint: str
    inputs: dict[str, str]
    rows: int
    rejects: dict[str, int]
    failed: int
    digest: str
    bytes: int
    started: str
    seconds: float
    figures: dict[str, int] = Field(default_factory=dict)
    """What else was counted, by name; the stage adds up."""


class Gate(_Document):
    """One thing that must hold of a stage's output."""

    name: str
    holds: bool
    detail: str


class StageManifest(_Document):
    """``stage.json``: the stage is done and its gates have passed."""

    recipe: Recipe
    fingerprint: str
    parts: list[str]
    rows: int
    rejects: dict[str, int]
    failed: int
    gates: list[Gate]
    figures: dict[str, Any]
    digest: str
    bytes: int
    started: str
    finished: str
    seconds: float
    commit: str

    @property
    def as_upstream(self) -> Upstream:
        return Upstream(stage=self.recipe.stage, label=self.recipe.label, digest=self.digest)


def digest_of(value: Any) -> str:
    """sha256 of a value's canonical JSON; refuses what JSON cannot say exactly (NaN, sets, objects)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
