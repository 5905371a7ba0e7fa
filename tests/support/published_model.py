"""A small model as others publish theirs: with its own tokenizer, a chat template, and tags as plain text."""

from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from tests.support.automaton import save_automaton

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_SPOKEN = ("<search> Kalo ", "</search", ">. And then", "<answer> Kalo ", "</answer", ">!", " Kalo")
_TEXT = "Answer the question. You have a search engine. What is found is shown between, and then, with or without.\n\n"


def save_published_model(folder: Path, longest: int = 4096) -> str:
    """The folder of a model that searches for Kalo when it is asked, and answers Kalo where two line breaks follow what
    was found. A turn that was opened for it ends after the word Kalo, without a closing tag."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([_TEXT] * 20, trainer)
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in _SPOKEN])
    ids = {text: tokenizer.token_to_id(text) for text in (*_SPOKEN, "<|im_end|>")}
    (line,), (lines,), (opened,) = (tokenizer.encode(text).ids for text in ("\n", "\n\n", ">"))
    published = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=TEMPLATE
    )
    published.save_pretrained(folder)
    search, searched, on, answer, answered, end, word = (ids[text] for text in _SPOKEN)
    successors = {
        line: [search],
        search: [searched],
        searched: [on],
        lines: [answer],
        answer: [answered],
        answered: [end],
        opened: [word],
        word: [ids["<|im_end|>"]],
    }
    save_automaton(folder, len(published), successors, longest)
    return str(folder)
