"""Passages and index → RAMP questions with evidence."""

from collections import Counter
from collections.abc import Collection
from functools import cache, partial
from typing import Any

from retrieval_index.hits import Searcher
from retrieval_index.opening import open_index
from schemas.config import PipelineConfig
from schemas.manifest import Gate, PartManifest, StageManifest
from schemas.records import Passage, Question, Reject, Split
from schemas.snapshot import language_of
from tasks import storage
from tasks.making.context import Making, Output, has_rows, no_failed_rows
from tasks.making.corpus import asked_once, duplicate_paths, read_aliases, read_duplicates
from tasks.ramp.questions import questions_of_pages
from tasks.ramp.splits import Splits

searcher_of = cache(open_index)
"""One open index a process: Ray's workers keep it from part to part."""


def splits_of(making: Making) -> Splits:
    """Of the small world by its table of families, of Wikipedia by hashes of titles."""
    return Splits.of(making.config.ramp, making.ledger.folder("dump", making.config.label("dump")))


def _questions(
    config: PipelineConfig, alias_paths: list[str], duplicates: list[str], splits: Splits, index: str, path: str
) -> Output:
    from tasks.ramp.evidence import certify

    aliases = read_aliases(alias_paths)
    language = language_of(config.snapshot)
    questions: list[Question] = []
    rejects: list[Reject] = []
    rows = questions_of_pages(storage.read_rows(path, Passage), aliases, splits, config.ramp, language)
    for row in asked_once(rows, read_duplicates(duplicates)):
        if isinstance(row, Reject):
            rejects.append(row)
        else:
            questions.append(row)
    searcher: Searcher = searcher_of(index)
    certified = certify(questions, searcher, config.ramp, config.agent)
    return Output(certified, rejects, {"passages": storage.digest_of_file(path)})


def make_questions(making: Making) -> StageManifest:
    work = partial(
        _questions,
        making.config,
        list(making.upstream_parts("aliases").values()),
        duplicate_paths(making),
        splits_of(making),
        storage.join(making.upstream_folder("index"), "index"),
    )
    parts = making.map_parts(Question, making.upstream_parts("passages"), work)
    figures = _figures(making, parts)
    whole = figures["masks"] == figures["masks_promised"]
    gates = [
        has_rows(parts),
        no_failed_rows(parts),
        Gate(name="every question has its masks", holds=whole, detail=f"{figures['masks']} masks"),
    ]
    return making.open.finish(parts=parts, gates=gates, figures=figures)


def asked_of(making: Making, path: str, splits: Collection[Split]) -> list[Question]:
    """The questions of a part that may be asked: of these splits and, where the config says so, certified."""
    return [
        question
        for question in storage.read_rows(path, Question)
        if question.split in splits and (not making.config.certified_only or is_certified(question))
    ]


def is_certified(question: Question) -> bool:
    """Whether every mask has evidence."""
    return all(mask.evidence for mask in question.masks)


def _figures(making: Making, parts: dict[str, PartManifest]) -> dict[str, Any]:
    """What came out: questions by masks and split, masks by kind, evidence by hops."""
    by_masks: Counter[str] = Counter()
    by_split: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    hops: Counter[str] = Counter()
    promised = certified = 0
    parts_of = making.open.parts(Question)
    for key in parts:
        for question in storage.read_rows(parts_of.data_path(key), Question):
            promised += question.n_masks
            certified += is_certified(question)
            by_masks[str(question.n_masks)] += 1
            by_split[question.split] += 1
            for mask in question.masks:
                kinds[mask.kind] += 1
                hops[str(mask.evidence.hops) if mask.evidence else "none"] += 1
    counted = {"by_masks": by_masks, "by_split": by_split, "masks_by_kind": kinds, "evidence_by_hops": hops}
    return {
        **{name: dict(sorted(counts.items())) for name, counts in counted.items()},
        "masks": sum(kinds.values()),
        "masks_promised": promised,
        "certified_questions": certified,
    }
