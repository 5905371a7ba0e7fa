"""Passages → the spans that a backend names, before any is chosen."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from schemas.config import PipelineConfig
from schemas.corpus_settings import NamedSpanSettings
from schemas.errors import BadInput
from schemas.identity import Reads
from schemas.jobs import SpanJob
from schemas.manifest import StageManifest
from schemas.records import Passage, Proposals
from schemas.snapshot import language_of
from tasks.ledger import storage
from tasks.making.context import Making, Output, no_failed_rows
from tasks.making.needs import ChatModel, Need, SpacyPipeline
from tasks.making.stage import DataStage
from tasks.ramp.name_spans import figures_of_proposals
from tasks.ramp.proposals import part_key, passages_key
from tasks.ramp.questions import unfit
from tasks.stages.passages import PassageStage


class SpanReads(Reads):
    ramp: NamedSpanSettings


@dataclass(frozen=True, kw_only=True)
class SpanStage(DataStage[SpanReads]):
    """What may be masked: named by a spaCy pipeline, part by part, or by a chat model, in a job."""

    stage = "spans"
    group = "ramp"

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["SpanStage"]:
        if config.ramp.spans.backend != "links":
            reads = SpanReads(ramp=NamedSpanSettings.within(config.ramp))
            yield cls.once(config, reads, PassageStage.in_config(config), needs=(_need_of(config),))

    def make(self, making: Making) -> StageManifest:
        if self.reads.ramp.spans.backend == "llm":
            return self._named_by_endpoint(making)
        work = partial(_named, self.reads.ramp, language_of(making.snapshot))
        passages = making.upstream_parts("passages")
        parts = making.map_parts(Proposals, {part_key(key, 0): path for key, path in passages.items()}, work)
        paths = map(making.open.parts(Proposals).data_path, parts)
        return making.open.finish(parts=parts, gates=[no_failed_rows(parts)], figures=figures_of_proposals(paths))

    def _named_by_endpoint(self, making: Making) -> StageManifest:
        endpoint = making.runtime.span_endpoint
        if endpoint is None:
            raise BadInput("ramp.spans.backend llm needs runtime.span_endpoint.url (an OpenAI-compatible address)")
        job = SpanJob(
            output=making.folder,
            snapshot=making.snapshot,
            settings=self.reads.ramp,
            passages=making.upstream_parts("passages"),
            endpoint=endpoint,
            fingerprint=making.open.recipe.fingerprint,
        )
        result = making.run_job("tasks.ramp.name_spans", job)
        parts = making.open.parts(Proposals).done()
        gates = [no_failed_rows(parts)]
        return making.open.finish(parts=parts, gates=gates, figures=result.figures, seconds=result.seconds)


def _need_of(config: PipelineConfig) -> Need:
    settings, runtime = config.ramp.spans, config.runtime
    if settings.backend == "llm":
        return ChatModel(
            setting="runtime.span_endpoint",
            model_setting="ramp.spans.model",
            who="ramp.spans.backend llm",
            endpoint=runtime.span_endpoint,
            model=settings.model,
            reads_key=runtime.jobs.backend == "local",
        )
    assert settings.model is not None, "SpanSettings refuses spacy without it"
    return SpacyPipeline(settings.model)


def _named(settings: NamedSpanSettings, language: str, path: str) -> Output:
    from tasks.ramp.spacy_spans import named_by_pipeline

    assert settings.spans.model is not None, "SpanSettings refuses spacy without it"
    fit = (row for row in storage.read_rows(path, Passage) if unfit(row, settings, language) is None)
    rows = list(named_by_pipeline(fit, settings.spans.model))
    return Output(rows, [], {"passages": storage.digest_of_file(path)})


def by_passages(making: Making, stage: str) -> dict[str, list[str]] | None:
    """Paths of the parts of an upstream about spans, by the key of the passages part; None where it is no upstream."""
    if not making.has_upstream(stage):
        return None
    found: dict[str, list[str]] = {key: [] for key in making.upstream_parts("passages")}
    for key, path in making.upstream_parts(stage).items():
        found[passages_key(key)].append(path)
    return found
