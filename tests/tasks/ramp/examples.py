"""Passages for the tests of RAMP, a searcher without an index, and a check that evidence does not use the gold."""

import re
from collections.abc import Iterable

from retrieval_index.hits import Hit, Query, Searcher, is_held_back
from schemas.records import Link, Lost, Passage, Question
from schemas.settings import AgentSettings
from tasks.agent.scoring import holds


def passage_of(wikitext: str, title: str = "Elsewhere", page_id: int = 7, ordinal: int = 0) -> Passage:
    """A passage from text with ``[[target|anchor]]`` links; ``{{?}}`` marks a loss."""
    text, links, lost, last = "", [], [], 0
    for found in re.finditer(r"\[\[([^\]|]+)(?:\|([^\]]+))?\]\]|\{\{\?\}\}", wikitext):
        text += wikitext[last : found.start()]
        last = found.end()
        if found[1] is None:
            lost.append(Lost(start=len(text), reason="template"))
        else:
            anchor = found[2] or found[1]
            links.append(Link(start=len(text), end=len(text) + len(anchor), target=found[1], anchor=anchor))
            text += anchor
    text += wikitext[last:]
    return Passage(
        snapshot="testwiki-20260101",
        passage_id=f"{page_id}-{ordinal}",
        page_id=page_id,
        revision_id=70,
        title=title,
        section="",
        text=text,
        links=links,
        lost=lost,
        n_words=len(text.split()),
    )


def words_in(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


class WordSearcher:
    """A searcher that ranks passages by how many words of the query they hold, then by id."""

    def __init__(self, passages: Iterable[tuple[str, str, str]]) -> None:
        self._passages = [(id_, title, text, words_in(f"{title} {text}")) for id_, title, text in passages]
        self.asked: list[Query] = []

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        self.asked += queries
        return [self._hits(query)[:k] for query in queries]

    def _hits(self, query: Query) -> list[Hit]:
        words = words_in(query.text)
        scored = [(len(words & of), id_, title, text) for id_, title, text, of in self._passages if words & of]
        ranked = sorted(scored, key=lambda found: (-found[0], found[1]))
        hits = [Hit(id_, float(score), title, text) for score, id_, title, text in ranked]
        return [hit for hit in hits if not is_held_back(hit.passage_id, query.hold_back)]


def assert_honest(question: Question, searcher: Searcher, agent: AgentSettings) -> None:
    """Replay every mask's searches: query words come from the prompt or hits, and the last search finds the value."""
    for mask in question.masks:
        if mask.evidence is None:
            continue
        shown = question.prompt
        for query in mask.evidence.queries:
            assert words_in(query) <= words_in(shown), f"{query!r} came from nowhere"
            (hits,) = searcher.search([Query(query, hold_back=str(question.page_id))], 10)
            found = hits[: agent.hits]
            shown += "".join(f"\n{hit.title}: {hit.text}" for hit in found)
        last = hits[mask.evidence.rank]
        assert last.passage_id == mask.evidence.passage_id
        assert any(holds(f"{last.title}: {last.text}", form) for form in (mask.surface, *mask.aliases))
        assert mask.evidence.hops == len(mask.evidence.queries)
