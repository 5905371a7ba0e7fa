"""Questions about the small world, of one to three hops, from the facts of one family.

A **fact** is asked of a named entity, a **bridge** of an entity that is described by others ("Where was the teacher of
the founder of … born?"), a **comparison** of the older or larger of two. Every question has one answer by the world's
facts, which does not stand in the question; short pages, its support, hold what each step needs. Where two towns have
one name, questions, answers and short pages say which they mean.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from schemas.corpus_settings import WorldSettings
from schemas.records import Record, Split, Step, Support
from tasks.corpus.words import occurrences
from tasks.corpus.worldphrases import COMPARISONS, DESCRIPTIONS, QUESTIONS
from tasks.corpus.worldtext import Entity, described_by_value

HOPS = (1, 2, 3)
_COMPARISONS = 0.25
"""The share of comparisons among the questions of two and of three hops."""
_ATTEMPTS = 50
"""Attempts for each question: a small family may have fewer questions than are asked for."""


class WorldQuestion(Record):
    """A line of ``questions.jsonl``. ``support`` holds titles of short pages; ``steps`` as in `Question`."""

    id: str
    question: str
    answer: str
    aliases: list[str]
    type: Literal["fact", "bridge", "comparison"]
    hops: int
    split: Split
    support: list[Support]
    steps: list[Step]


def family_questions(
    number: int, split: Split, settings: WorldSettings, family: list[Entity]
) -> Iterator[WorldQuestion]:
    """So many different questions of each number of hops, fewer if the family has no more."""
    rng = random.Random(f"{settings.seed} questions {number}")
    for hops in HOPS:
        asked: set[str] = set()
        for _ in range(settings.questions):
            compared = hops > 1 and rng.random() < _COMPARISONS
            draws = (_draw(family, hops, compared, settings.descriptions, rng) for _ in range(_ATTEMPTS))
            drawn = next((drawn for drawn in draws if drawn is not None and drawn.words not in asked), None)
            if drawn is not None:
                yield _question(f"w{number}-{hops}-{len(asked)}", split, hops, drawn)
                asked.add(drawn.words)


@dataclass(frozen=True)
class _Chain:
    """A description, or at last a question, and how its value is found.

    ``words`` say it in full; ``reference`` is the name, or the number of the step (#2) whose answer it is. ``named``
    are the entities that the words name.
    """

    type: Literal["fact", "bridge", "comparison"]
    words: str
    reference: str
    value: Entity | str
    named: tuple[Entity, ...]
    pages: tuple[Entity, ...] = ()
    steps: tuple[Step, ...] = ()

    def extended(self, wording: str, page: Entity, value: Entity | str) -> "_Chain":
        """One step further: a wording about what the chain has led to, answered by a page."""
        pages = self.pages if page in self.pages else (*self.pages, page)
        answer = value.full_name if isinstance(value, Entity) else value
        step = Step(question=wording.format(self.reference), answer=answer, support=pages.index(page))
        return replace(
            self,
            words=wording.format(self.words),
            reference=f"#{len(self.steps) + 1}",
            value=value,
            pages=pages,
            steps=(*self.steps, step),
        )


def _draw(family: list[Entity], hops: int, compared: bool, descriptions: float, rng: random.Random) -> _Chain | None:
    """A random question of so many hops; None where what was drawn makes none."""
    chain = _compared(family, rng) if compared else _begun(family, hops, descriptions, rng)
    for _ in range(hops - (2 if compared else 1)):
        chain = chain and _followed(chain, rng)
    return chain and _asked(chain, rng)


def _begun(family: list[Entity], hops: int, descriptions: float, rng: random.Random) -> _Chain:
    """A named entity, or one that a name describes."""
    entity = rng.choice(family)
    kind: Literal["fact", "bridge"] = "fact" if hops == 1 else "bridge"
    described = described_by_value(entity, family) if descriptions and rng.random() < descriptions else []
    if not described:
        name = entity.called(entity.full_name, rng)
        return _Chain(kind, name, name, entity, (entity,))
    subject, wordings = rng.choice(described)
    # The page of what is described states the full name alone.
    chain = _Chain(kind, entity.full_name, entity.full_name, entity, (entity,))
    return chain.extended(rng.choice(wordings), subject, subject)


def _compared(family: list[Entity], rng: random.Random) -> _Chain | None:
    """The older or larger of two entities of a kind; None where they are equal, or there are no two."""
    first = rng.choice(family)
    others = [entity for entity in family if entity.kind == first.kind and entity is not first]
    if not others:
        return None
    second = rng.choice(others)
    key, most, wording = rng.choice(COMPARISONS[first.kind])
    numbers = [int(str(entity.facts[key]).split()[-1]) for entity in (first, second)]
    if numbers[0] == numbers[1]:
        return None
    winner = first if (numbers[0] > numbers[1]) == most else second
    names = [entity.called(entity.full_name, rng) for entity in (first, second)]
    chain = _Chain("comparison", "", "", first, (first, second))
    for entity, name in zip((first, second), names, strict=True):
        chain = chain.extended(QUESTIONS[first.kind][key][0].format(name), entity, entity.facts[key])
    return replace(chain.extended(wording.format(*names), winner, winner), words=wording.format(*names))


def _followed(chain: _Chain, rng: random.Random) -> _Chain | None:
    """A description of another entity by a fact of the chain's; None where the chain would turn back."""
    entity = chain.value
    assert isinstance(entity, Entity)
    key = rng.choice(sorted(DESCRIPTIONS[entity.kind]))
    value = entity.facts[key]
    if value is entity or value in (*chain.pages, *chain.named) or _is_undecided(chain, key):
        return None
    return chain.extended(rng.choice(DESCRIPTIONS[entity.kind][key]), entity, value)


def _asked(chain: _Chain, rng: random.Random) -> _Chain | None:
    """The question about a fact of the chain's entity; None where it shows its answer."""
    entity = chain.value
    assert isinstance(entity, Entity)
    key = rng.choice(sorted(entity.facts))
    if _is_undecided(chain, key):
        return None
    asked = chain.extended(rng.choice(QUESTIONS[entity.kind][key]), entity, entity.facts[key])
    asked = replace(asked, words=asked.words[0].upper() + asked.words[1:])
    shown = any(occurrences(asked.words, form) for form in (str(asked.steps[-1].answer), *_aliases(asked.value)))
    return None if shown else asked


def _is_undecided(chain: _Chain, key: str) -> bool:
    """Whether both compared entities have the same fact, or it is what was compared: the comparison asks nothing."""
    if chain.type != "comparison" or chain.value not in chain.pages:
        return False
    first, second = chain.pages[:2]
    return first.facts[key] == second.facts[key] or first.facts[key] == chain.steps[0].answer


def _aliases(value: Entity | str) -> list[str]:
    """Other right forms of an answer: other names, a date with the month first."""
    if isinstance(value, Entity):
        names = [value.name, value.title, value.second_name]
        return list(dict.fromkeys(name for name in names if name and name != value.full_name))
    day, *month_year = value.split()
    return [f"{month_year[0]} {day}, {month_year[1]}"] if month_year else []


def _question(question_id: str, split: Split, hops: int, chain: _Chain) -> WorldQuestion:
    return WorldQuestion(
        id=question_id,
        question=chain.words,
        answer=chain.steps[-1].answer,
        aliases=_aliases(chain.value),
        type=chain.type,
        hops=hops,
        split=split,
        support=[Support(title=page.title, text=None) for page in chain.pages],
        steps=list(chain.steps),
    )
