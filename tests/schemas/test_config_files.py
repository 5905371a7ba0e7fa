"""How a config is read from its files: extended files, repeated keys, malformed sections."""

import pytest

from schemas.config import read_config
from schemas.errors import BadInput
from tests.schemas.test_config import MINIMAL, written


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ("ramp:\n  seed: 1\n  min_words: 9\n  seed: 2\n", "line 9: the key seed occurs twice"),
        ("dump: another.xml.bz2", "line 6: the key dump occurs twice"),
        ("extends: config.yaml", "extends config.yaml, which extends it in turn"),
        ("extends: [a.yaml, b.yaml]", "extends: name one file, not ['a.yaml', 'b.yaml']"),
        ("extends: ''", "extends: name one file"),
    ],
)
def test_an_unreadable_config_is_reported_in_one_line(tmp_path, added, said):
    with pytest.raises(BadInput) as caught:
        read_config(written(tmp_path, MINIMAL + added))
    assert said in str(caught.value)
    assert "config.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("jobs", ["null", "ray", "[]", "{backend: slurm}", "{backend: [ray]}"])
def test_jobs_without_a_known_backend_are_refused_in_words_for_people(tmp_path, jobs):
    text = MINIMAL.replace("{root: runs/small}", f"{{root: runs/small, jobs: {jobs}}}")
    with pytest.raises(BadInput, match=r"runtime\.jobs: must be a mapping whose backend is local, ray or kuberay$"):
        read_config(written(tmp_path, text))


def test_two_configs_that_extend_each_other_are_refused(tmp_path):
    written(tmp_path, "extends: config.yaml\n", "other.yaml")
    with pytest.raises(BadInput, match="which extends it in turn"):
        read_config(written(tmp_path, "extends: other.yaml\n"))


def test_an_empty_path_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"runtime\.root"):
        read_config(written(tmp_path, MINIMAL.replace("runs/small", "''")))


def test_a_key_may_be_merged_and_changed(tmp_path):
    text = MINIMAL + "agent: &agent {hits: 2}\nramp:\n  <<: {seed: 3}\n  seed: 4\n"
    assert read_config(written(tmp_path, text)).ramp.seed == 4
