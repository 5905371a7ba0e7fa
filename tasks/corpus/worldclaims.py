"""Claims about the small world, supported or refuted by its facts, of one to three hops.

A claim states a **fact** of a named entity, or of an entity that a **bridge** of others leads to ("The birthplace of
the founder of … answers to …"). Claims come in fours, about two subjects and one fact: each subject is stated with its
own value, which is supported, and with the other's, which is refuted. So the words of supported and of refuted claims
are the same ones, in the same numbers: who only reads the claim cannot know which it is.
"""

import random
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from schemas.corpus_settings import CLAIMS_A_GROUP, WorldSettings
from schemas.records import ClaimLabel, Record, Split, Step, Support
from tasks.corpus.words import occurrences
from tasks.corpus.worldchains import ATTEMPTS, HOPS, Chain, begun, forms_of, led_on, written
from tasks.corpus.worldphrases import PAGE_PHRASES, PHRASES
from tasks.corpus.worldtext import Entity

_WORD = re.compile(r"\w+")


class WorldClaim(Record):
    """A line of ``claims.jsonl``. ``support`` holds titles of short pages.

    ``steps`` are as in `Question`. The last one states what is claimed; its answer is the value that the page states.
    """

    id: str
    claim: str
    label: ClaimLabel
    type: Literal["fact", "bridge"]
    hops: int
    split: Split
    support: list[Support]
    steps: list[Step]


def family_claims(number: int, split: Split, settings: WorldSettings, family: list[Entity]) -> Iterator[WorldClaim]:
    """So many different claims of each number of hops, fewer if the family has no more."""
    rng = random.Random(f"{settings.seed} claims {number}")
    for hops in HOPS:
        stated: set[str] = set()
        for _ in range(settings.claims // CLAIMS_A_GROUP):
            draws = (_group(family, hops, settings.descriptions, rng) for _ in range(ATTEMPTS))
            fits = (group for group in draws if stated.isdisjoint(claim.text for claim in group))
            group = next((group for group in fits if group), None)
            if group is None:
                break
            for claim in group:
                yield _row(f"c{number}-{hops}-{len(stated)}", split, hops, claim)
                stated.add(claim.text)


class _Claim(NamedTuple):
    chain: Chain
    label: ClaimLabel

    @property
    def text(self) -> str:
        words = self.chain.words
        return f"{words[0].upper()}{words[1:]}."


def _group(family: list[Entity], hops: int, descriptions: float, rng: random.Random) -> list[_Claim]:
    """The four claims about two random subjects; empty where what was drawn makes none."""
    subject = led_on(begun(family, hops, descriptions, rng), hops - 1, rng)
    others = (led_on(begun(family, hops, descriptions, rng), hops - 1, rng) for _ in range(ATTEMPTS))
    other = subject and next((each for each in others if each and _kind(each) == _kind(subject)), None)
    if subject is None or other is None:
        return []
    key = rng.choice(sorted(PHRASES[_kind(subject)]))
    values = [_entity(each).facts[key] for each in (subject, other)]
    if not _can_be_swapped([subject, other], values):
        return []
    claims = []
    for chain, own in zip((subject, other), values, strict=True):
        phrase = rng.choice([PAGE_PHRASES[_kind(subject)][key], *PHRASES[_kind(subject)][key]])
        for value in values:
            stated = chain.extended(f"{{}} {phrase.format(written(value))}", _entity(chain), own)
            claims.append(_Claim(stated, ClaimLabel.SUPPORTED if value == own else ClaimLabel.REFUTED))
    return claims


def _can_be_swapped(subjects: list[Chain], values: list[Entity | str]) -> bool:
    """Whether each of two values can be stated of each subject.

    None of them is that subject or shares a word with what is said of it, and neither value contains the other.
    """
    one, other = map(written, values)
    if occurrences(one, other) or occurrences(other, one):
        return False
    words = {word for value in values for form in forms_of(value) for word in _WORD.findall(form)}
    return not any(chain.value in values or any(occurrences(chain.words, word) for word in words) for chain in subjects)


def _entity(chain: Chain) -> Entity:
    assert isinstance(chain.value, Entity), "a chain without a question ends at an entity"
    return chain.value


def _kind(chain: Chain) -> Literal["town", "person", "firm", "work"]:
    return _entity(chain).kind


def _row(claim_id: str, split: Split, hops: int, claim: _Claim) -> WorldClaim:
    chain = claim.chain
    return WorldClaim(
        id=claim_id,
        claim=claim.text,
        label=claim.label,
        type="fact" if hops == 1 else "bridge",
        hops=hops,
        split=split,
        support=[Support(title=page.title, text=None) for page in chain.pages],
        steps=list(chain.steps),
    )
