"""What is taken from an earlier snapshot under the same root: its questions, or what has changed since it."""

from functools import partial
from itertools import groupby

from schemas.config import PipelineConfig
from schemas.errors import BadInput
from schemas.manifest import StageManifest, digest_of
from schemas.records import Passage, Question
from schemas.snapshot import language_of, wiki_of
from tasks import storage
from tasks.corpus.aliases import aliases_around
from tasks.ledger import Ledger
from tasks.making.context import Making, Output, no_failed_rows
from tasks.making.searching import searcher_of
from tasks.ramp.changes import answerable_now, changes_of_page
from tasks.ramp.figures import figures_of
from tasks.ramp.questions import changed_question, unfit
from tasks.ramp.recertify import moved, read_passages
from tasks.ramp.splits import Splits


def make_earlier_questions(making: Making) -> StageManifest:
    """Take note of the earlier snapshot's questions: they stay where they are."""
    return _take_note(making, "masks_of", making.config.ramp.masks_of, ("questions",))


def make_earlier_passages(making: Making) -> StageManifest:
    """Take note of the earlier snapshot's passages and their index: they stay where they are."""
    return _take_note(making, "changed_since", making.config.ramp.changed_since, ("passages", "index"))


def _take_note(making: Making, setting: str, snapshot: str | None, stages: tuple[str, ...]) -> StageManifest:
    assert snapshot is not None
    if snapshot == making.snapshot or wiki_of(snapshot) != wiki_of(making.snapshot):
        raise BadInput(f"ramp.{setting} {snapshot}: give another snapshot of {wiki_of(making.snapshot)}")
    earlier = Ledger(making.ledger.root, snapshot)
    digests = {}
    for stage in stages:
        manifest = earlier.manifest(stage, making.config.label(stage))
        if manifest is None:
            raise BadInput(
                f"ramp.{setting} {snapshot}: its stage {stage}/{making.config.label(stage)} is not finished under "
                f"{earlier.root}: run that snapshot first"
            )
        digests[stage] = manifest.digest
    storage.write_bytes(storage.join(making.folder, "sha256"), f"{digest_of(digests)}\n".encode())
    return making.open.finish(figures={"snapshot": snapshot, **digests})


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
    snapshot = making.config.ramp.masks_of
    assert snapshot is not None
    earlier, label = Ledger(making.ledger.root, snapshot), making.config.label("questions")
    manifest = earlier.manifest("questions", label)
    assert manifest is not None, "the stage that took note of it is finished"
    return dict(zip(manifest.parts, earlier.data_paths("questions", label), strict=True))


# -- what changed -----------------------------------------------------------------------------------------------------


def make_changes(making: Making) -> StageManifest:
    """Questions about facts that the earlier snapshot tells otherwise, and that only this one's index can answer."""
    config = making.config
    assert config.ramp.changed_since is not None
    earlier = Ledger(making.ledger.root, config.ramp.changed_since)
    work = partial(
        _changes,
        config,
        Splits.of(config.ramp, making.ledger.folder("dump", config.label("dump"))),
        list(making.upstream_parts("aliases").values()),
        storage.join(making.upstream_folder("index"), "index"),
        earlier.data_paths("passages", config.label("passages")),
        storage.join(earlier.folder("index", config.label("index")), "index"),
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
