"""Claims about the small world: half of them true, and nothing in their words says which."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import combinations
from math import log
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.corpus_settings import WorldSettings
from schemas.records import Page, Split
from tasks.agent.scoring import holds
from tasks.corpus.pages import read_pages
from tasks.corpus.smallworld import world_claims, write_world
from tasks.corpus.worldclaims import WorldClaim
from tasks.dumps.dumps import cut, find_dump

SNAPSHOT = "smallworld-20260101"
SETTINGS = WorldSettings(
    seed=3,
    families={Split.TRAIN: 3, Split.RL: 1, Split.TEST: 2},
    retellings=3,
    namesakes=0.4,
    aliases=0.3,
    descriptions=0.3,
    questions=4,
    claims=24,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(SETTINGS, SNAPSHOT, str(folder))
    return folder


@pytest.fixture(scope="module")
def claims(folder: Path) -> list[WorldClaim]:
    """As they stand beside the dump."""
    lines = (folder / "claims.jsonl").read_text().splitlines()
    return [WorldClaim.model_validate(json.loads(line)) for line in lines]


@pytest.fixture(scope="module")
def texts(folder: Path) -> dict[str, str]:
    """The texts of pages as the pipeline reads them, by title."""
    pages = [page for part in cut(find_dump(str(folder)), 16) for page in read_pages(part, SNAPSHOT)]
    return {page.title: page.text for page in pages if isinstance(page, Page)}


def family(claim: WorldClaim) -> str:
    return claim.id.partition("-")[0]


def wording(claim: WorldClaim) -> str:
    """What the last step says of its subject: the words of one relation, without names, numbers and dates."""
    said = re.sub(r"^(#\d+|[A-Z]\w+(,? [A-Z]\w+)*) ", "", claim.steps[-1].question)
    return re.sub(r"\b([A-Z]\w+|\d+)\b,?", "", said).strip()


def words_in(claim: WorldClaim) -> list[str]:
    return re.findall(r"\w+", claim.claim)


def by_label(
    claims: list[WorldClaim], features: Callable[[WorldClaim], Iterable[Any]]
) -> tuple[Counter[Any], Counter[Any]]:
    """How often each feature occurs in supported and in refuted claims."""
    counts: dict[str, Counter[Any]] = {"supported": Counter(), "refuted": Counter()}
    for claim in claims:
        counts[claim.label].update(features(claim))
    return counts["supported"], counts["refuted"]


def test_every_family_has_as_many_claims_of_each_number_of_hops_as_asked_for(claims: list[WorldClaim]) -> None:
    counts = Counter((claim.split, claim.hops) for claim in claims)
    assert counts == {(split, hops): 24 * number for split, number in SETTINGS.families.items() for hops in (1, 2, 3)}
    assert len({claim.id for claim in claims}) == len({claim.claim for claim in claims}) == len(claims)
    assert {(claim.hops, claim.type) for claim in claims} == {(1, "fact"), (2, "bridge"), (3, "bridge")}


def test_half_of_the_claims_of_each_wording_and_number_of_hops_are_supported(claims: list[WorldClaim]) -> None:
    supported, refuted = by_label(claims, lambda claim: [(family(claim), claim.hops, wording(claim))])
    assert supported == refuted
    assert len({wording for _, _, wording in supported}) > 25, "of some 36 wordings"


def test_every_word_is_in_as_many_supported_as_refuted_claims(claims: list[WorldClaim]) -> None:
    supported, refuted = by_label(claims, lambda claim: [(claim.hops, word) for word in words_in(claim)])
    assert supported == refuted
    assert len(supported) > 500


def test_a_reader_of_claims_alone_is_right_half_of_the_times() -> None:
    """It counts words and pairs of words in the claims of 40 families, and judges those of 20 others by their odds."""
    settings = WorldSettings(families={Split.TRAIN: 40, Split.TEST: 20}, claims=24, namesakes=0.4, aliases=0.3)

    def features(claim: WorldClaim) -> set[tuple[str, ...]]:
        words = words_in(claim)
        return {*((word,) for word in words), *combinations(words, 2)}

    claims = list(world_claims(settings))
    supported, refuted = by_label([claim for claim in claims if claim.split == "train"], features)
    judged = [
        sum(log((supported[one] + 1) / (refuted[one] + 1)) for one in features(claim))
        * (1 if claim.label == "supported" else -1)
        for claim in claims
        if claim.split == "test"
    ]
    right = fmean(0.5 if odds == 0 else float(odds > 0) for odds in judged)
    assert len(judged) == 1440
    assert right == pytest.approx(0.5, abs=0.05)


def test_what_is_claimed_is_what_the_page_states_or_the_value_of_another(
    claims: list[WorldClaim], texts: dict[str, str]
) -> None:
    for claim in claims:
        assert {step.support for step in claim.steps} == set(range(len(claim.support)))
        assert len(claim.support) == claim.hops
        for step in claim.steps:
            title = claim.support[step.support].title
            assert holds(f"{title}: {texts[title]}", step.answer), (claim.claim, step)
        assert holds(claim.claim, claim.steps[-1].answer) == (claim.label == "supported"), claim.claim


def test_a_refuted_claim_states_a_value_that_is_true_of_another_subject(claims: list[WorldClaim]) -> None:
    true = {(family(claim), claim.steps[-1].answer) for claim in claims}
    for claim in claims:
        said = claim.steps[-1].question
        assert any(name == family(claim) and holds(said, value) for name, value in true), claim.claim


def test_a_world_has_the_same_pages_and_questions_with_claims_and_without(folder: Path, tmp_path: Path) -> None:
    write_world(SETTINGS.model_copy(update={"claims": 0}), SNAPSHOT, str(tmp_path))
    assert {file.name for file in folder.iterdir()} - {file.name for file in tmp_path.iterdir()} == {"claims.jsonl"}
    for file in tmp_path.iterdir():
        assert file.read_bytes() == (folder / file.name).read_bytes(), file.name


def test_the_same_world_has_the_same_claims(claims: list[WorldClaim]) -> None:
    assert list(world_claims(SETTINGS)) == claims


def test_a_family_too_small_for_so_many_claims_gives_fours_that_it_has() -> None:
    tiny = WorldSettings(families={Split.TRAIN: 1}, towns=3, firms=1, people=3, works=1, retellings=1, claims=800)
    found = list(world_claims(tiny))
    counts = Counter((claim.hops, claim.label) for claim in found)
    for hops in (1, 2, 3):
        assert 0 < counts[hops, "supported"] == counts[hops, "refuted"] < 400


def test_claims_that_are_no_fours_are_refused() -> None:
    with pytest.raises(ValidationError, match="multiple of 4"):
        WorldSettings(families={Split.TRAIN: 1}, claims=6)
