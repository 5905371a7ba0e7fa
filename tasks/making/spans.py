"""What is known of spans before any is chosen: what a backend names, and how hard each is for a reference model."""

from collections.abc import Mapping, Sequence
from functools import partial

from schemas.corpus_settings import RampSettings
from schemas.errors import BadInput
from schemas.jobs import SpanJob, SurprisalJob
from schemas.manifest import StageManifest, digest_of
from schemas.records import Passage, Proposals, Surprisal
from schemas.snapshot import language_of
from tasks.ledger import outside, storage
from tasks.ledger.ledger import Ledger
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
    place = _reference(making)
    paths = _files_of(place)
    if not paths:
        raise BadInput(f"ramp.reference.path {place}: no model there")
    seen, digest = outside.look_at(paths), _digest_of(paths)
    storage.write_bytes(storage.join(making.folder, "sha256"), f"{digest}\n".encode())
    outside.remember(making.folder, [place], seen)
    return making.open.finish(figures={"bytes": sum(file.size or 0 for file in seen.values()), "sha256": digest})


def changed_reference(ledger: Ledger, made: StageManifest, places: Sequence[str]) -> list[str]:
    """In what the model at a place is another than the one that the stage took note of, in words."""
    (place,) = places
    with outside.asking(place):
        paths = _files_of(place)
    noted = outside.Noted("the reference model", made.figures["sha256"], made.figures["bytes"])
    folder = ledger.folder(made.recipe.stage, made.recipe.label)
    return outside.changes_of(folder, places, paths, noted, lambda _: _digest_of(paths))


def _reference(making: Making) -> str:
    settings = making.config.ramp.reference
    assert settings is not None
    return settings.path


def _files_of(folder: str) -> dict[str, str]:
    return {name: storage.join(folder, name) for name, _ in storage.tree_of(folder)}


def _digest_of(paths: Mapping[str, str]) -> str:
    return digest_of({name: storage.digest_of_file(path) for name, path in paths.items()})


def make_surprisals(making: Making) -> StageManifest:
    """A job: the reference model weighs every span that may be masked."""
    place = _reference(making)
    outside.refuse_gone(making.upstream_folder("reference"), _files_of(place).keys(), f"ramp.reference.path {place}")
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
