"""The reference model, and the surprisal of each span under it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from schemas.config import PipelineConfig
from schemas.corpus_settings import WeighingSettings
from schemas.errors import BadInput
from schemas.identity import Reads
from schemas.jobs import SurprisalJob
from schemas.manifest import StageManifest, digest_of
from schemas.records import Surprisal
from tasks.ledger import outside, storage
from tasks.ledger.ledger import Ledger
from tasks.making.context import Making
from tasks.making.needs import LanguageModel
from tasks.making.stage import DataStage, Location
from tasks.stages.passages import PassageStage
from tasks.stages.source import aliases_in
from tasks.stages.spans import SpanStage, by_passages


class ReferenceReads(Reads):
    """No settings: the model is identified by the digest of its files."""


@dataclass(frozen=True, kw_only=True)
class ReferenceStage(DataStage[ReferenceReads]):
    """Notes the digest of the reference model, whose files are not copied."""

    stage = "reference"
    group = "ramp"

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["ReferenceStage"]:
        if config.ramp.reference is not None:
            path = config.ramp.reference.path
            yield cls.once(config, ReferenceReads(), locations=(Location(path),), needs=(_model_at(path),))

    def make(self, making: Making) -> StageManifest:
        (location,) = self.locations
        paths = _files_of(location)
        if not paths:
            raise BadInput(f"ramp.reference.path {location}: no model there: give a folder with a language model")
        seen, digest = outside.look_at(paths), _digest_of(paths)
        storage.write_bytes(storage.join(making.folder, "sha256"), f"{digest}\n".encode())
        outside.remember(making.folder, [location], seen)
        return making.open.finish(figures={"bytes": sum(file.size or 0 for file in seen.values()), "sha256": digest})

    @classmethod
    def changes(cls, ledger: Ledger, built: StageManifest, locations: Sequence[str]) -> list[str]:
        (location,) = locations
        with outside.asking(location):
            paths = _files_of(location)
        noted = outside.Noted("the reference model", built.figures["sha256"], built.figures["bytes"])
        folder = ledger.folder(built.recipe.stage, built.recipe.label)
        return outside.changes_of(folder, locations, paths, noted, lambda _: _digest_of(paths))


class SurprisalReads(Reads):
    ramp: WeighingSettings
    max_tokens: int


@dataclass(frozen=True, kw_only=True)
class SurprisalStage(DataStage[SurprisalReads]):
    """A job: the reference model's surprisal at every span that may be masked."""

    stage = "surprisals"
    group = "ramp"
    version = 7

    model: Location

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["SurprisalStage"]:
        reference = config.ramp.reference
        if reference is None:
            return
        named = [SpanStage.in_config(config)] if config.ramp.spans.has_stage else []
        yield cls.once(
            config,
            SurprisalReads(ramp=WeighingSettings.within(config.ramp), max_tokens=reference.max_tokens),
            *aliases_in(config),
            PassageStage.in_config(config),
            *named,
            ReferenceStage.in_config(config),
            model=Location(reference.path),
            needs=(_model_at(reference.path),),
        )

    def make(self, making: Making) -> StageManifest:
        existing = _files_of(self.model).keys()
        outside.refuse_gone(making.upstream_folder("reference"), existing, f"ramp.reference.path {self.model}")
        job = SurprisalJob(
            output=making.folder,
            snapshot=making.snapshot,
            settings=self.reads.ramp,
            model=self.model,
            max_tokens=self.reads.max_tokens,
            passages=making.upstream_parts("passages"),
            proposals=by_passages(making, "spans"),
            aliases=making.upstream_paths("aliases"),
            engine=making.runtime.engine,
            fingerprint=making.open.recipe.fingerprint,
        )
        result = making.run_job("tasks.ramp.weigh", job)
        parts = making.open.parts(Surprisal).done()
        return making.open.finish(parts=parts, figures=result.figures, seconds=result.seconds)


def _model_at(path: str) -> LanguageModel:
    return LanguageModel("ramp.reference.path", path, "reference model", ("tokenizer.json",))


def _files_of(folder: str) -> dict[str, str]:
    return {name: storage.join(folder, name) for name, _ in storage.tree_of(folder)}


def _digest_of(paths: Mapping[str, str]) -> str:
    return digest_of({name: storage.digest_of_file(path) for name, path in paths.items()})
