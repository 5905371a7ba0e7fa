"""What a config's unfinished stages lack is told, and what nobody reads any more is not asked for."""

from pathlib import Path

import pytest

from schemas.config import read_config
from schemas.errors import BadInput
from tasks.pipeline.graph import stages_of
from tasks.pipeline.readiness import found_for, refuse_unready, unfinished

TINY = Path(__file__).parents[2] / "chaos" / "tiny.yaml"


def config_of(tmp_path, **overrides):
    runtime = {"root": str(tmp_path / "root"), **overrides.pop("runtime", {})}
    return read_config(TINY, {"runtime": runtime, **overrides})


def refuse(config):
    refuse_unready(unfinished(config, stages_of(config)))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"world": None, "dump": "nowhere.xml.bz2", "snapshot": "enwiki-20240101"}, "nowhere.xml.bz2"),
        ({"world": None, "dump": "foo://b/d.xml", "snapshot": "enwiki-20240101"}, "foo://b/d.xml: cannot be opened"),
        ({"model": {"path": "/no/such"}}, "model.path /no/such: no such folder"),
        ({"model": {"heads": 5}}, "model.heads 5: model.hidden (64)"),
        ({"model": {"heads": 4, "key_value_heads": 3}}, "model.key_value_heads 3"),
        ({"tokenizer": {"vocabulary": None, "path": "/no/such"}}, "tokenizer.path /no/such"),
        ({"teacher": {"kind": "multi_agent", "model": "m"}}, "needs runtime.teacher_endpoint.url"),
        (
            {
                "teacher": {"kind": "multi_agent"},
                "runtime": {"teacher_endpoint": {"url": "http://h/v1", "key_variable": "UNSET_KEY"}},
            },
            "the environment variable UNSET_KEY is not set",
        ),
        ({"ramp": {"reference": {"path": "/no/such"}}}, "ramp.reference.path /no/such"),
        ({"ramp": {"leaks": {"sets": ["/no/such.jsonl"]}}}, "ramp.leaks.sets: no such file: /no/such.jsonl"),
        ({"ramp": {"leaks": {"sets": ["foo://b/a.jsonl"]}}}, "foo://b/a.jsonl: cannot be opened"),
        ({"ramp": {"spans": {"backend": "llm"}}}, "ramp.spans.kind llm needs runtime.span_endpoint.url"),
        ({"ramp": {"spans": {"backend": "spacy", "model": "./no"}}}, "ramp.spans"),
        ({"index": {"kind": "dense", "encoder": {"path": "/no/such"}}}, "index.encoder.path /no/such"),
        ({"runtime": {"root": "memory://bucket/root"}}, "jobs, which need a file system"),
    ],
)
def test_missing_files_are_reported_with_their_setting(tmp_path, overrides, said):
    with pytest.raises(BadInput) as refused:
        refuse(config_of(tmp_path, **overrides))
    assert said in str(refused.value)
    assert "Repo id" not in str(refused.value)


def test_all_missing_files_are_reported_at_once(tmp_path):
    with pytest.raises(BadInput, match=r"model\.path .*; .*tokenizer\.path|tokenizer\.path .*; .*model\.path"):
        refuse(config_of(tmp_path, model={"path": "/m"}, tokenizer={"vocabulary": None, "path": "/t"}))


def test_a_config_that_lacks_nothing_is_ready(tmp_path):
    refuse(config_of(tmp_path))


def test_only_needs_of_unfinished_stages_are_checked(tmp_path):
    config = config_of(tmp_path, model={"path": "/gone"})
    others = [stage for stage in stages_of(config) if stage.label != "untrained"]
    assert all(is_there for is_there, _ in found_for(others))


def test_a_model_that_only_a_cluster_sees_is_not_checked(tmp_path):
    jobs = {"backend": "ray", "working_dir": "/w"}
    refuse(config_of(tmp_path, model={"path": "/of/the/cluster"}, runtime={"jobs": jobs}))


def test_a_folder_that_is_no_language_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BadInput, match=r"no weights|no language model"):
        refuse(config_of(tmp_path, model={"path": str(tmp_path)}))
