"""A protocol's file: what it may say, and what contradicts itself."""

from pathlib import Path

import pytest

from schemas.config import read_config
from schemas.errors import BadInput
from schemas.protocol_settings import read_protocol
from schemas.settings import AgentSettings

ROOT = Path(__file__).parents[2]
FOUR_TAGS = ROOT / "deploy/protocols/four-tags.yaml"
MESSAGE = "message: 'Use <search>, then <answer>. {question}'\n"


def test_the_shipped_protocol_has_the_published_terms():
    protocol = read_protocol(str(FOUR_TAGS))
    agent = protocol.limited(AgentSettings(instruction="be brief", hold_back="page", max_searches=9))
    assert (agent.max_searches, agent.max_turn_tokens, agent.max_information_tokens) == (4, 500, 500)
    assert (agent.hits, agent.max_tokens, agent.hold_back, agent.instruction) == (3, 4096, "page", "")
    assert protocol.tags.all == ("think", "search", "information", "answer")
    assert protocol.question_mark and protocol.chat_template and not protocol.several_queries


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a, list]", "not a protocol: its top level must be a mapping"),
        ("name: [", "not YAML"),
        (MESSAGE, "name: Field required"),
        ("name: Mine\n" + MESSAGE, "'Mine' cannot be the name of a protocol"),
        ("name: rag\n" + MESSAGE, "'rag' is a way or a retrieval"),
        ("name: a\nmessage: answer me\n", r"{question} must occur once, not 0 times"),
        ("name: a\nmessage: '{question} {question}'\n", r"{question} must occur once, not 2 times"),
        ("name: a\ntags: {search: answer}\n" + MESSAGE, "two of think, answer, information, answer are the same"),
        ("name: a\ntags: {search: 'a b'}\n" + MESSAGE, "tags.search: String should match"),
        ("name: a\ntags: {search: query}\n" + MESSAGE, "the message explains tags, but not <query>"),
        ("name: a\npassage: '{title}'\n" + MESSAGE, "it does not show {text}"),
        ("name: a\npassage: '{txt} {text}'\n" + MESSAGE, "{txt} is not known"),
        ("name: a\nlimits: {max_tokens: 100, max_turn_tokens: 100}\n" + MESSAGE, "max_turn_tokens 100 leaves no room"),
        ("name: a\nlimit: {hits: 3}\n" + MESSAGE, "limit: unknown field"),
        ("name: a\nname: b\n" + MESSAGE, "the key name occurs twice"),
    ],
)
def test_a_protocol_that_contradicts_itself_is_refused_in_one_line(tmp_path, text, said):
    path = tmp_path / "protocol.yaml"
    path.write_text(text)
    with pytest.raises(ValueError) as refusal:
        read_protocol(str(path))
    assert str(refusal.value).startswith(f"{path}: ")
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_message_that_explains_no_tags_is_for_a_model_that_knows_them(tmp_path):
    path = tmp_path / "protocol.yaml"
    path.write_text("name: a\ntags: {search: query}\nmessage: '{question}'\n")
    assert read_protocol(str(path)).tags.search == "query"


def _config(*contestants: dict, **more):
    sets = {"ramp": {"contestants": list(contestants)}}
    return read_config(ROOT / "deploy/configs/sample.yaml", {"evaluation": {"sets": sets}, **more})


def test_a_contestant_takes_a_protocol_from_a_file_or_as_it_is_written():
    config = _config({"model": "pub", "path": "models/pub", "protocol": str(FOUR_TAGS)})
    (contestant,) = config.evaluation.sets["ramp"].contestants
    assert contestant.protocol == read_protocol(str(FOUR_TAGS))
    again = _config(contestant.model_dump(mode="json"))
    assert again.evaluation == config.evaluation, "a config that was written out is the same"


@pytest.mark.parametrize(
    ("contestants", "said"),
    [
        ([{"model": "start", "protocol": "nowhere.yaml"}], "nowhere.yaml: no such file"),
        ([{"model": "other"}], "choose one of start, .*, or give the path of a published model"),
        ([{"model": "ramp-rl", "path": "models/a"}], "'ramp-rl' has a path, but a model of this config has that name"),
        ([{"model": "untrained", "path": "models/a"}], "'untrained' has a path, but a model of this config"),
        ([{"model": "Qwen", "path": "models/a"}], "'Qwen' cannot be the name of a model"),
        (
            [{"model": "a", "path": "models/a"}, {"model": "a", "path": "models/b", "way": "rag"}],
            "'a' has the paths models/a and models/b",
        ),
        (
            [{"model": "a", "path": "models/a", "way": "prompt"}, {"model": "a", "path": "models/a", "way": "prompt"}],
            "two contestants are a, way prompt, retrieval live",
        ),
        (
            [{"model": "start", "way": "prompt", "protocol": {"name": "explained", "message": "{question}"}}],
            "'explained' is the built-in protocol of way prompt",
        ),
        ([{"model": "start", "protocol": str(FOUR_TAGS)}], "four-tags has max_tokens 4096, and the model start reads"),
    ],
)
def test_contestants_that_contradict_themselves_are_refused_when_the_config_is_read(contestants, said):
    with pytest.raises(BadInput, match=said):
        _config(*contestants)


def test_published_models_alone_need_no_model_of_the_config():
    published = {"model": "pub", "path": "models/pub", "way": "prompt"}
    config = _config(published, model=None, tokenizer=None, training=[], teacher=None)
    assert config.model is None
    with pytest.raises(BadInput, match="evaluation needs the section model"):
        _config(published, {"model": "start"}, model=None, tokenizer=None, training=[], teacher=None)
