"""What is known of spans before any is chosen: what a backend names, and how hard each is for a reference model."""

from functools import partial

from schemas.corpus_settings import RampSettings
from schemas.errors import BadInput
from schemas.jobs import SpanJob, SurprisalJob
from schemas.manifest import StageManifest, digest_of
from schemas.records import Passage, Proposals, Surprisal
from schemas.snapshot import language_of
from tasks import storage
from tasks.making.context import Making, Output, no_failed_rows
from tasks.ramp.name_spans import figures_of_proposals
from tasks.ramp.proposals import part_key, passages_key
from tasks.ramp.questions import unfit


def make_spans(making: Making) -> StageManifest:
    """What may be masked: named by a spaCy pipeline, part by part, or by a chat model, in a job."""
    passages = making.upstream_parts("passages")
    settings = making.config.ramp
    if settings.spans.backend == "llm":
        return _named_by_endpoint(making, passages)
    work = partial(_named, settings, language_of(making.snapshot))
    parts = making.map_parts(Proposals, {part_key(key, 0): path for key, path in passages.items()}, work)
    paths = map(making.open.parts(Proposals).data_path, parts)
    return making.open.finish(parts=parts, gates=[no_failed_rows(parts)], figures=figures_of_proposals(paths))


def _named(settings: RampSettings, language: str, path: str) -> Output:
    from tasks.ramp.spacy_spans import named_by_pipeline

    assert settings.spans.model is not None
    fit = (row for row in storage.read_rows(path, Passage) if unfit(row, settings, language) is None)
    rows = list(named_by_pipeline(fit, settings.spans.model))
    return Output(rows, [], {"passages": storage.digest_of_file(path)})


def _named_by_endpoint(making: Making, passages: dict[str, str]) -> StageManifest:
    endpoint = making.config.runtime.span_endpoint
    if endpoint is None:
        raise BadInput("ramp.spans.backend llm needs runtime.span_endpoint.url (an OpenAI-compatible address)")
    job = SpanJob(
        output=making.folder,
        snapshot=making.snapshot,
        settings=making.config.ramp,
        passages=passages,
        endpoint=endpoint,
        fingerprint=making.open.recipe.fingerprint,
    )
    result = making.run_job("tasks.ramp.name_spans", job)
    parts = making.open.parts(Proposals).done()
    return making.open.finish(
        parts=parts, gates=[no_failed_rows(parts)], figures=result.figures, seconds=result.seconds
    )


def make_reference(making: Making) -> StageManifest:
    """Take note of the reference model: its files stay where they are."""
    settings = making.config.ramp.reference
    assert settings is not None
    files = storage.tree_of(settings.path)
    if not files:
        raise BadInput(f"ramp.reference.path {settings.path}: no model there")
    digest = digest_of({path: storage.digest_of_file(storage.join(settings.path, path)) for path, _ in files})
    storage.write_bytes(storage.join(making.folder, "sha256"), f"{digest}\n".encode())
    return making.open.finish(figures={"bytes": sum(size for _, size in files), "sha256": digest})


def make_surprisals(making: Making) -> StageManifest:
    """A job: the reference model weighs every span that may be masked."""
    job = SurprisalJob(
        output=making.folder,
        snapshot=making.snapshot,
        settings=making.config.ramp,
        passages=making.upstream_parts("passages"),
        proposals=by_passages(making, "spans"),
        aliases=list(making.upstream_parts("aliases").values()),
        engine=making.config.runtime.engine,
        fingerprint=making.open.recipe.fingerprint,
    )
    result = making.run_job("tasks.ramp.weigh", job)
    parts = making.open.parts(Surprisal).done()
    return making.open.finish(parts=parts, figures=result.figures, seconds=result.seconds)


def by_passages(making: Making, stage: str) -> dict[str, list[str]] | None:
    """Paths of the parts of an upstream about spans, by the key of the passages part; None where there is none."""
    if stage not in {upstream.stage for upstream in making.open.recipe.upstreams}:
        return None
    found: dict[str, list[str]] = {key: [] for key in making.upstream_parts("passages")}
    for key, path in making.upstream_parts(stage).items():
        found[passages_key(key)].append(path)
    return found
