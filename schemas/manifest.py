"""The files beside a stage's data that record how the stage was built and whether it is complete."""

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Upstream(_Document):
    """A finished stage that another stage was built from, pinned by the digest of its content."""

    stage: str
    label: str
    digest: str


class Recipe(_Document):
    """How a stage is built. It is written before the stage's first part and never changes under the same label.

    ``settings`` are all settings that the stage reads, for people. ``given`` are the settings that differ from their
    defaults: if a later version adds a setting whose default keeps the former behaviour, no fingerprint changes. In
    return, changing a default requires raising the versions of the stages that read it.
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
    """Written beside a part after its data: the part is done if this file exists."""

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
    """Further counts by name; the stage sums them over its parts."""


class Gate(_Document):
    """A condition on a stage's output, and whether it holds."""

    name: str
    holds: bool
    detail: str


class StageManifest(_Document):
    """``stage.json``: the stage is finished and its gates have passed."""

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
    """sha256 of a value's canonical JSON; raises for values that JSON cannot represent exactly (NaN, sets, objects)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
