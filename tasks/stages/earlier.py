"""What is taken from an earlier snapshot under the same root: notes of its questions, or of its passages and index."""

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
    """Nothing: stages of the earlier snapshot are known by their digests."""


@dataclass(frozen=True, kw_only=True)
class _EarlierStage(DataStage[EarlierReads]):
    """Notes stages of an earlier snapshot: they stay where they are. A place is ``snapshot/stage/label``."""

    group = "ramp"
    setting: ClassVar[str]
    """The setting of `ramp` that names the earlier snapshot."""
    noted: ClassVar[tuple[str, ...]]

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["_EarlierStage"]:
        snapshot = getattr(config.ramp, cls.setting)
        if snapshot is not None:
            labels = {stage: config.label(f"earlier/{stage}", "v1") for stage in cls.noted}
            places = tuple(Location(f"{snapshot}/{stage}/{label}") for stage, label in labels.items())
            yield cls.once(config, EarlierReads(), places=places)

    @classmethod
    def has_key(cls, name: str) -> bool:
        return super().has_key(name) or name in {f"earlier/{stage}" for stage in cls.noted}

    def make(self, making: Making) -> StageManifest:
        digests = {}
        for place in self.places:
            snapshot, stage, label = place.split("/")
            if snapshot == making.snapshot or wiki_of(snapshot) != wiki_of(making.snapshot):
                raise BadInput(f"ramp.{self.setting} {snapshot}: give another snapshot of {wiki_of(making.snapshot)}")
            earlier = Ledger(making.ledger.root, snapshot)
            manifest = earlier.manifest(stage, label)
            if manifest is None:
                raise BadInput(
                    f"ramp.{self.setting} {snapshot}: its stage {stage}/{label} is not finished under {earlier.root}: "
                    f"run that snapshot first, or name the label that it goes by there "
                    f"(labels: {{earlier/{stage}: …}})"
                )
            digests[stage] = manifest.digest
        storage.write_bytes(storage.join(making.folder, "sha256"), f"{digest_of(digests)}\n".encode())
        outside.remember(making.folder, self.places, {})
        return making.open.finish(figures={"snapshot": snapshot, **digests})

    @classmethod
    def changes(cls, ledger: Ledger, made: StageManifest, places: Sequence[str]) -> list[str]:
        found, noted = [], made.figures
        has_labels = bool(outside.remembered(ledger.folder(made.recipe.stage, made.recipe.label)).places)
        for place in places:
            snapshot, stage, label = place.split("/")
            if snapshot != noted["snapshot"]:
                return [f"the earlier snapshot was {noted['snapshot']}, is {snapshot}"]
            earlier = Ledger(ledger.root, snapshot)
            # Before labels were remembered they were those of the later snapshot, whatever it calls its own now.
            manifests = [earlier.manifest(stage, label)] if has_labels else earlier.finished(stage)
            digests = {manifest.digest for manifest in manifests if manifest is not None}
            if digests and noted[stage] not in digests:
                found.append(f"{place} is another than it was")
        return found

    @classmethod
    def taken(cls, making: Making, stage: str) -> StageManifest:
        """The manifest of the earlier snapshot's stage that this stage, an upstream, noted.

        Raises:
            BadInput: it is gone, or was made anew.
        """
        noted = making.upstream(cls.stage).figures
        earlier = Ledger(making.ledger.root, noted["snapshot"])
        for manifest in earlier.finished(stage):
            if manifest.digest == noted[stage]:
                return manifest
        raise BadInput(
            f"{storage.join(earlier.root, earlier.snapshot, stage)}: what {cls.stage} took note of is gone, and not "
            f"everything that is made from it is finished: make it again, or remove {making.upstream_folder(cls.stage)}"
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
