"""Evidence that a mask can be filled in by searching: a passage with its value, and the searches that lead to it.

The searches are such as an agent could make: from the visible text (tasks/ramp/leads.py), never from the gold.
tasks/ramp/proof.py has the conditions under which a passage proves a value, so that a common year proves nothing.

Each question is a generator that yields its next query and is sent the hits. `certify` runs many generators together,
so that the index gets large batches of queries and never the same query twice.
"""

from collections.abc import Generator, Iterable

from retrieval_index.hits import Hit, Query, Searcher, is_held_back
from schemas.corpus_settings import MaskingSettings
from schemas.records import Evidence, Question
from schemas.settings import SearchSettings
from tasks.ramp.leads import Context, Known, Lead, leads_from
from tasks.ramp.proof import Claim, is_titled

_SPARE_HITS = 4
"""Hits requested beyond those used, so that one search mostly serves questions of different pages."""

_SIDE_BY_SIDE = 2048
"""Questions at a time: all their searches and the texts of the hits are in memory together."""

Searches = Generator[str, list[Hit] | None, Question]
"""Yields a query and is sent its hits. The first value sent is None, because a generator must be started so."""


def certify(
    questions: list[Question], searcher: Searcher, settings: MaskingSettings, search: SearchSettings
) -> list[Question]:
    """The questions in order, with evidence or None for each mask; ``hops`` is the maximum over the masks.

    Raises:
        SearchFailed: a search failed. No question is certified; try again.
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
        queries: dict[int, str] = {}
        for number, hits in found.items():
            try:
                queries[number] = running[number].send(hits)
            except StopIteration as end:
                done[number] = end.value
        searches = [_Search(text, questions[number], search) for number, text in queries.items()]
        found = dict(zip(queries, memory.hits(searches), strict=True))
    return [done[number] for number in range(len(questions))]


def _held_back(question: Question, search: SearchSettings) -> str:
    return str(question.page_id) if search.hold_back == "page" else str(question.passage_id)


class _Search:
    """A query of one question, and the passages that the question must not see."""

    def __init__(self, text: str, question: Question, search: SearchSettings) -> None:
        self.query = Query(text, _held_back(question, search))
        self._own = (question.text or "").split()

    def is_shown(self, hit: Hit) -> bool:
        return not is_held_back(hit.passage_id, self.query.hold_back)

    def repeats_question(self, hit: Hit) -> bool:
        """Whether a passage has the question's own text. Only the index knows whether it must be held back as well."""
        return hit.text.split() == self._own


class _Memory:
    """Searches each query once for all questions; passages that a question must not see are left out afterwards."""

    def __init__(self, searcher: Searcher, k: int) -> None:
        self._searcher = searcher
        self._k = k
        self._found: dict[Query, list[Hit]] = {}

    def hits(self, searches: list[_Search]) -> list[list[Hit]]:
        self._search({Query(search.query.text) for search in searches}, self._k + _SPARE_HITS)
        self._search({search.query for search in searches if self._left(search) is None}, self._k)
        return [self._found[search.query] if (left := self._left(search)) is None else left for search in searches]

    def _search(self, queries: Iterable[Query], k: int) -> None:
        new = sorted((query for query in queries if query not in self._found), key=lambda query: query.text)
        if new:
            self._found |= zip(new, self._searcher.search(new, k), strict=True)

    def _left(self, search: _Search) -> list[Hit] | None:
        """The hits of the common search that one question may see.

        None if too few are left, or if another passage with the question's text is among them: then the index itself
        must hold passages back.
        """
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
        """Leads from passages that were found for this mask."""

    def best_lead(self, max_queries: int, max_hops: int) -> Lead | None:
        if len(self.tried) >= max_queries:
            return None
        leads = [lead for lead in self.near + self.far if lead.hops <= max_hops and lead.query not in self.tried]
        return min(leads, key=lambda lead: lead.cost, default=None)


class _Inquiry:
    """Looks for evidence of one question's masks, from left to right; a found value gives leads to other masks."""

    def __init__(self, question: Question, settings: MaskingSettings, search: SearchSettings) -> None:
        self._question = question
        self._settings = settings
        self._search = search
        self._context = Context(question, question.title if settings.show_title else None)
        self._known: dict[int, Known] = {}
        self._out_of_reach: dict[int, Evidence] = {}
        """Evidence in hits that rank below those that the agent sees."""
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
        """The first open mask that still has a lead, and its best lead."""
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
    """The best hit that proves a claim: a hit from the page with the name in the query, otherwise the first."""
    proving = [
        (rank, hit, form) for rank, hit in enumerate(hits) if (form := claim.form_in(hit, lead.name)) is not None
    ]
    if not proving:
        return None
    rank, hit, form = min(proving, key=lambda proof: (not is_titled(proof[1], lead.name), proof[0]))
    queries = [*lead.path, lead.query]
    return Known(form, Evidence(passage_id=hit.passage_id, hops=len(queries), rank=rank, queries=queries))
