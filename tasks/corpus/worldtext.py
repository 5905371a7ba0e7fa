"""The texts of the small world: names, a short page for each entity, and sentences that retell facts.

A retelling says the same as the short pages in other words. Each of its sentences starts from an entity that is named
without a link, and follows facts; every other entity is linked and occurs once. The value of a masked span is thus on
the page of the entity that the span is a fact of, which the sentence names or hides behind an earlier mask.
"""

import random
from dataclasses import dataclass, field
from typing import Literal

from schemas.errors import BadInput

Kind = Literal["town", "person", "firm", "work"]

# A word of a name is a first and a last syllable. First syllables have more endings than last syllables, and last
# syllables more beginnings than first ones, so that byte pair encoding cuts between the two. No two words have the same
# English stem, so that an index that stems can tell them apart.
_ENDS = ["al", "ar", "el", "en", "er", "il", "in", "ir", "ol", "on", "or", "ul", "un", "ur"]
_FIRST = [start + end for start in "BDGKLMNST" for end in _ENDS]
_STARTS = ["b", "d", "f", "g", "h", "k", "m", "p", "s", "t", "v", "w", "z", "ch", "sh", "th"]
_LAST = [start + end for start in _STARTS for end in ["a", "e", "i", "o", "u", "ak", "em", "ob"]]

MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_TRADES = ["baker", "clerk", "doctor", "farmer", "mason", "painter", "sailor", "teacher", "weaver"]
_GOODS = ["boats", "bricks", "clocks", "cloth", "glass", "paper", "ropes", "tools"]
_FORMS = ["novel", "play", "poem", "song", "story"]
_NO_NAMES = {"Delhi", "Gordo", "Martha", "Santa"}


@dataclass(eq=False)
class Entity:
    """A fact is another entity, or a date or number as written; each fact is on the entity's short page."""

    kind: Kind
    name: str
    facts: dict[str, "Entity | str"] = field(default_factory=dict)
    redirects: list[str] = field(default_factory=list)


class NameWords:
    """The words of which names consist; each is dealt once."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._left = {
            first: rng.sample(lasts, len(lasts))
            for first in _FIRST
            if (lasts := [last for last in _LAST if first + last not in _NO_NAMES])
        }

    def deal(self, count: int) -> list[str]:
        """``count`` words with different first syllables.

        Raises:
            BadInput: fewer words are left.
        """
        open_firsts = [first for first, lasts in self._left.items() if lasts]
        if count > len(open_firsts):
            raise BadInput(
                f"world: the small world has too few names, {count} are needed and {len(open_firsts)} left; "
                "set fewer or smaller families"
            )
        return [first + self._left[first].pop() for first in self._rng.sample(open_firsts, count)]


def link(entity: Entity, rng: random.Random) -> str:
    """A wikilink to an entity, sometimes through one of its redirects."""
    if entity.redirects and rng.random() < 0.3:
        return f"[[{entity.redirects[0]}|{entity.name}]]"
    return f"[[{entity.name}]]"


# -- short pages ----------------------------------------------------------------------------------------------------

_PAGES: dict[Kind, list[str]] = {
    "town": [
        "{name} is a town ruled from {capital}, founded in {founded}, with a population of {residents}.",
        "{name}, founded in {founded}, is a town ruled from {capital} with a population of {residents}.",
        "{name} is a town with a population of {residents}, founded in {founded} and ruled from {capital}.",
    ],
    "person": [
        "{name} (born {born}) was a {trade} born in {birthplace} and taught by {teacher}.",
        "{name} was a {trade}, born on {born} in {birthplace} and taught by {teacher}.",
        "{name} was a {trade} taught by {teacher} and born in {birthplace} on {born}.",
    ],
    "firm": [
        "{name} is a maker of {goods} based in {seat}, founded by {founder} in {founded}.",
        "{name}, founded in {founded} by {founder}, is a maker of {goods} based in {seat}.",
        "{name} is a maker of {goods} founded by {founder} in {founded} and based in {seat}.",
    ],
    "work": [
        "{name} is a {form} written by {author} and published by {publisher} in {published}.",
        "{name} is a {form}, published in {published} by {publisher} and written by {author}.",
        "{name}, written by {author}, is a {form} published by {publisher} in {published}.",
    ],
}


def short_page(entity: Entity, rng: random.Random) -> str:
    """Wikitext of an entity's page: one sentence with all its facts."""
    written = {key: fact if isinstance(fact, str) else link(fact, rng) for key, fact in entity.facts.items()}
    if entity.kind == "person" and rng.random() < 0.1:
        day, month, year = written["born"].split()
        written["born"] = f"{{{{birth date|{year}|{MONTHS.index(month) + 1}|{day}|df=yes}}}}"
    words = {"trade": rng.choice(_TRADES), "goods": rng.choice(_GOODS), "form": rng.choice(_FORMS)}
    if entity.kind == "town" and rng.random() < 0.1:
        written["residents"] += f" and an area of {{{{convert|{rng.randint(3, 90)}|km2}}}}"
    return rng.choice(_PAGES[entity.kind]).format(name=f"'''{entity.name}'''", **written, **words)


# -- retellings -----------------------------------------------------------------------------------------------------

_PHRASES: dict[Kind, dict[str, list[str]]] = {
    "town": {
        "capital": ["answers to {}", "is governed from {}"],
        "founded": ["dates back to {}", "was settled in {}"],
        "residents": ["has {} inhabitants", "is home to {} people"],
    },
    "person": {
        "birthplace": ["came from {}", "grew up in {}"],
        "born": ["has a birthday on {}", "first saw light on {}"],
        "teacher": ["was a pupil of {}", "learned from {}"],
    },
    "firm": {
        "seat": ["has its seat in {}", "is run from {}"],
        "founder": ["was set up by {}", "was the idea of {}"],
        "founded": ["opened in {}", "began in {}"],
    },
    "work": {
        "author": ["is by {}", "was penned by {}"],
        "publisher": ["was brought out by {}", "was printed for {}"],
        "published": ["came out in {}", "was first read in {}"],
    },
}
# A fact of a fact: the entity between is not named, so that two pages must be found one after the other.
_BRIDGED: dict[Kind, tuple[str, str, str]] = {
    "town": ("capital", "capital", "answers to a town under {}"),
    "person": ("teacher", "birthplace", "learned from somebody of {}"),
    "firm": ("founder", "birthplace", "was set up by somebody of {}"),
    "work": ("author", "teacher", "is by a pupil of {}"),
}
_BRIDGED_SHARE = 0.06
_ROOTS = 0.3
"""The share of a family that are roots of one page: entities from which its sentences start."""
_FACTS_OF_A_SENTENCE = [1, 2, 2, 3, 3]


def _name_of(fact: Entity | str) -> str:
    return fact if isinstance(fact, str) else fact.name


class Reteller:
    """Writes the paragraphs of one page about one family.

    No two names of a paragraph share a word. The page's roots, from which its sentences start, are never linked on it:
    masks of linked names leave them visible.
    """

    def __init__(self, family: list[Entity], rng: random.Random) -> None:
        self._roots = rng.sample(family, max(1, round(_ROOTS * len(family))))
        self._rng = rng
        self._named: set[str] = set()
        self._spans = 0

    def paragraph(self, spans: int) -> str:
        """Wikitext of a paragraph with at least ``spans`` links, dates and numbers, if the family has them."""
        self._named, self._spans = set(), 0
        sentences = []
        for root in self._rng.sample(self._roots, len(self._roots)):
            if self._spans < spans and self._named.isdisjoint(root.name.split()):
                self._named.update(root.name.split())
                sentences.append(self._bridged(root) if self._rng.random() < _BRIDGED_SHARE else self._walk(root))
        return " ".join(sentence for sentence in sentences if sentence)

    def _is_new(self, fact: Entity | str) -> bool:
        return fact not in self._roots and self._named.isdisjoint(_name_of(fact).split())

    def _say(self, fact: Entity | str) -> str:
        self._spans += 1
        self._named.update(_name_of(fact).split())
        return fact if isinstance(fact, str) else link(fact, self._rng)

    def _pick(self, entity: Entity, but: set[str]) -> str | None:
        """The key of a fact that the paragraph can still state, without the keys in ``but``."""
        keys = [key for key, fact in entity.facts.items() if key not in but and self._is_new(fact)]
        return self._rng.choice(keys) if keys else None

    def _walk(self, root: Entity) -> str | None:
        """A sentence of one to three facts, of the root or of their own values ("…, who came from …, which …")."""
        text, subject, used = root.name, root, set[str]()
        last: Entity | str = root.name
        for _ in range(self._rng.choice(_FACTS_OF_A_SENTENCE)):
            joint = " and " if used else " "
            if isinstance(last, Entity) and (len(used) == 2 or self._rng.random() < 0.6):
                joint = ", who " if last.kind == "person" else ", which "
                subject, used = last, set()
            key = self._pick(subject, used)
            if key is None or len(used) == 2:
                break
            last = subject.facts[key]
            used.add(key)
            text += joint + self._rng.choice(_PHRASES[subject.kind][key]).format(self._say(last))
        return f"{text}." if text != root.name else None

    def _bridged(self, root: Entity) -> str | None:
        """A sentence about a fact of a fact; the paragraph does not name the entity between."""
        first, second, wording = _BRIDGED[root.kind]
        between = root.facts[first]
        fact = between.facts[second] if isinstance(between, Entity) else between
        if not self._is_new(fact):
            return None
        return f"{root.name} {wording.format(self._say(fact))}."
