"""What is taken from an earlier snapshot under the same root: its questions, or what has changed since it."""

from collections.abc import Sequence
from functools import partial
from itertools import groupby

from schemas.config import PipelineConfig
from schemas.errors import BadInput
from schemas.manifest import StageManifest, digest_of
from schemas.records import Passage, Question
from schemas.snapshot import language_of, wiki_of
from tasks.corpus.aliases import aliases_around
from tasks.ledger import outside, storage
from tasks.ledger.ledger import Ledger
from tasks.making.context import Making, Output, no_failed_rows
from tasks.making.searching import searcher_of
from tasks.ramp.changes import answerable_now, changes_of_page
from tasks.ramp.figures import figures_of
from tasks.ramp.questions import changed_question, unfit
from tasks.ramp.recertify import moved, read_passages
from tasks.ramp.splits import Splits

QUESTIONS, PASSAGES = ("questions",), ("passages", "index")
"""What is taken of the earlier snapshot, for the same masks and for what changed."""


def places_of(config: PipelineConfig, snapshot: str, stages: Sequence[str]) -> tuple[str, ...]:
    """Where stages of an earlier snapshot lie under the root, by the labels that they go by there."""
    return tuple(f"{snapshot}/{stage}/{config.earlier_label(stage)}" for stage in stages)


def make_earlier_questions(making: Making) -> StageManifest:
    """Take note of the earlier snapshot's questions: they stay where they are."""
    return _take_note(making, "masks_of", making.config.ramp.masks_of, QUESTIONS)


def make_earlier_passages(making: Making) -> StageManifest:
    """Take note of the earlier snapshot's passages and their index: they stay where they are."""
    return _take_note(making, "changed_since", making.config.ramp.changed_since, PASSAGES)


def _take_note(making: Making, setting: str, snapshot: str | None, stages: Sequence[str]) -> StageManifest:
    assert snapshot is not None
    if snapshot == making.snapshot or wiki_of(snapshot) != wiki_of(making.snapshot):
        raise BadInput(f"ramp.{setting} {snapshot}: give another snapshot of {wiki_of(making.snapshot)}")
    earlier = Ledger(making.ledger.root, snapshot)
    digests = {}
    for stage in stages:
        label = making.config.earlier_label(stage)
        manifest = earlier.manifest(stage, label)
        if manifest is None:
            raise BadInput(
                f"ramp.{setting} {snapshot}: its stage {stage}/{label} is not finished under {earlier.root}: "
                f"run that snapshot first, or name the label that it goes by there (labels: {{earlier/{stage}: …}})"
            )
        digests[stage] = manifest.digest
    storage.write_bytes(storage.join(making.folder, "sha256"), f"{digest_of(digests)}\n".encode())
    outside.remember(making.folder, places_of(making.config, snapshot, stages), {})
    return making.open.finish(figures={"snapshot": snapshot, **digests})


def changed_earlier(ledger: Ledger, made: StageManifest, places: Sequence[str]) -> list[str]:
    """In what the stages at these places are others than those that were taken note of, in words.

    One that is gone is not: what was made from it is there.
    """
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


def _noted(making: Making, note: str, stage: str) -> StageManifest:
    """What the stage ``note`` took note of, whatever label it goes by.

    Raises:
        BadInput: it is gone, or was made anew.
    """
    noted = making.upstream(note).figures
    earlier = Ledger(making.ledger.root, noted["snapshot"])
    for manifest in earlier.finished(stage):
        if manifest.digest == noted[stage]:
            return manifest
    raise BadInput(
        f"{storage.join(earlier.root, earlier.snapshot, stage)}: what {note} took note of is gone, and not everything "
        f"that is made from it is finished: make it again, or remove {making.upstream_folder(note)}"
    )


# -- the same masks, certified anew -----------------------------------------------------------------------------------


def recertified(config: PipelineConfig, index: str, passages: list[str], path: str) -> Output:
    """The questions of one part of the earlier snapshot, with evidence from this one's index."""
    from tasks.ramp.evidence import certify

    earlier = list(storage.read_rows(path, Question))
    own = read_passages(passages, {question.page_id for question in earlier if question.page_id is not None})
    questions = list(moved(earlier, own, config.snapshot))
    certified = certify(questions, searcher_of(index), config.ramp, config.agent)
    return Output(certified, [], {"questions": storage.digest_of_file(path)})


def earlier_question_parts(making: Making) -> dict[str, str]:
    """Paths of the earlier snapshot's questions by the keys of their parts."""
    manifest = _noted(making, "earlier_questions", "questions")
    paths = Ledger(making.ledger.root, manifest.recipe.snapshot).data_paths("questions", manifest.recipe.label)
    return dict(zip(manifest.parts, paths, strict=True))


# -- what changed -----------------------------------------------------------------------------------------------------


def make_changes(making: Making) -> StageManifest:
    """Questions about facts that the earlier snapshot tells otherwise, and that only this one's index can answer."""
    config = making.config
    passages, index = (_noted(making, "earlier_passages", stage).recipe for stage in PASSAGES)
    earlier = Ledger(making.ledger.root, passages.snapshot)
    work = partial(
        _changes,
        config,
        Splits.of(config.ramp, making.ledger.folder("dump", config.label("dump"))),
        list(making.upstream_parts("aliases").values()),
        storage.join(making.upstream_folder("index"), "index"),
        earlier.data_paths("passages", passages.label),
        storage.join(earlier.folder("index", index.label), "index"),
    )
    parts = making.map_parts(Question, making.upstream_parts("passages"), work)
    paths = map(making.open.parts(Question).data_path, parts)
    figures = figures_of(question for path in paths for question in storage.read_rows(path, Question))
    return making.open.finish(parts=parts, gates=[no_failed_rows(parts)], figures=figures)


def _changes(
    config: PipelineConfig,
    splits: Splits,
    alias_paths: list[str],
    index: str,
    earlier_passages: list[str],
    earlier_index: str,
    path: str,
) -> Output:
    from tasks.ramp.evidence import certify

    aliases, language = aliases_around(path, alias_paths), language_of(config.snapshot)
    pages = {
        page_id: list(rows) for page_id, rows in groupby(storage.read_rows(path, Passage), lambda row: row.page_id)
    }
    before = read_passages(earlier_passages, pages)
    questions = [
        changed_question(passage, span, change, aliases, splits, config.ramp, language)
        for page_id, now in pages.items()
        for passage, span, change in changes_of_page(before.get(page_id, []), now, aliases, language)
        if unfit(passage, config.ramp, language) is None
    ]
    now_found = certify(questions, searcher_of(index), config.ramp, config.agent)
    then_found = certify(questions, searcher_of(earlier_index), config.ramp, config.agent)
    rows, rejects = answerable_now(now_found, then_found)
    return Output(rows, rejects, {"passages": storage.digest_of_file(path)})
