"""The texts of the small world: names, a short page for each entity, and sentences that retell facts.

A retelling says the same as the short pages in other words. Each of its sentences starts from an entity that is named
without a link, and follows facts; every other entity is linked and occurs once. The value of a masked span is thus on
the page of the entity that the span is a fact of, which the sentence names, describes by another name, or hides in an
earlier mask.
"""

import random
from dataclasses import dataclass, field

from schemas.errors import BadInput
from tasks.corpus.worldphrases import DESCRIPTIONS, DESCRIPTIONS_BY_VALUE, PHRASES, Kind

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
    second_name: str | None = None
    """One of the redirects. The short page states it, too."""
    ruled_from: "Entity | None" = None
    """What tells a town from another of its name; None for a name that nothing else has."""

    @property
    def title(self) -> str:
        return f"{self.name} ({self.ruled_from.name})" if self.ruled_from else self.name

    @property
    def full_name(self) -> str:
        """The name as short pages and questions state it, which no other entity has."""
        return f"{self.name}, {self.ruled_from.name}" if self.ruled_from else self.name

    @property
    def words(self) -> list[str]:
        """The words of both its names."""
        return self.name.split() + ([self.second_name] if self.second_name else [])

    def called(self, name: str, rng: random.Random) -> str:
        """The name or, half of the times, the second name."""
        return self.second_name if self.second_name and rng.random() < 0.5 else name


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


def link(entity: Entity, anchor: str, rng: random.Random) -> str:
    """A wikilink to an entity, sometimes through one of its redirects."""
    target = entity.redirects[0] if entity.redirects and rng.random() < 0.3 else entity.title
    return f"[[{target}]]" if target == anchor else f"[[{target}|{anchor}]]"


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
    written = {
        key: fact if isinstance(fact, str) else link(fact, fact.full_name, rng) for key, fact in entity.facts.items()
    }
    if entity.kind == "person" and rng.random() < 0.1:
        day, month, year = written["born"].split()
        written["born"] = f"{{{{birth date|{year}|{MONTHS.index(month) + 1}|{day}|df=yes}}}}"
    words = {"trade": rng.choice(_TRADES), "goods": rng.choice(_GOODS), "form": rng.choice(_FORMS)}
    if entity.kind == "town" and rng.random() < 0.1:
        written["residents"] += f" and an area of {{{{convert|{rng.randint(3, 90)}|km2}}}}"
    second = f" or '''{entity.second_name}'''" if entity.second_name else ""
    return rng.choice(_PAGES[entity.kind]).format(name=f"'''{entity.name}'''{second}", **written, **words)


# -- retellings -----------------------------------------------------------------------------------------------------

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


def _words_of(fact: Entity | str) -> list[str]:
    return fact.split() if isinstance(fact, str) else fact.words


class Reteller:
    """Writes the paragraphs of one page about one family.

    No two names of a paragraph share a word. The page's roots, from which its sentences start, are never linked on it:
    masks of linked names leave them visible. A town with a namesake is no root: nothing would tell which one it is.

    Args:
        descriptions: the share of sentences that start with a description by a root ("the founder of …") and then say
            facts of what it describes, which they do not name.
    """

    def __init__(self, family: list[Entity], rng: random.Random, descriptions: float = 0.0) -> None:
        choice = [entity for entity in family if entity.ruled_from is None]
        self._roots = rng.sample(choice, min(len(choice), max(1, round(_ROOTS * len(family)))))
        self._family = family
        self._rng = rng
        self._descriptions = descriptions
        self._named: set[str] = set()
        self._spans = 0

    def paragraph(self, spans: int) -> str:
        """Wikitext of a paragraph with at least ``spans`` links, dates and numbers, if the family has them."""
        self._named, self._spans = set(), 0
        sentences = []
        for root in self._rng.sample(self._roots, len(self._roots)):
            if self._spans < spans and self._named.isdisjoint(root.words):
                self._named.update(root.words)
                sentences.append(self._sentence(root))
        return " ".join(sentence for sentence in sentences if sentence)

    def _sentence(self, root: Entity) -> str | None:
        if self._rng.random() < _BRIDGED_SHARE:
            return self._bridged(root)
        if self._descriptions and self._rng.random() < self._descriptions:
            return self._described(root)
        return self._walk(self._name(root), root)

    def _is_new(self, fact: Entity | str) -> bool:
        return fact not in self._roots and self._named.isdisjoint(_words_of(fact))

    def _name(self, entity: Entity) -> str:
        """One of its names, without what tells namesakes apart: that is on short pages only."""
        return entity.called(entity.name, self._rng)

    def _say(self, fact: Entity | str) -> str:
        self._spans += 1
        self._named.update(_words_of(fact))
        return fact if isinstance(fact, str) else link(fact, self._name(fact), self._rng)

    def _pick(self, entity: Entity, but: set[str]) -> str | None:
        """The key of a fact that the paragraph can still state, without the keys in ``but``."""
        keys = [key for key, fact in entity.facts.items() if key not in but and self._is_new(fact)]
        return self._rng.choice(keys) if keys else None

    def _walk(self, start: str, subject: Entity) -> str | None:
        """A sentence of one to three facts, of its subject or of their own values ("…, who came from …, which …")."""
        text, used = start, set[str]()
        last: Entity | str = start
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
            text += joint + self._rng.choice(PHRASES[subject.kind][key]).format(self._say(last))
        return f"{text}." if text != start else None

    def _described(self, root: Entity) -> str | None:
        """A sentence about an entity that is described by the root, or about the root where it describes nothing."""
        choice = [
            (subject, wordings) for subject, wordings in described_by(root, self._family) if self._is_new(subject)
        ]
        if not choice:
            return self._walk(self._name(root), root)
        subject, wordings = self._rng.choice(choice)
        self._named.update(subject.words)
        start = self._rng.choice(wordings).format(self._name(root))
        return self._walk(start[0].upper() + start[1:], subject)

    def _bridged(self, root: Entity) -> str | None:
        """A sentence about a fact of a fact; the paragraph does not name the entity between."""
        first, second, wording = _BRIDGED[root.kind]
        between = root.facts[first]
        fact = between.facts[second] if isinstance(between, Entity) else between
        if not self._is_new(fact):
            return None
        name = self._name(root)
        return f"{name} {wording.format(self._say(fact))}."


def described_by(named: Entity, family: list[Entity]) -> list[tuple[Entity, list[str]]]:
    """What a name alone can describe, with wordings: facts of its own, and those whose fact it is, where unique."""
    forward = [(fact, DESCRIPTIONS[named.kind][key]) for key, fact in named.facts.items() if isinstance(fact, Entity)]
    return [*forward, *described_by_value(named, family)]


def described_by_value(value: Entity, family: list[Entity]) -> list[tuple[Entity, list[str]]]:
    """The entities that have this value as a fact that no other of their kind has it as, with wordings of that."""
    found = []
    for kind, of_kind in DESCRIPTIONS_BY_VALUE.items():
        for key, wordings in of_kind.items():
            holders = [entity for entity in family if entity.kind == kind and entity.facts[key] is value]
            found += [(holders[0], wordings)] if len(holders) == 1 else []
    return found
