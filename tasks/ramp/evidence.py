"""Proof that a mask can be filled in by searching: a passage that holds its value, and the searches that lead there.

The searches are made as an agent could make them, from what is in sight (tasks/ramp/leads.py): never from the gold. A
passage proves a value only if it is about the name that was searched for, so that a common year or town found anywhere
proves nothing: its title is that name, or one of its sentences holds both.

Each question is a generator that says what to search for next and is sent what was found; `certify` runs many of them
side by side, so that the index is asked in large batches, and never twice the same.
"""

import re
from collections.abc import Generator, Iterable
from functools import lru_cache

from retrieval_index.hits import Hit, Query, Searcher, is_held_back
from schemas.config import AgentSettings, RampSettings
from schemas.records import Evidence, Mask, Question, SpanKind
from tasks.corpus.sentences import sentences
from tasks.ramp.leads import Context, Known, Lead, leads_from
from tasks.ramp.words import bare_title
from tasks.scoring import holds

_SPARE_HITS = 4
"""Hits asked for beyond those looked at, so that most searches serve questions of different pages."""

Search = Generator[str, list[Hit], Question]


def certify(
    questions: list[Question], searcher: Searcher, settings: RampSettings, agent: AgentSettings
) -> list[Question]:
    """The questions, in order, with each mask's evidence or None, and with ``hops`` the most that a mask needs.

    Raises:
        SearchFailed: nothing is certified; to be tried again.
    """
    memory = _Memory(searcher, settings.evidence_hits)
    searches = {number: _search(question, settings, agent) for number, question in enumerate(questions)}
    done: dict[int, Question] = {}
    asked: dict[int, str] = {}
    found: dict[int, list[Hit] | None] = dict.fromkeys(searches)
    while found:
        asked = {}
        for number, hits in found.items():
            try:
                asked[number] = searches[number].send(hits) if hits is not None else next(searches[number])
            except StopIteration as end:
                done[number] = end.value
        queries = [Query(text, _held_back(questions[number], agent)) for number, text in asked.items()]
        found = dict(zip(asked, memory.hits(queries), strict=True))
    return [done[number] for number in range(len(questions))]


def _held_back(question: Question, agent: AgentSettings) -> str:
    return str(question.page_id) if agent.hold_back == "page" else str(question.passage_id)


class _Memory:
    """Searches each text once, whatever is held back: what is, is left out afterwards."""

    def __init__(self, searcher: Searcher, k: int) -> None:
        self._searcher = searcher
        self._k = k
        self._found: dict[Query, list[Hit]] = {}

    def hits(self, queries: list[Query]) -> list[list[Hit]]:
        self._ask({Query(query.text) for query in queries}, self._k + _SPARE_HITS)
        self._ask({query for query in queries if self._left(query) is None}, self._k)
        return [self._found[query] if (left := self._left(query)) is None else left for query in queries]

    def _ask(self, queries: Iterable[Query], k: int) -> None:
        new = sorted((query for query in queries if query not in self._found), key=lambda query: query.text)
        if new:
            self._found |= zip(new, self._searcher.search(new, k), strict=True)

    def _left(self, query: Query) -> list[Hit] | None:
        """What the common search leaves for one question; None where too much of it is held back."""
        common = self._found[Query(query.text)]
        left = [hit for hit in common if not is_held_back(hit.passage_id, query.hold_back)]
        is_enough = len(left) >= self._k or len(common) < self._k + _SPARE_HITS
        return left[: self._k] if is_enough else None


# -- one question ---------------------------------------------------------------------------------------------------


def _search(question: Question, settings: RampSettings, agent: AgentSettings) -> Search:
    """Look for every mask's evidence, from left to right; values found help to find the ones still open."""
    context = Context(question, question.title if settings.show_title else None)
    seen: dict[str, list[Hit]] = {}
    known: dict[int, Known] = {}
    spare: dict[int, Evidence] = {}
    tried: dict[int, set[str]] = {number: set() for number in range(question.n_masks)}
    beyond: dict[int, list[Lead]] = {number: [] for number in range(question.n_masks)}

    while (step := _next_step(context, tried, known, beyond, settings)) is not None:
        number, lead = step
        tried[number].add(lead.query.casefold())
        if lead.query not in seen:
            seen[lead.query] = yield lead.query
        hits = seen[lead.query]
        proof = _proof(question, question.masks[number], lead, hits)
        if proof is not None and proof.evidence.rank < agent.hits:
            known[number] = proof
        elif proof is not None:
            spare.setdefault(number, proof.evidence)
        if number not in known:
            about = [hit for hit in hits[: agent.hits] if _is_titled(hit, lead.query)][:1]
            beyond[number] += [on for hit in about for on in leads_from(lead, hit.title, hit.text, question.language)]

    found = spare | {number: value.evidence for number, value in known.items()}
    masks = [mask.model_copy(update={"evidence": found.get(number)}) for number, mask in enumerate(question.masks)]
    hops = max((evidence.hops for evidence in found.values()), default=0)
    return question.model_copy(update={"masks": masks, "hops": hops})


def _next_step(
    context: Context,
    tried: dict[int, set[str]],
    known: dict[int, Known],
    beyond: dict[int, list[Lead]],
    settings: RampSettings,
) -> tuple[int, Lead] | None:
    """The first open mask that has searches left, and its best lead."""
    for number, queries in tried.items():
        if number in known or len(queries) >= settings.max_queries_per_mask:
            continue
        leads = [
            lead
            for lead in context.leads(number, known) + beyond[number]
            if lead.query.casefold() not in queries and lead.hops <= settings.evidence_hops
        ]
        if leads:
            return number, min(leads, key=lambda lead: lead.cost)
    return None


# -- one passage ----------------------------------------------------------------------------------------------------


def _proof(question: Question, mask: Mask, lead: Lead, hits: list[Hit]) -> Known | None:
    """The best hit that proves a mask's value: one that a page's own title vouches for, else the first."""
    proving = [(rank, hit, form) for rank, hit in enumerate(hits) if (form := _proven_form(question, mask, lead, hit))]
    if not proving:
        return None
    rank, hit, form = min(proving, key=lambda proof: (not _is_titled(proof[1], lead.query), proof[0]))
    queries = [*lead.path, lead.query]
    return Known(form, Evidence(passage_id=hit.passage_id, hops=len(queries), rank=rank, queries=queries))


def _proven_form(question: Question, mask: Mask, lead: Lead, hit: Hit) -> str | None:
    """The form in which a hit states the value, if it is about the name that was searched for."""
    document = f"{hit.title}: {hit.text}"
    folded = document.casefold()
    for form in (mask.surface, *mask.aliases):
        if _longest_word(form) in folded and holds(document, form) and not holds(form, lead.query):
            if _is_bare_number(mask) and _with_unit(question, mask) not in folded:
                continue
            if _is_titled(hit, lead.query) or (_is_titled(hit, form) and holds(hit.text, lead.query)):
                return form
            if any(holds(said, form) and holds(said, lead.query) for said in _sentences(hit.text, question.language)):
                return form
    return None


def _is_titled(hit: Hit, name: str) -> bool:
    return bare_title(hit.title).casefold() == name.casefold()


@lru_cache(maxsize=65_536)
def _longest_word(form: str) -> str:
    """A word without which a text does not hold the form: looking for it is much cheaper than normalising the text."""
    return max(re.findall(r"[^\W_]+", form.casefold()), key=len, default="")


@lru_cache(maxsize=4096)
def _sentences(text: str, language: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text, language)]


def _is_bare_number(mask: Mask) -> bool:
    """Fewer than three digits stand in too many texts by chance: their unit must stand there too."""
    return mask.kind == SpanKind.NUMBER and sum(map(str.isdigit, mask.surface)) < 3


def _with_unit(question: Question, mask: Mask) -> str:
    assert question.text is not None, "only RAMP questions have masks"
    if not mask.surface[-1].isdigit():
        return mask.surface.casefold()
    behind = re.match(r"\W?[^\W_]+", question.text[mask.end :])
    return (mask.surface + (behind[0] if behind else "")).casefold()
