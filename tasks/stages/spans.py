"""Passages → the spans that a backend names, before any is chosen."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from schemas.config import PipelineConfig
from schemas.corpus_settings import LlmSpans, NamedSpanSettings, SpacySpans
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
from tasks.ramp.questions import unfit
from tasks.spans.backends import job_of, span_backend_of
from tasks.spans.proposals import part_key, passages_key
from tasks.stages.passages import PassageStage


class SpanReads(Reads):
    ramp: NamedSpanSettings


@dataclass(frozen=True, kw_only=True)
class SpanStage(DataStage[SpanReads]):
    """What may be masked, named part by part in the flow's own processes, or in a job."""

    stage = "spans"
    group = "ramp"

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["SpanStage"]:
        spans = config.ramp.spans
        if spans.has_stage:
            reads = SpanReads(ramp=NamedSpanSettings.within(config.ramp))
            needs = (_NEEDS[spans.kind](config),) if spans.kind in _NEEDS else ()
            yield cls.once(config, reads, PassageStage.in_config(config), needs=needs)

    def make(self, making: Making) -> StageManifest:
        program = job_of(self.reads.ramp.spans)
        if program is not None:
            return self._named_in_job(making, program)
        work = partial(_named, self.reads.ramp, language_of(making.snapshot))
        passages = making.upstream_parts("passages")
        parts = making.map_parts(Proposals, {part_key(key, 0): path for key, path in passages.items()}, work)
        paths = map(making.open.parts(Proposals).data_path, parts)
        return making.open.finish(parts=parts, gates=[no_failed_rows(parts)], figures=figures_of_proposals(paths))

    def _named_in_job(self, making: Making, program: str) -> StageManifest:
        endpoint = making.runtime.span_endpoint
        if endpoint is None:
            kind = self.reads.ramp.spans.kind
            raise BadInput(f"ramp.spans.kind {kind} needs runtime.span_endpoint.url (an OpenAI-compatible address)")
        job = SpanJob(
            output=making.folder,
            snapshot=making.snapshot,
            settings=self.reads.ramp,
            passages=making.upstream_parts("passages"),
            endpoint=endpoint,
            fingerprint=making.open.recipe.fingerprint,
        )
        result = making.run_job(program, job)
        parts = making.open.parts(Proposals).done()
        gates = [no_failed_rows(parts)]
        return making.open.finish(parts=parts, gates=gates, figures=result.figures, seconds=result.seconds)


def _chat_model(config: PipelineConfig) -> Need:
    settings, runtime = config.ramp.spans, config.runtime
    assert isinstance(settings, LlmSpans)
    return ChatModel(
        setting="runtime.span_endpoint",
        model_setting="ramp.spans.model",
        who=f"ramp.spans.kind {settings.kind}",
        endpoint=runtime.span_endpoint,
        model=settings.model,
        reads_key=runtime.jobs.runs_here,
    )


def _pipeline(config: PipelineConfig) -> Need:
    assert isinstance(config.ramp.spans, SpacySpans)
    return SpacyPipeline(config.ramp.spans.model)


_NEEDS: dict[str, Callable[[PipelineConfig], Need]] = {"llm": _chat_model, "spacy": _pipeline}
"""What a kind needs from outside the root."""


def _named(settings: NamedSpanSettings, language: str, path: str) -> Output:
    backend = span_backend_of(settings.spans, language)
    backend.look_at(storage.read_rows(path, Passage))
    fit = (row for row in storage.read_rows(path, Passage) if unfit(row, settings, language) is None)
    rows = list(backend.proposals(fit))
    return Output(rows, [], {"passages": storage.digest_of_file(path)})


def by_passages(making: Making, stage: str) -> dict[str, list[str]] | None:
    """Paths of the parts of an upstream about spans, by the key of the passages part; None where it is no upstream."""
    if not making.has_upstream(stage):
        return None
    found: dict[str, list[str]] = {key: [] for key in making.upstream_parts("passages")}
    for key, path in making.upstream_parts(stage).items():
        found[passages_key(key)].append(path)
    return found
