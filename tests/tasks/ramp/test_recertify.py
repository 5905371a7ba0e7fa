"""Questions of an earlier snapshot in a later one: the same masks, new evidence, the right passage held back."""

import pytest

from schemas.config import PipelineConfig
from schemas.corpus_settings import RampSettings
from schemas.errors import BadInput
from schemas.records import Passage, Question, Split
from schemas.settings import AgentSettings
from tasks.ledger import storage
from tasks.pipeline import graph
from tasks.ramp.evidence import certify
from tasks.ramp.questions import questions_of
from tasks.ramp.recertify import moved, read_passages
from tasks.ramp.splits import Splits
from tests.tasks.ramp.examples import WordSearcher, passage_of

SETTINGS = RampSettings(min_words=3, min_sentences=1, show_title=False, masks=[1])
AGENT = AgentSettings(hits=2, hold_back="passage")
TEXT = "Vint Works was set up by [[Karlo Brim]] somewhere in the hills."
LATER = "testwiki-20270101"


@pytest.fixture
def question() -> Question:
    (found,) = questions_of(passage_of(TEXT, "Chronicle 9"), {}, Splits({7: Split.TRAIN}, 0), SETTINGS, "en")
    assert isinstance(found, Question)
    return found


def later(*texts: str) -> list[Passage]:
    rows = [passage_of(text, "Chronicle 9", ordinal=n) for n, text in enumerate(texts)]
    return [row.model_copy(update={"snapshot": LATER}) for row in rows]


def test_masks_stay_and_evidence_is_of_the_later_index(question):
    works = ("1-0", "Vint Works", "Vint Works is a maker of boats founded by Karlo Brim.")
    (first,) = certify([question], WordSearcher([works]), SETTINGS, AGENT)
    assert first.masks[0].evidence.passage_id == "1-0"
    (again,) = moved([first], {7: later(TEXT)}, LATER)
    moved_works = ("4-0", *works[1:])
    (second,) = certify([again], WordSearcher([moved_works]), SETTINGS, AGENT)
    assert second.masks[0].evidence.passage_id == "4-0"
    bare = [mask.model_copy(update={"evidence": None}) for mask in second.masks]
    assert bare == [mask.model_copy(update={"evidence": None}) for mask in first.masks]
    assert (second.snapshot, second.question_id, second.masked_text) == (LATER, first.question_id, first.masked_text)
    (gone,) = certify([again], WordSearcher([]), SETTINGS, AGENT)
    assert gone.masks[0].evidence is None, "evidence of the earlier index does not stay"


@pytest.mark.parametrize(
    ("texts", "own"),
    [
        (["A new paragraph opens the page.", TEXT], "7-1"),
        (["A new paragraph opens the page.", TEXT.replace("the hills", "the green hills")], "7-1"),
        (["The paragraph is gone, and others tell of other things."], "7-0"),
        ([], "7-0"),
    ],
)
def test_the_passage_that_has_the_paragraph_now_is_held_back(question, texts, own):
    (again,) = moved([question], {7: later(*texts)} if texts else {}, LATER)
    assert again.passage_id == own


def test_only_the_passages_of_the_requested_pages_are_read(tmp_path):
    path = str(tmp_path / "part-0.parquet")
    rows = [passage_of(TEXT, page_id=page_id, ordinal=n) for page_id in (7, 8, 9) for n in range(2)]
    storage.write_rows(path, Passage, rows)
    found = read_passages([path], [7, 9, 11])
    assert {page_id: [row.passage_id for row in of_page] for page_id, of_page in found.items()} == {
        7: ["7-0", "7-1"],
        9: ["9-0", "9-1"],
    }
    assert found[7][0] == rows[0]


@pytest.mark.parametrize(
    ("setting", "snapshot", "message"),
    [
        ("masks_of", "testwiki-20250101", "masks_of testwiki-20250101: its stage questions/v1 is not"),
        (
            "changed_since",
            "testwiki-20250101",
            "changed_since testwiki-20250101: its stage passages/v1 is not",
        ),
        ("masks_of", "testwiki-20260101", "give another snapshot of testwiki"),
        ("changed_since", "dewiki-20250101", "give another snapshot of testwiki"),
    ],
)
def test_a_missing_snapshot_is_reported_before_anything_is_built(tmp_path, setting, snapshot, message):
    config = PipelineConfig.model_validate(
        {
            "name": "again",
            "snapshot": "testwiki-20260101",
            "dump": "nowhere",
            "ramp": {setting: snapshot},
            "runtime": {"root": str(tmp_path)},
        }
    )
    stages = {stage.stage: stage for stage in graph.stages_of(config)}
    note = stages["earlier_questions" if setting == "masks_of" else "earlier_passages"]
    with pytest.raises(BadInput, match=message):
        graph.make(config, note, lambda progress: None)
