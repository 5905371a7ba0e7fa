"""Questions about the small world, of one to three hops, from the facts of one family.

A **fact** is asked of a named entity, a **bridge** of an entity that is described by others ("Where was the teacher of
the founder of … born?"), a **comparison** of the older or larger of two. Every question has one answer by the world's
facts, which does not stand in the question; short pages, its support, hold what each step needs. Where two towns have
one name, questions, answers and short pages say which they mean.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from schemas.corpus_settings import WorldSettings
from schemas.records import Record, Split, Step, Support
from tasks.corpus.worldchains import ATTEMPTS, HOPS, Chain, aliases_of, begun, is_undecided, led_on, names_value
from tasks.corpus.worldphrases import COMPARISONS, QUESTIONS
from tasks.corpus.worldtext import Entity

_COMPARISONS = 0.25
"""The share of comparisons among the questions of two and of three hops."""


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
            draws = (_draw(family, hops, compared, settings.descriptions, rng) for _ in range(ATTEMPTS))
            drawn = next((drawn for drawn in draws if drawn is not None and drawn.words not in asked), None)
            if drawn is not None:
                yield _question(f"w{number}-{hops}-{len(asked)}", split, hops, drawn)
                asked.add(drawn.words)


def _draw(family: list[Entity], hops: int, compared: bool, descriptions: float, rng: random.Random) -> Chain | None:
    """A random question of so many hops; None where what was drawn makes none."""
    first = _compared(family, rng) if compared else begun(family, hops, descriptions, rng)
    chain = led_on(first, hops - (2 if compared else 1), rng)
    return chain and _asked(chain, rng)


def _compared(family: list[Entity], rng: random.Random) -> Chain | None:
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
    chain = Chain("comparison", "", "", first, (first, second))
    for entity, name in zip((first, second), names, strict=True):
        chain = chain.extended(QUESTIONS[first.kind][key][0].format(name), entity, entity.facts[key])
    return replace(chain.extended(wording.format(*names), winner, winner), words=wording.format(*names))


def _asked(chain: Chain, rng: random.Random) -> Chain | None:
    """The question about a fact of the chain's entity; None where it shows its answer."""
    entity = chain.value
    assert isinstance(entity, Entity)
    key = rng.choice(sorted(entity.facts))
    if is_undecided(chain, key):
        return None
    asked = chain.extended(rng.choice(QUESTIONS[entity.kind][key]), entity, entity.facts[key])
    asked = replace(asked, words=asked.words[0].upper() + asked.words[1:])
    return None if names_value(asked.words, asked.value) else asked


def _question(question_id: str, split: Split, hops: int, chain: Chain) -> WorldQuestion:
    return WorldQuestion(
        id=question_id,
        question=chain.words,
        answer=chain.steps[-1].answer,
        aliases=aliases_of(chain.value),
        type=chain.type,
        hops=hops,
        split=split,
        support=[Support(title=page.title, text=None) for page in chain.pages],
        steps=list(chain.steps),
    )
