"""The reference model, and the surprisal of each span under it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from schemas.config import PipelineConfig
from schemas.corpus_settings import WeighingSettings
from schemas.identity import Reads
from schemas.jobs import SurprisalJob
from schemas.manifest import StageManifest
from schemas.records import Surprisal
from tasks.ledger import outside
from tasks.ledger.ledger import Ledger
from tasks.making.context import Making
from tasks.making.needs import LanguageModel
from tasks.making.stage import DataStage, Location
from tasks.stages.noted_model import NotedReads, changes_of_model, files_of, note_model
from tasks.stages.passages import PassageStage
from tasks.stages.source import aliases_in
from tasks.stages.spans import SpanStage, by_passages


@dataclass(frozen=True, kw_only=True)
class ReferenceStage(DataStage[NotedReads]):
    """Notes the digest of the reference model, whose files are not copied."""

    stage = "reference"
    group = "ramp"

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["ReferenceStage"]:
        if config.ramp.reference is not None:
            path = config.ramp.reference.path
            yield cls.once(config, NotedReads(), locations=(Location(path),), needs=(_model_at(path),))

    def make(self, making: Making) -> StageManifest:
        (location,) = self.locations
        return note_model(making, location, "ramp.reference.path")

    @classmethod
    def changes(cls, ledger: Ledger, built: StageManifest, locations: Sequence[str]) -> list[str]:
        (location,) = locations
        return changes_of_model(ledger, built, location, "the reference model")


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
        existing = files_of(self.model).keys()
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
