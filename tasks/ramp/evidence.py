"""Proof that a mask can be filled in by searching: a passage that holds its value, and the searches that lead there.

The searches are made as an agent could make them, from what is in sight (tasks/ramp/leads.py): never from the gold.
What a passage must say to prove a value, so that a common year proves nothing, is in tasks/ramp/proof.py.

Each question is a generator that says what to search for next and is sent what was found; `certify` runs many of them
side by side, so that the index is asked in large batches, and never twice the same.
"""

from collections.abc import Generator, Iterable

from retrieval_index.hits import Hit, Query, Searcher, is_held_back
from schemas.corpus_settings import MaskingSettings
from schemas.records import Evidence, Question
from schemas.settings import SearchSettings
from tasks.ramp.leads import Context, Known, Lead, leads_from
from tasks.ramp.proof import Claim, is_titled

_SPARE_HITS = 4
"""Hits asked for beyond those looked at, so that most searches serve questions of different pages."""

_SIDE_BY_SIDE = 2048
"""Questions at a time: all their searches, with the texts found, are in memory together."""

Searches = Generator[str, list[Hit] | None, Question]
"""Yields what to search for and is sent what was found (at first, as generators must be, None)."""


def certify(
    questions: list[Question], searcher: Searcher, settings: MaskingSettings, search: SearchSettings
) -> list[Question]:
    """The questions, in order, with each mask's evidence or None, and with ``hops`` the most that a mask needs.

    Raises:
        SearchFailed: nothing is certified; to be tried again.
    """
    blocks = [questions[start : start + _SIDE_BY_SIDE] for start in range(0, len(questions), _SIDE_BY_SIDE)]
    return [certified for block in blocks for certified in _certify(block, searcher, settings, search)]


def _certify(
    questions: list[Question], searcher: Searcher, settings: MaskingSettings, search: SearchSettings
) -> list[Question]:
    memory = _Memory(searcher, settings.evidence_hits)
    running = {number: _Inquiry(question, settings, search).run() for number, question in enumerate(questions)}
    done: dict[int, Question] = {}
    found: dict[int, list[Hit] | None] = dict.fromkeys(running)
    while found:
        asked: dict[int, str] = {}
        for number, hits in found.items():
            try:
                asked[number] = running[number].send(hits)
            except StopIteration as end:
                done[number] = end.value
        searches = [_Search(text, questions[number], search) for number, text in asked.items()]
        found = dict(zip(asked, memory.hits(searches), strict=True))
    return [done[number] for number in range(len(questions))]


def _held_back(question: Question, search: SearchSettings) -> str:
    return str(question.page_id) if search.hold_back == "page" else str(question.passage_id)


class _Search:
    """What one question asks, and what it must not be shown."""

    def __init__(self, text: str, question: Question, search: SearchSettings) -> None:
        self.query = Query(text, _held_back(question, search))
        self._own = (question.text or "").split()

    def is_shown(self, hit: Hit) -> bool:
        return not is_held_back(hit.passage_id, self.query.hold_back)

    def repeats_question(self, hit: Hit) -> bool:
        """Whether a passage has the question's own text; the index knows whether it goes with the one held back."""
        return hit.text.split() == self._own


class _Memory:
    """Searches each text once, whatever is held back: what is, is left out afterwards."""

    def __init__(self, searcher: Searcher, k: int) -> None:
        self._searcher = searcher
        self._k = k
        self._found: dict[Query, list[Hit]] = {}

    def hits(self, searches: list[_Search]) -> list[list[Hit]]:
        self._ask({Query(search.query.text) for search in searches}, self._k + _SPARE_HITS)
        self._ask({search.query for search in searches if self._left(search) is None}, self._k)
        return [self._found[search.query] if (left := self._left(search)) is None else left for search in searches]

    def _ask(self, queries: Iterable[Query], k: int) -> None:
        new = sorted((query for query in queries if query not in self._found), key=lambda query: query.text)
        if new:
            self._found |= zip(new, self._searcher.search(new, k), strict=True)

    def _left(self, search: _Search) -> list[Hit] | None:
        """What the common search leaves for one question; None where too much is held back, or another passage of the
        question's text is found: then the index itself is asked to hold back."""
        common = self._found[Query(search.query.text)]
        left = [hit for hit in common if search.is_shown(hit)]
        if any(search.repeats_question(hit) for hit in left):
            return None
        is_enough = len(left) >= self._k or len(common) < self._k + _SPARE_HITS
        return left[: self._k] if is_enough else None


# -- one question ---------------------------------------------------------------------------------------------------


class _OpenMask:
    """A mask without usable evidence yet."""

    def __init__(self, number: int, claim: Claim) -> None:
        self.number = number
        self.claim = claim
        self.tried: set[str] = set()
        self.near: list[Lead] = []
        """Leads from the paragraph."""
        self.far: list[Lead] = []
        """Leads from passages that were found for it."""

    def best_lead(self, max_queries: int, max_hops: int) -> Lead | None:
        if len(self.tried) >= max_queries:
            return None
        leads = [lead for lead in self.near + self.far if lead.hops <= max_hops and lead.query not in self.tried]
        return min(leads, key=lambda lead: lead.cost, default=None)


class _Inquiry:
    """Looks for the evidence of one question's masks, from left to right; values found help to find the others."""

    def __init__(self, question: Question, settings: MaskingSettings, search: SearchSettings) -> None:
        self._question = question
        self._settings = settings
        self._search = search
        self._context = Context(question, question.title if settings.show_title else None)
        self._known: dict[int, Known] = {}
        self._out_of_reach: dict[int, Evidence] = {}
        """Evidence behind the hits that the agent is shown."""
        claims = [Claim(question, mask, self._context.sentence(n)) for n, mask in enumerate(question.masks)]
        self._open = [_OpenMask(number, claim) for number, claim in enumerate(claims)]

    def run(self) -> Searches:
        self._look_around()
        found: dict[str, list[Hit]] = {}
        while (step := self._next()) is not None:
            mask, lead = step
            mask.tried.add(lead.query)
            if lead.query not in found:
                found[lead.query] = (yield lead.query) or []
            self._take(mask, lead, found[lead.query])
        return self._certified()

    def _look_around(self) -> None:
        for mask in self._open:
            mask.near = self._context.leads(mask.number, self._known)

    def _next(self) -> tuple[_OpenMask, Lead] | None:
        """The first open mask that there is still a lead to, and its best lead."""
        for mask in self._open:
            lead = mask.best_lead(self._settings.max_queries_per_mask, self._settings.evidence_hops)
            if lead is not None:
                return mask, lead
        return None

    def _take(self, mask: _OpenMask, lead: Lead, hits: list[Hit]) -> None:
        proof = _proof(mask.claim, lead, hits)
        if proof is not None and proof.evidence.rank < self._search.hits:
            self._known[mask.number] = proof
            self._open.remove(mask)
            self._look_around()
            return
        if proof is not None:
            self._out_of_reach.setdefault(mask.number, proof.evidence)
        titled = next((hit for hit in hits[: self._search.hits] if is_titled(hit, lead.name)), None)
        if titled is not None:
            mask.far += leads_from(lead, titled.title, titled.text, self._question.language)

    def _certified(self) -> Question:
        evidence = self._out_of_reach | {number: value.evidence for number, value in self._known.items()}
        masks = [mask.model_copy(update={"evidence": evidence.get(n)}) for n, mask in enumerate(self._question.masks)]
        hops = max((found.hops for found in evidence.values()), default=0)
        return self._question.model_copy(update={"masks": masks, "hops": hops})


def _proof(claim: Claim, lead: Lead, hits: list[Hit]) -> Known | None:
    """The best hit that proves a claim: one of the page with the name searched for, else the first."""
    proving = [
        (rank, hit, form) for rank, hit in enumerate(hits) if (form := claim.form_in(hit, lead.name)) is not None
    ]
    if not proving:
        return None
    rank, hit, form = min(proving, key=lambda proof: (not is_titled(proof[1], lead.name), proof[0]))
    queries = [*lead.path, lead.query]
    return Known(form, Evidence(passage_id=hit.passage_id, hops=len(queries), rank=rank, queries=queries))
