"""Inputs from an earlier snapshot under the same root: its questions, or its passages and index, noted by digest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from schemas.config import PipelineConfig
from schemas.errors import BadInput
from schemas.identity import Reads
from schemas.manifest import StageManifest, digest_of
from schemas.snapshot import wiki_of
from tasks.ledger import outside, storage
from tasks.ledger.ledger import Ledger
from tasks.making.context import Making
from tasks.making.stage import DataStage, Location


class EarlierReads(Reads):
    """No settings: stages of the earlier snapshot are identified by their digests."""


@dataclass(frozen=True, kw_only=True)
class _EarlierStage(DataStage[EarlierReads]):
    """Notes the digests of stages of an earlier snapshot, without a copy. A location is ``snapshot/stage/label``."""

    group = "ramp"
    setting: ClassVar[str]
    """The setting in `ramp` with the earlier snapshot."""
    noted: ClassVar[tuple[str, ...]]

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["_EarlierStage"]:
        snapshot = getattr(config.ramp, cls.setting)
        if snapshot is not None:
            labels = {stage: config.label(f"earlier/{stage}", "v1") for stage in cls.noted}
            locations = tuple(Location(f"{snapshot}/{stage}/{label}") for stage, label in labels.items())
            yield cls.once(config, EarlierReads(), locations=locations)

    @classmethod
    def has_key(cls, name: str) -> bool:
        return super().has_key(name) or name in {f"earlier/{stage}" for stage in cls.noted}

    def make(self, making: Making) -> StageManifest:
        digests = {}
        for location in self.locations:
            snapshot, stage, label = location.split("/")
            if snapshot == making.snapshot or wiki_of(snapshot) != wiki_of(making.snapshot):
                raise BadInput(f"ramp.{self.setting} {snapshot}: give another snapshot of {wiki_of(making.snapshot)}")
            earlier = Ledger(making.ledger.root, snapshot)
            manifest = earlier.manifest(stage, label)
            if manifest is None:
                raise BadInput(
                    f"ramp.{self.setting} {snapshot}: its stage {stage}/{label} is not finished under {earlier.root}: "
                    f"run that snapshot first, or set the label that it has there (labels: {{earlier/{stage}: …}})"
                )
            digests[stage] = manifest.digest
        storage.write_bytes(storage.join(making.folder, "sha256"), f"{digest_of(digests)}\n".encode())
        outside.remember(making.folder, self.locations, {})
        return making.open.finish(figures={"snapshot": snapshot, **digests})

    @classmethod
    def changes(cls, ledger: Ledger, built: StageManifest, locations: Sequence[str]) -> list[str]:
        found, noted = [], built.figures
        has_labels = bool(outside.remembered(ledger.folder(built.recipe.stage, built.recipe.label)).places)
        for location in locations:
            snapshot, stage, label = location.split("/")
            if snapshot != noted["snapshot"]:
                return [f"the earlier snapshot was {noted['snapshot']}, the config says {snapshot}"]
            earlier = Ledger(ledger.root, snapshot)
            # Older versions did not remember the earlier labels: then any label of the stage may be the noted one.
            manifests = [earlier.manifest(stage, label)] if has_labels else earlier.finished(stage)
            digests = {manifest.digest for manifest in manifests if manifest is not None}
            if digests and noted[stage] not in digests:
                found.append(f"{location} was built anew with other rows")
        return found

    @classmethod
    def taken(cls, making: Making, stage: str) -> StageManifest:
        """The manifest of the earlier snapshot's stage that this stage, an upstream, noted.

        Raises:
            BadInput: that stage is gone, or has other rows now.
        """
        noted = making.upstream(cls.stage).figures
        earlier = Ledger(making.ledger.root, noted["snapshot"])
        for manifest in earlier.finished(stage):
            if manifest.digest == noted[stage]:
                return manifest
        raise BadInput(
            f"{storage.join(earlier.root, earlier.snapshot, stage)}: the stage that {cls.stage} noted is gone or has "
            f"other rows, and unfinished stages need it: build it again, or remove {making.upstream_folder(cls.stage)}"
        )


@dataclass(frozen=True, kw_only=True)
class EarlierQuestionStage(_EarlierStage):
    stage = "earlier_questions"
    setting = "masks_of"
    noted = ("questions",)


@dataclass(frozen=True, kw_only=True)
class EarlierPassageStage(_EarlierStage):
    stage = "earlier_passages"
    setting = "changed_since"
    noted = ("passages", "index")
