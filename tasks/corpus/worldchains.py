"""Chains of facts of one family of the small world: what questions and claims are about.

A chain begins with a named entity, or with one that a name describes ("the firm that … founded"), and is led on from
fact to fact: each step describes the next entity by the one before ("the teacher of the founder of …").
"""

import random
from dataclasses import dataclass, replace
from typing import Literal

from schemas.records import Step
from tasks.corpus.words import occurrences
from tasks.corpus.worldphrases import DESCRIPTIONS
from tasks.corpus.worldtext import Entity, described_by_value

HOPS = (1, 2, 3)
ATTEMPTS = 50
"""Draws for each question or claim: a small family may have fewer than are asked for."""


@dataclass(frozen=True)
class Chain:
    """A description, or at last a question or claim, and how its value is found.

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

    def extended(self, wording: str, page: Entity, value: Entity | str) -> "Chain":
        """One step further: a wording about what the chain has led to, answered by a page."""
        pages = self.pages if page in self.pages else (*self.pages, page)
        step = Step(question=wording.format(self.reference), answer=written(value), support=pages.index(page))
        return replace(
            self,
            words=wording.format(self.words),
            reference=f"#{len(self.steps) + 1}",
            value=value,
            pages=pages,
            steps=(*self.steps, step),
        )


def begun(family: list[Entity], hops: int, descriptions: float, rng: random.Random) -> Chain:
    """A named entity, or one that a name describes, for something of so many hops."""
    entity = rng.choice(family)
    kind: Literal["fact", "bridge"] = "fact" if hops == 1 else "bridge"
    described = described_by_value(entity, family) if descriptions and rng.random() < descriptions else []
    if not described:
        name = entity.called(entity.full_name, rng)
        return Chain(kind, name, name, entity, (entity,))
    subject, wordings = rng.choice(described)
    # The page of what is described states the full name alone.
    chain = Chain(kind, entity.full_name, entity.full_name, entity, (entity,))
    return chain.extended(rng.choice(wordings), subject, subject)


def led_on(chain: Chain | None, times: int, rng: random.Random) -> Chain | None:
    """The chain, led on to another entity so many times; None where it would turn back."""
    for _ in range(times):
        chain = chain and _followed(chain, rng)
    return chain


def _followed(chain: Chain, rng: random.Random) -> Chain | None:
    """A description of another entity by a fact of the chain's; None where the chain would turn back."""
    entity = chain.value
    assert isinstance(entity, Entity)
    key = rng.choice(sorted(DESCRIPTIONS[entity.kind]))
    value = entity.facts[key]
    if value is entity or value in (*chain.pages, *chain.named) or is_undecided(chain, key):
        return None
    return chain.extended(rng.choice(DESCRIPTIONS[entity.kind][key]), entity, value)


def is_undecided(chain: Chain, key: str) -> bool:
    """Whether both compared entities have the same fact, or it is what was compared: the comparison asks nothing."""
    if chain.type != "comparison" or chain.value not in chain.pages:
        return False
    first, second = chain.pages[:2]
    return first.facts[key] == second.facts[key] or first.facts[key] == chain.steps[0].answer


def written(value: Entity | str) -> str:
    """A value as short pages state it."""
    return value.full_name if isinstance(value, Entity) else value


def aliases_of(value: Entity | str) -> list[str]:
    """Other right forms of a value: other names, a date with the month first."""
    if isinstance(value, Entity):
        names = [value.name, value.title, value.second_name]
        return list(dict.fromkeys(name for name in names if name and name != value.full_name))
    day, *month_year = value.split()
    return [f"{month_year[0]} {day}, {month_year[1]}"] if month_year else []


def forms_of(value: Entity | str) -> list[str]:
    """All right forms of a value, as it is written first."""
    return [written(value), *aliases_of(value)]


def names_value(words: str, value: Entity | str) -> bool:
    """Whether the words contain a value in any of its forms."""
    return any(occurrences(words, form) for form in forms_of(value))
