"""The section `sets` of a config."""

import pytest

from schemas.config import read_config
from schemas.errors import BadInput
from tests.schemas.test_config import MINIMAL, written


def test_a_set_has_a_file_a_layout_and_a_split(tmp_path):
    text = MINIMAL + "sets: {hotpotqa: {path: a/b.json, layout: hotpotqa, shares: {train: 0.9, test: 0.1}}}"
    found = read_config(written(tmp_path, text)).sets["hotpotqa"]
    assert (found.file.path, found.file.model_dump()["layout"]) == ("a/b.json", "hotpotqa")
    assert found.splits == {"train": 0.9, "test": 0.1}
    assert read_config(written(tmp_path, MINIMAL)).sets == {}


def test_a_set_without_a_path_is_of_the_world_s_questions_or_claims(tmp_path):
    world = MINIMAL.replace("dump: somewhere.xml.bz2", "world: {families: {train: 1}, claims: 4}")
    claims = written(tmp_path, world + "sets: {c: {world: claims}}")
    assert read_config(claims).sets["c"].world == "claims"
    with pytest.raises(BadInput, match=r"sets\.q has no path: give one, or a world with questions"):
        read_config(written(tmp_path, world + "sets: {q: {}}"))


@pytest.mark.parametrize("layout", ["steps", "claims"])
def test_a_layout_whose_lines_have_splits_needs_none(tmp_path, layout):
    text = MINIMAL + f"sets: {{q: {{path: a, layout: {layout}}}}}"
    assert read_config(written(tmp_path, text)).sets["q"].splits == {}


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        ("ramp: {path: a, split: test}", "sets: ramp names the config's own masked questions"),
        ("A/b: {path: a, split: test}", "sets: 'A/b' cannot be the name of a set"),
        ("q: {path: a}", "sets.q: give either split (of all questions) or shares"),
        ("q: {path: a, split: test, shares: {test: 1}}", "sets.q: give either split"),
        ("q: {path: a, shares: {train: 0.5}}", "sets.q: shares sum to 0.5"),
        ("q: {path: a, shares: {trial: 1}}", "sets.q.shares.trial"),
        ("q: {path: a, split: test, seed: 2}", "sets.q: seed would not be read"),
        ("q: {path: a, split: test, limit: 0}", "sets.q.limit: Input should be greater than 0"),
        (
            "q: {path: a, split: test, layout: squad}",
            "sets.q.layout: there is no layout 'squad': choose one of hotpotqa",
        ),
        ("q: {path: a, split: test, layout: {kind: nobody}}", "sets.q.layout: there is no kind 'nobody'"),
        ("q: {path: '', split: test}", "sets.q.path: String should have at least 1 character"),
        ("q: {path: a, split: test, world: claims}", "sets.q: world would not be read: with a path the questions are"),
        ("q: {world: facts}", "sets.q.world: Input should be 'questions' or 'claims'"),
        ("q: {world: claims}", "sets.q has no path: give one, or a world with claims of its own (world.claims)"),
        ("q: {}", "sets.q has no path: give one, or a world with questions of its own (world.questions)"),
        ("q: {pth: a, split: test}", "sets.q.pth: unknown field"),
    ],
)
def test_a_wrong_set_is_one_line_with_its_place(tmp_path, sets, said):
    with pytest.raises(BadInput) as caught:
        read_config(written(tmp_path, MINIMAL + f"sets: {{{sets}}}"))
    assert said in str(caught.value) and "\n" not in str(caught.value)
