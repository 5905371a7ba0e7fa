"""Rows that travel between stages. Column names are a contract; `schemas.arrow` derives Arrow schemas from the models.

Offsets count Unicode code points. Every row carries its ``snapshot``.
"""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_enum_values=True)


# -- corpus ---------------------------------------------------------------------------------------------------------


class Link(Record):
    """``text[start:end] == anchor``, pointing at the page titled ``target``."""

    start: int
    end: int
    target: str
    anchor: str


class Lost(Record):
    """Something was removed here (a formula, an unknown template): text beside it must not be masked.

    If it was alone on its line, ``start`` is the blank line between the two paragraphs.
    """

    start: int
    reason: str


class Page(Record):
    """An article as plain text."""

    snapshot: str
    page_id: int
    revision_id: int
    title: str
    namespace: int
    redirects: list[str]
    text: str
    links: list[Link]
    lost: list[Lost]
    n_chars: int


class Passage(Record):
    """A paragraph, or a piece of a long one that ends at a sentence. ``passage_id`` is ``{page_id}-{ordinal}``."""

    snapshot: str
    passage_id: str
    page_id: int
    revision_id: int
    title: str
    section: str
    text: str
    links: list[Link]
    lost: list[Lost]
    n_words: int


class Redirect(Record):
    """A redirect from one title to another, by the page of this number and revision."""

    snapshot: str
    title: str
    target: str
    page_id: int = 0
    revision_id: int = 0


class Alias(Record):
    """All redirects that lead to one page."""

    snapshot: str
    title: str
    redirects: list[str]


class Signature(Record):
    """MinHash of one passage: ``values`` of 32 bits, and a hash of each band of values."""

    snapshot: str
    passage_id: str
    bands: list[int]
    values: list[int]


class Duplicate(Record):
    """A passage that is nearly the same as the passage ``kept``, which alone becomes questions. The index has both."""

    snapshot: str
    passage_id: str
    kept: str
    similarity: float


# -- spans ----------------------------------------------------------------------------------------------------------


class SpanKind(StrEnum):
    """What a span names."""

    ENTITY = "entity"
    DATE = "date"
    NUMBER = "number"
    TERM = "term"


class ProposedSpan(Record):
    """``text[start:end] == surface``."""

    start: int
    end: int
    surface: str
    kind: SpanKind


class RefusedSpan(Record):
    """A span that a backend named but that cannot be masked, and the reason (`tasks.spans.proposals.Refusal`)."""

    surface: str
    reason: str


class Proposals(Record):
    """All spans that a backend named in one passage, located or refused."""

    snapshot: str
    passage_id: str
    spans: list[ProposedSpan]
    refused: list[RefusedSpan]


class Surprisal(Record):
    """How hard a span of a passage is for the reference model (`tasks.ramp.surprisal`).

    A span is ``known`` if the model would write it without a search.
    """

    snapshot: str
    passage_id: str
    start: int
    end: int
    surface: str
    nats: float
    n_tokens: int
    known: bool


class LeakGram(Record):
    """A run of ``words`` words from an evaluation set, by its hash: text that contains it is not trained on.

    With 0 words it is a whole question (`tasks.ramp.question_keys`): the same question is not trained on.
    """

    snapshot: str
    words: int
    hash: int
    source: str


# -- questions ------------------------------------------------------------------------------------------------------


class Split(StrEnum):
    TRAIN = "train"
    RL = "rl"
    DEV = "dev"
    TEST = "test"


class Evidence(Record):
    """A passage other than the question's own that contains the answer, reached by search in ``hops`` steps.

    ``queries`` are the searches that lead to it, in order. Each consists of words from the prompt or from passages
    found before.
    """

    passage_id: str
    hops: int
    rank: int
    queries: list[str]


class GivenAway(StrEnum):
    """Where the answer to a mask can be found without a search."""

    TITLE = "title"
    TEXT = "text"  # the rest of the paragraph, by the same name or an alias
    REFERENCE = "reference"  # the reference model writes it from the rest of the paragraph


class Mask(Record):
    """``text[start:end] == surface``; the surface occurs once in the paragraph.

    ``given_away`` is null where this was not checked. ``surprisal``, in nats, is null without a reference model
    (`tasks.ramp.surprisal`).
    """

    start: int
    end: int
    surface: str
    kind: SpanKind
    target: str | None
    aliases: list[str]
    evidence: Evidence | None
    given_away: list[GivenAway] | None = None
    surprisal: float | None = None


class Change(Record):
    """A fact that differs in an earlier snapshot: what the page said then (``old``) and says now (``new``)."""

    old: str
    new: str
    old_snapshot: str
    old_revision_id: int
    new_revision_id: int


class Support(Record):
    """A passage that a question set names as evidence. ``text`` is null where the set names only the page's title."""

    title: str
    text: str | None


class Step(Record):
    """One step of a question's decomposition. ``#1`` in a later step stands for the answer of the first step.

    ``support`` is the place in the question's ``support`` of the passage that contains the answer; null if unknown.
    """

    question: str
    answer: str
    support: int | None


class ClaimLabel(StrEnum):
    """The answer to a claim."""

    SUPPORTED = "supported"
    REFUTED = "refuted"


class Question(Record):
    """One task for the agent: a masked paragraph (``kind`` `ramp`), or a question (`qa`) or claim (`claim`) of a set.

    The ``prompt`` of a claim is the claim, and its ``gold`` a `ClaimLabel`.
    ``hops`` is the number of searches in a row that the answer needs; 0 if unknown. The fields from ``page_id`` to
    ``difficulty`` are empty unless ``kind`` is `ramp`; those after ``change`` are empty if it is. ``difficulty`` is the
    mean surprisal of the question's masks in nats; null without a reference model.
    """

    snapshot: str
    question_id: str
    kind: Literal["ramp", "qa", "claim"]
    language: str
    prompt: str
    gold: list[str]
    aliases: list[list[str]]
    n_masks: int
    hops: int
    split: Split
    source: str
    page_id: int | None = None
    revision_id: int | None = None
    passage_id: str | None = None
    title: str | None = None
    text: str | None = None
    masked_text: str | None = None
    masks: list[Mask] = Field(default_factory=list)
    strategy: str | None = None
    difficulty: float | None = None
    change: Change | None = None
    type: str | None = None
    """The set's own name for what is asked (bridge, comparison); null if it has none."""
    support: list[Support] = Field(default_factory=list)
    steps: list[Step] = Field(default_factory=list)

    @property
    def level(self) -> int:
        """What curricula and scores go by: the number of masks, or of hops."""
        return self.n_masks or self.hops


# -- trajectories ---------------------------------------------------------------------------------------------------


class Author(StrEnum):
    """Who wrote a segment of a trajectory."""

    PROMPT = "prompt"
    MODEL = "model"
    ENVIRONMENT = "environment"


class EndReason(StrEnum):
    """Why a trajectory ended."""

    ANSWERED = "answered"
    LENGTH = "length"  # the turn or the whole trajectory ran out of tokens
    TURNS = "turns"  # the last allowed turn held no answer
    MALFORMED = "malformed"  # a turn without search and answer, or with the environment's own tags
    TOOL_FAILED = "tool_failed"  # search failed after its retries: not used for training
    ENGINE_FAILED = "engine_failed"  # the engine raised an error: not used for training
    REQUEST_REFUSED = "request_refused"  # a teacher's endpoint refused the request: not used for training
    TEACHER_STUCK = "teacher_stuck"  # a teacher found no honest next step


class SearchOutcome(StrEnum):
    """How a search ended."""

    FOUND = "found"
    NOTHING = "nothing"
    FAILED = "failed"


class Segment(Record):
    """A run of text by one author. Token ids and logprobs (natural log) are there only where this student sampled them.

    ``versions`` is, for each token, the version of the trained policy that sampled it.
    """

    author: Author
    text: str
    token_ids: list[int] | None = None
    logprobs: list[float] | None = None
    versions: list[int] | None = None


class Search(Record):
    """One turn's queries, and the passages that it was shown."""

    queries: list[str]
    passage_ids: list[str]
    outcome: SearchOutcome
    support: list[int] = Field(default_factory=list)
    """Places in the question's ``support`` of what these passages contain (`tasks.agent.support`)."""


class VerdictStatus(StrEnum):
    """The judge's decision."""

    CORRECT = "correct"
    WRONG = "wrong"
    UNSUPPORTED = "unsupported"  # right, but no retrieved passage contains the answer: not trained on
    FAILED = "failed"  # the trajectory did not end in an answer


class Verdict(Record):
    """The judge's decision about a trajectory, and the answer's recall (0 to 1)."""

    judge: str
    status: VerdictStatus
    recall: float


class Trajectory(Record):
    """One rollout of one question: turns, searches, answer and verdict."""

    snapshot: str
    trajectory_id: str
    question_id: str
    group_id: str
    rollout: int
    teacher: str
    """The kind of the teacher; `student` where the model itself answered."""
    label: str
    model: str
    segments: list[Segment]
    searches: list[Search]
    answer: str | None
    end_reason: EndReason
    n_masks: int
    verdict: Verdict | None
    n_tokens: int
    hops: int = 0
    """Those of the question, if it is not of kind `ramp`."""

    @property
    def level(self) -> int:
        """What curricula and scores go by: the number of masks, or of hops."""
        return self.n_masks or self.hops


class Answer(Record):
    """One model's answer to one question, with one method of retrieval and of decoding.

    ``way`` is how the model answers (`schemas.evaluation_settings.ContestantSettings`). ``support_recall`` is the share
    of the question's supporting passages that the searches showed, null if the set names none; ``substring`` is null in
    files of earlier versions.
    """

    snapshot: str
    model: str
    retrieval: Literal["live", "none", "random"]
    decoding: Literal["greedy", "sampled"]
    set: str
    question_id: str
    n_masks: int
    gold: list[str]
    answer: str | None
    recall: float
    f1: float
    exact: float
    searches: list[Search]
    n_tokens: int
    end_reason: EndReason
    hops: int = 0
    """Those of the question, if it is not of kind `ramp`."""
    type: str | None = None
    way: Literal["agent", "prompt", "rag", "direct"] = "agent"
    substring: float | None = None
    support_recall: float | None = None
    protocol: str | None = None
    """The name of the protocol (`schemas.protocol_settings`); null for the pipeline's own, in which it trains."""
    corrected: int = 0
    """Turns without a search or an answer, after which the environment let the model try again."""

    @property
    def level(self) -> int:
        """What scores go by: the number of masks, or of hops."""
        return self.n_masks or self.hops


class Reject(Record):
    """A dropped row. The next run tries failed rows again; filtered rows stay dropped."""

    snapshot: str
    row_id: str
    reason: str
    failed: bool
    detail: str
