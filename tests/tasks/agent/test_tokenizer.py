"""Tokenizers: what is encoded reads back, tags are one id, names keep their pieces, saved folders load anywhere."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval_index.hits import Hit
from schemas.errors import BadInput
from schemas.settings import AgentSettings
from tasks.agent.protocol import MASK, TAGS, answer_turn, information_of, prompt_of, search_turn
from tasks.agent.tokenizer import AgentTokenizer, adopt_tokenizer, train_tokenizer
from tests.support import published_tokenizers
from tests.support.examples import qa_question

TEXTS = [
    "Karlo Vint was born in Velmar on 3 May 1871.",
    "Velmar: Velmar is a town on the river Orlam.",
    "Tiskor was set up in 1902 by Karlo Vint, who came from Orlam.",
] * 20


@pytest.fixture(scope="module")
def tokenizer() -> AgentTokenizer:
    return train_tokenizer(TEXTS, vocabulary=420)


def as_read_back(text: str) -> str:
    """The documented normalisation: no single space after a tag, after a line break, at the start; no U+2581."""
    text = text.replace("▁", " ")
    for edge in ("\n", *TAGS):
        text = text.replace(f"{edge} ", edge)
    return text.removeprefix(" ")


SCRAPS = st.sampled_from([*TAGS, MASK, "\n", " ", "Karlo Vint", "12345", "<0x41>", "日本", "é", "[ma", ",", "\t"])
TEXT = st.lists(SCRAPS | st.text(max_size=8), max_size=12).map("".join)


@given(text=TEXT)
def test_what_is_encoded_reads_back(tokenizer: AgentTokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == as_read_back(text)


@given(ids=st.lists(st.integers(0, 419), max_size=30))
def test_any_sampled_ids_read_as_text_with_every_tag_shown(tokenizer: AgentTokenizer, ids: list[int]) -> None:
    ids = [index for index in ids if index < tokenizer.vocabulary]
    text = tokenizer.decode(ids)
    for tag in TAGS:
        assert text.count(tag) == ids.count(tokenizer.tag_id(tag))


def test_a_turn_reads_back_as_it_was_written(tokenizer: AgentTokenizer) -> None:
    for turn in (search_turn("Karlo Vint was born in", ["Karlo Vint", "Velmar"]), answer_turn("Velmar", "In Velmar.")):
        assert tokenizer.decode(tokenizer.encode(turn)) == turn


def test_every_tag_and_mask_is_one_id(tokenizer: AgentTokenizer) -> None:
    for tag in TAGS:
        assert tokenizer.encode(tag) == [tokenizer.tag_id(tag)]
    assert len(tokenizer.encode(f"in {MASK}, who")) == len(tokenizer.encode("in Orlam, who"))


@pytest.mark.parametrize("before", ["<search>", "in ", "\n", "<think>was ", ""])
def test_a_name_has_the_same_pieces_wherever_it_stands(tokenizer: AgentTokenizer, before: str) -> None:
    name = tokenizer.encode("Karlo Vint")
    assert tokenizer.encode(f"{before}Karlo Vint")[-len(name) :] == name
    assert tokenizer.encode(f"{before}Karlo Vint, who")[-2 - len(name) : -2] == name


def test_numbers_are_cut_into_pairs_of_digits(tokenizer: AgentTokenizer) -> None:
    year, other = tokenizer.encode("in 1871"), tokenizer.encode("in 1902")
    assert len(year) == len(other) == 3


def test_a_saved_folder_loads_here_and_in_transformers(tokenizer: AgentTokenizer, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer.save(str(tmp_path))
    text = f"<think>born in</think><search>Karlo Vint\nVelmar</search> {MASK}."
    again, published = AgentTokenizer.load(str(tmp_path)), AutoTokenizer.from_pretrained(tmp_path)
    assert again.encode(text) == tokenizer.encode(text) == published.encode(text, add_special_tokens=False)
    assert (again.pad_id, again.eos_id) == (published.pad_token_id, published.eos_token_id)
    assert again.vocabulary == len(published) <= 420
    assert max(again.encode(text)) < again.vocabulary


def test_training_twice_gives_the_same_tokenizer(tokenizer: AgentTokenizer, tmp_path: Path) -> None:
    tokenizer.save(str(tmp_path / "a"))
    train_tokenizer(TEXTS, vocabulary=420).save(str(tmp_path / "b"))
    assert (tmp_path / "a/tokenizer.json").read_bytes() == (tmp_path / "b/tokenizer.json").read_bytes()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level BPE as published models have it, without the protocol's tags."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(TEXTS, vocab_size=320, special_tokens=["<|endoftext|>"], show_progress=False)
    folder = tmp_path_factory.mktemp("published")
    PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer, eos_token="<|endoftext|>").save_pretrained(folder)
    return folder


def test_an_adopted_tokenizer_has_the_tags_and_reads_back_exactly(published: Path, tmp_path: Path) -> None:
    adopted = adopt_tokenizer(str(published))
    text = f"  Karlo Vint\n was 日本 {MASK}, <search> Velmar</search>"
    assert adopted.decode(adopted.encode(text)) == text
    assert all(adopted.encode(tag) == [adopted.tag_id(tag)] for tag in TAGS)
    assert adopted.pad_id == adopted.eos_id == adopted.tag_id("<|endoftext|>")
    adopted.save(str(tmp_path))
    assert AgentTokenizer.load(str(tmp_path)).encode(text) == adopted.encode(text)


def test_a_folder_without_a_tokenizer_or_without_tags_is_bad_input(published: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no tokenizer"):
        AgentTokenizer.load(str(tmp_path))
    with pytest.raises(BadInput, match="without the tag"):
        AgentTokenizer.load(str(published))
    with pytest.raises(BadInput, match="no tokenizer"):
        adopt_tokenizer(str(tmp_path))


@pytest.fixture(params=published_tokenizers.MAKES)
def make(request: pytest.FixtureRequest) -> str:
    return request.param


def test_no_control_token_of_an_adopted_tokenizer_comes_of_a_passage(make: str, tmp_path: Path):
    """As it comes to a model: within an information block, whose own tags stay tags."""
    from transformers import AutoTokenizer

    folder = published_tokenizers.save(make, tmp_path)
    adopted, published = adopt_tokenizer(folder), AutoTokenizer.from_pretrained(folder)
    marks = published_tokenizers.marks_of(published)
    controls = {published.convert_tokens_to_ids(mark) for mark in marks} - {published.unk_token_id}
    evil = " ".join(f"was{mark} born {mark}" for mark in marks)
    block = information_of([Hit("1-0", 1.0, f"Velmar{marks[0]}", evil)])
    ids = adopted.encode(block)
    assert controls.isdisjoint(ids)
    assert (ids[0], ids[-1]) == (adopted.tag_id("<information>"), adopted.tag_id("</information>"))
    assert {ids.count(adopted.tag_id(tag)) for tag in TAGS} == {0, 1}


def test_the_control_tokens_of_a_trained_tokenizer_do_not_come_of_a_text_either(tokenizer: AgentTokenizer):
    for mark, index in (("<eos>", tokenizer.eos_id), ("<pad>", tokenizer.pad_id)):
        hit = Hit("1-0", 1.0, f"Karlo{mark}", f"{mark} Vint")
        asked = qa_question(["Karlo"], [[]]).model_copy(update={"prompt": f"who{mark}?"})
        for text in (information_of([hit]), prompt_of(asked, AgentSettings())):
            assert index not in tokenizer.encode(text)


def test_a_sequence_begins_as_the_published_tokenizer_begins_it(make: str, tmp_path: Path):
    from transformers import AutoTokenizer

    folder = published_tokenizers.save(make, tmp_path / "published")
    adopted, published = adopt_tokenizer(folder), AutoTokenizer.from_pretrained(folder)
    text = "Karlo Vint was born in Velmar"
    ends = {"unigram": ["</s>"], "bert": ["[SEP]"]}.get(make, [])
    assert adopted.begin(text) + published.convert_tokens_to_ids(ends) == published(text).input_ids
    assert adopted.begin(text) == [*adopted.opening, *adopted.encode(text)]
    assert adopted.encode(text) == published(text, add_special_tokens=False).input_ids
    adopted.save(str(tmp_path / "saved"))
    assert AgentTokenizer.load(str(tmp_path / "saved")).begin(text) == adopted.begin(text)


def test_a_trained_tokenizer_begins_with_the_text(tokenizer: AgentTokenizer):
    assert tokenizer.begin("Karlo Vint") == tokenizer.encode("Karlo Vint")


def test_a_sampled_control_token_is_shown(tmp_path: Path):
    adopted = adopt_tokenizer(published_tokenizers.save("llama", tmp_path))
    ids = [*adopted.encode("<answer>Velmar"), adopted.eos_id, *adopted.encode("</answer>")]
    assert adopted.decode(ids) == "<answer>Velmar</s></answer>"
