"""Passages and index → RAMP questions with evidence."""

from collections.abc import Collection, Iterator
from functools import partial
from typing import NamedTuple

from schemas.config import PipelineConfig
from schemas.manifest import Gate, PartManifest, StageManifest
from schemas.records import Passage, Question, Reject, Split
from schemas.snapshot import language_of
from tasks.corpus.aliases import aliases_around
from tasks.ledger import storage
from tasks.making.context import Making, Output, has_rows, no_failed_rows, sorted_out
from tasks.making.corpus import asked_once, duplicate_paths, duplicates_among
from tasks.making.demand import counted, refuse_shortage
from tasks.making.earlier import earlier_question_parts, recertified
from tasks.making.leaks import leaks_by_set
from tasks.making.searching import searcher_of
from tasks.making.spans import by_passages
from tasks.ramp.figures import figures_of, is_certified
from tasks.ramp.leaks import read_table, without_leaks
from tasks.ramp.proposals import read_proposals
from tasks.ramp.questions import SpanFacts, questions_of_pages, with_proven_terms
from tasks.ramp.splits import Splits
from tasks.ramp.surprisal import read_surprisals


def splits_of(making: Making) -> Splits:
    """Of the small world by its table of families, of Wikipedia by hashes of titles."""
    return Splits.of(making.config.ramp, making.ledger.folder("dump", making.config.label("dump")))


class _Given(NamedTuple):
    """One part of passages, and the files that tell what is known beforehand; None where there is no such stage."""

    passages: str
    proposals: list[str] | None
    surprisals: list[str] | None
    leaks: tuple[str, ...] | None
    duplicates: tuple[str, ...]

    def facts(self) -> SpanFacts:
        return SpanFacts(
            None if self.proposals is None else read_proposals(self.proposals),
            None if self.surprisals is None else read_surprisals(self.surprisals),
        )


def _questions(config: PipelineConfig, alias_paths: list[str], splits: Splits, index: str, given: _Given) -> Output:
    from tasks.ramp.evidence import certify

    passages, aliases = storage.read_rows(given.passages, Passage), aliases_around(given.passages, alias_paths)
    language = language_of(config.snapshot)
    made = questions_of_pages(passages, aliases, splits, config.ramp, language, given.facts())
    made = asked_once(made, duplicates_among(given.passages, given.duplicates))
    rows = list(without_leaks(made, read_table(given.leaks)) if given.leaks else made)
    questions = [row for row in rows if isinstance(row, Question)]
    certified = certify(questions, searcher_of(index), config.ramp, config.agent)
    rows = [*(row for row in rows if isinstance(row, Reject)), *with_proven_terms(certified)]
    return sorted_out(rows, {"passages": storage.digest_of_file(given.passages)})


def _given(making: Making) -> dict[str, _Given]:
    leaks = tuple(making.upstream_parts("leaks").values()) if making.config.ramp.leaks else None
    proposals, surprisals = by_passages(making, "spans"), by_passages(making, "surprisals")
    duplicates = tuple(duplicate_paths(making))
    return {
        key: _Given(
            path, proposals[key] if proposals else None, surprisals[key] if surprisals else None, leaks, duplicates
        )
        for key, path in making.upstream_parts("passages").items()
    }


def make_questions(making: Making) -> StageManifest:
    index = storage.join(making.upstream_folder("index"), "index")
    if making.config.ramp.masks_of is not None:
        passages = list(making.upstream_parts("passages").values())
        again = partial(recertified, making.config, index, passages)
        return _finish(making, making.map_parts(Question, earlier_question_parts(making), again))
    aliases = list(making.upstream_parts("aliases").values())
    work = partial(_questions, making.config, aliases, splits_of(making), index)
    return _finish(making, making.map_parts(Question, _given(making), work))


def _finish(making: Making, parts: dict[str, PartManifest]) -> StageManifest:
    paths = map(making.open.parts(Question).data_path, parts)
    questions = (question for path in paths for question in storage.read_rows(path, Question))
    shortages: list[str] = []
    figures = figures_of(counted(making.config, questions, shortages))
    refuse_shortage(shortages)
    if making.config.ramp.leaks is not None:
        rejects = (storage.join(making.folder, f"rejects-{key}.parquet") for key in parts)
        figures["leaks_by_set"] = leaks_by_set(rejects)
    whole = figures["masks"] == figures["masks_promised"]
    gates = [
        has_rows(parts),
        no_failed_rows(parts),
        Gate(name="every question has its masks", holds=whole, detail=f"{figures['masks']} masks"),
    ]
    return making.open.finish(parts=parts, gates=gates, figures=figures)


def asked_of(making: Making, path: str, splits: Collection[Split]) -> Iterator[Question]:
    """The questions of a part that may be asked: of these splits and, where the config says so, certified."""
    return (question for _, question in placed(making, path, splits))


def placed(making: Making, path: str, splits: Collection[Split]) -> Iterator[tuple[int, Question]]:
    """The questions that may be asked, each with its place among the rows of the part."""
    for place, question in enumerate(storage.read_rows(path, Question)):
        if question.split in splits and (not making.config.certified_only or is_certified(question)):
            yield place, question
