"""Every string is read as text, with every kind of tokenizer."""

import pytest
from transformers import PreTrainedTokenizerFast

from retrieval_index.literal import literal, opening_of
from tests.support.published_tokenizers import MAKES, TEXTS, marks_of


@pytest.fixture(params=MAKES)
def published(request: pytest.FixtureRequest) -> PreTrainedTokenizerFast:
    return MAKES[request.param]()


def test_no_text_encodes_to_a_control_token(published: PreTrainedTokenizerFast):
    plain = literal(published.backend_tokenizer)
    for mark in marks_of(published):
        for text in (mark, f"Velmar{mark}is", f"Velmar {mark} is", f"{mark}{mark}\n{mark}"):
            found = plain.encode(text, add_special_tokens=False).ids
            controls = {published.convert_tokens_to_ids(name) for name in marks_of(published)} - {
                published.unk_token_id
            }
            assert found and controls.isdisjoint(found), (mark, plain.encode(text).tokens)


def test_a_text_without_them_is_read_as_it_was(published: PreTrainedTokenizerFast):
    plain = literal(published.backend_tokenizer)
    for text in (*TEXTS[:2], "Velmar,    a town\n  on the Orlam", "<b>Orlam</b> [old]"):
        assert plain.encode(text).ids == published(text).input_ids
        assert plain.encode(text, add_special_tokens=False).ids == published(text, add_special_tokens=False).input_ids


def test_markup_keeps_its_meaning():
    chatml = MAKES["chatml"]()
    plain = literal(chatml.backend_tokenizer, markup=["<tool_call>"])
    assert plain.encode("<tool_call>").ids == [chatml.convert_tokens_to_ids("<tool_call>")]
    assert len(plain.encode("</tool_call>").ids) > 1


def test_nothing_is_cut_or_padded():
    bert = MAKES["bert"]().backend_tokenizer
    bert.enable_truncation(8)
    bert.enable_padding(length=16)
    assert len(literal(bert).encode(" ".join(TEXTS)).ids) > 100
    assert len(literal(bert).encode("old").ids) < 8


@pytest.mark.parametrize(
    ("make", "opening"), [("llama", ["<s>"]), ("chatml", []), ("gpt2", []), ("unigram", ["<s>"]), ("bert", ["[CLS]"])]
)
def test_the_ids_before_every_text(make: str, opening: list[str]):
    published = MAKES[make]()
    assert published.convert_ids_to_tokens(opening_of(published.backend_tokenizer)) == opening
