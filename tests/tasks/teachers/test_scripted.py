"""The scripted teacher: it looks up what it needs, writes the paragraph, and never says what nothing has shown it."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval_index.hits import Hit, Query, SearchFailed, is_held_back
from schemas.records import Author, EndReason, Evidence, Mask, Question, SearchOutcome, SpanKind, Split, Trajectory
from schemas.settings import AgentSettings
from tasks.agent.environment import information_within
from tasks.agent.protocol import information_of, parse_turn, prompt_of
from tasks.agent.scoring import holds
from tasks.agent.tokenizer import AgentTokenizer, train_tokenizer
from tasks.teachers.scripted import teach, teach_many
from tasks.teachers.scripted_ramp import RampAttempt

PASSAGES = {
    "1-0": ("Tiskor", "Tiskor is a mill founded by Karlo Vint in 1871."),
    "2-0": ("Karlo Vint", "Karlo Vint was born in Velmar and taught by Sira Dol."),
    "3-0": ("Velmar", "Velmar is a town with a population of 4312."),
    "9-0": ("Chronicle 9", "Tiskor was set up in 1871 by Karlo Vint, a native of Velmar, home to 4312 people."),
}
TEXT = PASSAGES["9-0"][1]
AGENT = AgentSettings(hits=2, hold_back="page", max_searches=4)


class NameIndex:
    """Finds passages by the words they share with the query, most first; remembers what it was asked."""

    def __init__(self, passages: dict[str, tuple[str, str]] = PASSAGES) -> None:
        self.passages = passages
        self.batches: list[list[Query]] = []

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        self.batches.append(queries)
        return [self._hits(query)[:k] for query in queries]

    def _hits(self, query: Query) -> list[Hit]:
        wanted = set(query.text.lower().split())
        scored = [
            Hit(key, len(wanted & set(re.findall(r"\w+", f"{title} {title} {text}".lower()))), title, text)
            for key, (title, text) in self.passages.items()
            if not is_held_back(key, query.hold_back)
        ]
        scored = [hit for hit in scored if hit.score]
        return sorted(scored, key=lambda hit: (-hit.score, hit.title != query.text, hit.passage_id))


@pytest.fixture(scope="module")
def tokenizer() -> AgentTokenizer:
    return train_tokenizer([text for _, text in PASSAGES.values()] * 9, 330)


class DownIndex:
    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        raise SearchFailed("down")


def mask(surface: str, evidence: tuple[str, list[str]] | None, aliases: list[str] | None = None) -> Mask:
    start = TEXT.index(surface)
    found = evidence and Evidence(passage_id=evidence[0], hops=len(evidence[1]), rank=0, queries=evidence[1])
    kind = SpanKind.NUMBER if surface[0].isdigit() else SpanKind.ENTITY
    target = None if surface[0].isdigit() else surface
    return Mask(
        start=start,
        end=start + len(surface),
        surface=surface,
        kind=kind,
        target=target,
        aliases=aliases or [],
        evidence=found or None,
    )


def question(*masks: Mask, number: int = 9) -> Question:
    masked = TEXT
    for one in sorted(masks, key=lambda one: -one.start):
        masked = f"{masked[: one.start]}[mask]{masked[one.end :]}"
    return Question(
        snapshot="smallworld-20260101",
        question_id=f"{number}-0-m{len(masks)}",
        kind="ramp",
        language="en",
        prompt=masked,
        gold=[one.surface for one in masks],
        aliases=[one.aliases for one in masks],
        n_masks=len(masks),
        hops=1,
        split=Split.TRAIN,
        source="ramp",
        page_id=9,
        passage_id="9-0",
        text=TEXT,
        masked_text=masked,
        masks=list(masks),
    )


YEAR = mask("1871", ("1-0", ["Tiskor"]))
FOUNDER = mask("Karlo Vint", ("1-0", ["Tiskor"]))
TOWN = mask("Velmar", ("2-0", ["Karlo Vint"]))
PEOPLE = mask("4312", ("3-0", ["Karlo Vint", "Velmar"]))


def turns(trajectory: Trajectory) -> list[str]:
    return [segment.text for segment in trajectory.segments if segment.author == Author.MODEL]


def queries(trajectory: Trajectory) -> list[str]:
    return [query for search in trajectory.searches for query in search.queries]


def test_one_mask_is_looked_up_and_the_paragraph_written_back() -> None:
    done = teach(question(YEAR), NameIndex(), AGENT)
    assert done.end_reason == EndReason.ANSWERED
    assert done.answer == TEXT
    assert turns(done) == [
        "<think>Tiskor was set up in</think><search>Tiskor</search>",
        f"<think>1871</think><answer>{TEXT}</answer>",
    ]


def test_authors_take_turns_and_every_turn_is_well_formed() -> None:
    asked = question(YEAR, TOWN)
    done = teach(asked, NameIndex(), AGENT)
    authors = [segment.author for segment in done.segments]
    assert authors == [Author.PROMPT, *[Author.MODEL, Author.ENVIRONMENT] * 2, Author.MODEL]
    assert done.segments[0].text == prompt_of(asked, AGENT)
    assert all(parse_turn(turn) for turn in turns(done))
    assert all(segment.token_ids is None and segment.logprobs is None for segment in done.segments)


def test_a_mask_that_was_read_already_needs_no_search() -> None:
    done = teach(question(YEAR, FOUNDER), NameIndex(), AGENT)
    assert done.answer == TEXT
    assert queries(done) == ["Tiskor"]
    assert "<think>1871 by Karlo Vint</think>" in turns(done)[1]


def test_a_masked_name_is_found_and_then_looked_up_itself() -> None:
    done = teach(question(FOUNDER, TOWN), NameIndex(), AGENT)
    assert done.answer == TEXT
    assert queries(done) == ["Tiskor", "Karlo Vint"]


def test_a_bridge_is_named_once_it_was_read() -> None:
    done = teach(question(PEOPLE), NameIndex(), AGENT)
    assert done.answer == TEXT
    assert turns(done)[1] == "<think>see Velmar</think><search>Velmar</search>"


def test_search_never_returns_the_questions_own_page() -> None:
    index = NameIndex()
    done = teach(question(YEAR, TOWN), index, AGENT)
    assert {query.hold_back for batch in index.batches for query in batch} == {"9"}
    assert all("9-0" not in search.passage_ids for search in done.searches)
    by_passage = NameIndex()
    teach(question(YEAR), by_passage, AGENT.model_copy(update={"hold_back": "passage"}))
    assert by_passage.batches[0][0].hold_back == "9-0"


def test_an_alias_is_written_as_it_was_found() -> None:
    passages = {**PASSAGES, "1-0": ("Tiskor", "Tiskor is a mill founded by Karl the Elder in 1871.")}
    done = teach(question(mask("Karlo Vint", ("1-0", ["Tiskor"]), ["Karl the Elder"])), NameIndex(passages), AGENT)
    assert done.answer == TEXT.replace("Karlo Vint", "Karl the Elder")


@pytest.mark.parametrize(
    ("masks", "agent", "reason"),
    [
        ([mask("Velmar", None)], AGENT, EndReason.TEACHER_STUCK),
        ([mask("Velmar", ("2-0", ["Velmar"]))], AGENT, EndReason.TEACHER_STUCK),
        ([mask("Velmar", ("2-0", ["Sira Dol"]))], AGENT, EndReason.TEACHER_STUCK),
        ([YEAR, TOWN], AGENT.model_copy(update={"max_searches": 1}), EndReason.TURNS),
    ],
    ids=["no evidence", "the query is the answer", "a name from nowhere", "searches used up"],
)
def test_where_no_honest_step_is_left_it_ends_without_an_answer(
    masks: list[Mask], agent: AgentSettings, reason: EndReason
) -> None:
    done = teach(question(*masks), NameIndex(), agent)
    assert done.end_reason == reason
    assert done.answer is None


def test_a_failed_search_is_a_tool_failure() -> None:
    done = teach(question(YEAR), DownIndex(), AGENT)
    assert done.end_reason == EndReason.TOOL_FAILED
    assert [search.outcome for search in done.searches] == [SearchOutcome.FAILED]


def test_the_teacher_reads_what_its_student_would_be_shown(tokenizer: AgentTokenizer) -> None:
    hits = NameIndex().search([Query("Tiskor", hold_back="9")], AGENT.hits)[0]
    whole, _ = information_within(hits, 1000, tokenizer)
    for limit in (len(whole.token_ids) - 1, len(information_within(hits[:1], 1000, tokenizer)[0].token_ids) - 1):
        told, shown = information_within(hits, limit, tokenizer)
        agent = AGENT.model_copy(update={"max_information_tokens": limit})
        done = teach(question(YEAR), NameIndex(), agent, tokenizer=tokenizer)
        assert done.segments[2].text == told.text != whole.text
        assert done.segments[2].token_ids is None
        assert done.searches[0].passage_ids == [hit.passage_id for hit in shown]
    assert teach(question(YEAR), NameIndex(), agent).answer == TEXT, "with no student there is nothing to cut"


def test_a_value_that_is_cut_off_is_not_known(tokenizer: AgentTokenizer) -> None:
    agent = AGENT.model_copy(update={"hits": 1})
    whole, _ = information_within(NameIndex().search([Query("Tiskor", hold_back="9")], 1)[0], 1000, tokenizer)
    agent = agent.model_copy(update={"max_information_tokens": len(whole.token_ids) - 1})
    done = teach(question(YEAR), NameIndex(), agent, tokenizer=tokenizer)
    assert "1871" not in done.segments[2].text
    assert (done.end_reason, done.answer) == (EndReason.TEACHER_STUCK, None)


def test_many_questions_share_batches_and_end_as_they_would_alone() -> None:
    asked = [question(YEAR), question(PEOPLE, number=8), question(YEAR, TOWN, number=7), question(TOWN, number=6)]
    index = NameIndex()
    together = teach_many(asked, index, AGENT)
    assert [len(batch) for batch in index.batches] == [4, 2]
    assert together == [teach(one, NameIndex(), AGENT) for one in asked]


SPANS = ["Tiskor", "1871", "Karlo Vint", "Velmar", "4312"]
QUERIES = st.lists(st.sampled_from([*SPANS, "Sira Dol", "mill", "a native of", "Chronicle 9"]), min_size=1, max_size=3)


@st.composite
def anything_masked(draw: st.DrawFn) -> Question:
    """Masks with evidence of any kind, also such as leads there only by what nobody has shown."""
    chosen = draw(st.lists(st.sampled_from(SPANS), min_size=1, max_size=4, unique=True))
    evidence = st.none() | st.tuples(st.sampled_from([*PASSAGES]), QUERIES)
    return question(*(mask(surface, draw(evidence)) for surface in sorted(chosen, key=TEXT.index)))


@settings(max_examples=300, deadline=None)
@given(asked=anything_masked(), hits=st.integers(1, 3), limit=st.none() | st.integers(10, 80))
def test_no_turn_says_what_nothing_has_shown(
    tokenizer: AgentTokenizer, asked: Question, hits: int, limit: int | None
) -> None:
    index = NameIndex()
    agent = AGENT.model_copy(update={"hits": hits, "max_information_tokens": limit or AGENT.max_information_tokens})
    done = teach(asked, index, agent, tokenizer=tokenizer if limit else None)
    shown = ""
    for segment in done.segments:
        if segment.author == Author.MODEL:
            turn = parse_turn(segment.text)
            assert turn is not None
            said = " ".join([turn.think, *turn.queries, turn.answer or ""])
            assert set(re.findall(r"\w+", said)) <= set(re.findall(r"\w+", shown)) | RampAttempt.vocabulary
            for one in asked.masks:
                assert holds(shown, one.surface) or not holds(said, one.surface)
        else:
            shown += f"\n{segment.text}"
    if done.end_reason == EndReason.ANSWERED:
        assert done.answer == TEXT
    if limit:
        assert all(len(tokenizer.encode(s.text)) <= limit for s in done.segments if s.author == Author.ENVIRONMENT)
        return
    answers = [hit for batch in index.batches for query in batch for hit in index._hits(query)[:hits]]
    assert all(information_of([hit])[13:-14] in shown for hit in answers)
