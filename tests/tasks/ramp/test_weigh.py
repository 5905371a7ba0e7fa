"""Surprisals: the definition in numbers, and a model that has learnt one of two paragraphs."""

import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from schemas.corpus_settings import WeighingSettings
from schemas.errors import BadInput
from schemas.jobs import SurprisalJob
from schemas.records import Alias, Passage, Reject, Surprisal
from schemas.runtime import EngineRuntime
from schemas.settings import ModelSettings
from tasks.agent.tokenizer import train_tokenizer
from tasks.engines.interface import TokenScores
from tasks.ledger import storage
from tasks.ramp import weigh
from tasks.ramp.surprisal import text_of
from tasks.ramp.weigh import tokenizer_of, weigh_spans
from tasks.spans.spans import find_spans
from tests.support.published_tokenizers import MAKES
from tests.tasks.ramp.examples import passage_of
from trainers.model.weights import new_model

LEARNT = passage_of("Around here [[Karlo Vint]] sold 12,500 boats to [[Lower Ostel]]. It was in 1931.", page_id=7)
NEW = passage_of("Around here [[Sal Morvis]] sold 48,317 boats to [[Upper Dunzy]]. It was in 1897.", page_id=8)
UNFIT = passage_of("See [[Ostel]]:", page_id=9)
SETTINGS = WeighingSettings(min_words=5)


def _texts(folder):
    tokenizer = tokenizer_of(folder)
    return {
        (passage.passage_id, span.surface): text_of(passage, span, True, tokenizer)
        for passage in (LEARNT, NEW)
        for span in find_spans(passage, {}, "en")
    }


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny model that was trained to write one of two paragraphs back and never saw the other."""
    folder = str(tmp_path_factory.mktemp("reference"))
    tokenizer = train_tokenizer([LEARNT.text, NEW.text], 500)
    settings = ModelSettings(hidden=64, layers=2, heads=2, intermediate=64, max_position=256)
    new_model(settings, tokenizer.vocabulary, folder)
    tokenizer.save(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    rows = [text.token_ids for (owner, _), text in _texts(folder).items() if owner == LEARNT.passage_id]
    torch.set_num_threads(1)  # two wait for each other where other work has the processors
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for step in range(200):
        ids = torch.tensor([rows[step % len(rows)]])
        model(ids, labels=ids).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    model.save_pretrained(folder)
    return folder


def _job(folder: Path, reference: str, max_tokens: int = 256) -> SurprisalJob:
    storage.write_rows(str(folder / "passages.parquet"), Passage, [LEARNT, NEW, UNFIT])
    storage.write_rows(str(folder / "aliases.parquet"), Alias, [])
    return SurprisalJob(
        output=str(folder / "surprisals"),
        snapshot=LEARNT.snapshot,
        settings=SETTINGS,
        model=reference,
        max_tokens=max_tokens,
        passages={"a": str(folder / "passages.parquet")},
        aliases=[str(folder / "aliases.parquet")],
        engine=EngineRuntime(in_flight=16, threads=1),
        fingerprint="f",
    )


def _rows(job: SurprisalJob, key: str = "a-000000") -> list[Surprisal]:
    return list(storage.read_rows(f"{job.output}/part-{key}.parquet", Surprisal))


def test_the_text_shows_the_rest_of_the_paragraph_and_ends_with_the_span(reference):
    tokenizer = tokenizer_of(reference)
    texts = _texts(reference)
    assert [surface for owner, surface in texts if owner == "7-0"] == ["Karlo Vint", "12,500", "Lower Ostel", "1931"]
    text = texts["7-0", "12,500"]
    assert tokenizer.decode(text.token_ids, skip_special_tokens=False) == (
        "Elsewhere\n Around here Karlo Vint sold [mask] boats to Lower Ostel. It was in 1931.\n"
        " Around here Karlo Vint sold 12,500"
    )
    assert tokenizer.decode([text.token_ids[place] for place in text.of_span]) == "12,500"
    assert text.of_span[-1] == len(text.token_ids) - 1


def test_the_text_begins_as_the_tokenizer_begins_it_and_holds_no_control_token(tmp_path):
    published = MAKES["unigram"]()  # which ends a text as well
    published.save_pretrained(tmp_path)
    passage = passage_of("Around </s> here [[Karlo Vint]] sold 12,500 boats.", page_id=7)
    (span,) = [span for span in find_spans(passage, {}, "en") if span.surface == "Karlo Vint"]
    text = text_of(passage, span, True, tokenizer_of(str(tmp_path)))
    assert text.token_ids[0] == published.bos_token_id
    assert {published.bos_token_id, published.eos_token_id}.isdisjoint(text.token_ids[1:])
    assert published.decode([text.token_ids[place] for place in text.of_span]) == "Karlo Vint"
    assert text.of_span[-1] == len(text.token_ids) - 1


@pytest.mark.slow
def test_the_engine_weighs_spans_as_defined_and_knows_what_the_model_learnt(reference, tmp_path):
    job = _job(tmp_path, reference)
    figures = weigh_spans(job)
    rows = _rows(job)
    assert [row.surface for row in rows[:4]] == ["Karlo Vint", "12,500", "Lower Ostel", "1931"]
    assert {row.passage_id for row in rows} == {"7-0", "8-0"}
    model, texts = AutoModelForCausalLM.from_pretrained(reference), _texts(reference)
    for row in rows:
        text = texts[row.passage_id, row.surface]
        with torch.no_grad():
            logprobs_TV = model(torch.tensor([text.token_ids])).logits[0].log_softmax(-1)
        of_span_TV = logprobs_TV[[place - 1 for place in text.of_span]]
        own = [text.token_ids[place] for place in text.of_span]
        nats = -sum(float(line_V[token]) for line_V, token in zip(of_span_TV, own, strict=True))
        assert row.nats == pytest.approx(nats, abs=1e-3)
        assert row.known == (of_span_TV.argmax(-1).tolist() == own)
        assert row.n_tokens == len(own)
    learnt, new = ([row for row in rows if row.passage_id == owner] for owner in ("7-0", "8-0"))
    assert all(row.known for row in learnt)
    assert not any(row.known for row in new)
    assert max(row.nats for row in learnt) < min(row.nats for row in new)
    assert figures["spans"] == len(rows)
    assert figures["known"] == len(learnt)


class _Stub:
    """An engine that gives every token the probability 1/e."""

    def __init__(self, folder, runtime, max_tokens):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def score_all(self, texts):
        return [TokenScores([-1.0] * (len(text) - 1), [2] * (len(text) - 1)) for text in texts]


def test_weighed_spans_are_not_weighed_again_and_too_long_texts_are_reported(reference, tmp_path, monkeypatch):
    monkeypatch.setattr(weigh, "PASSAGES_A_PART", 1)
    monkeypatch.setattr(weigh, "VllmEngine", _Stub)
    job = _job(tmp_path, reference, max_tokens=40)
    weigh_spans(job)
    keys = sorted(path.name for path in Path(job.output).glob("part-*.parquet"))
    assert keys == [f"part-a-{n:06d}.parquet" for n in range(3)]
    assert _rows(job, "a-000002") == [], "an unfit paragraph is not asked about"
    rows = _rows(job, "a-000001")
    rejects = list(storage.read_rows(f"{job.output}/rejects-a-000001.parquet", Reject))
    assert {reject.reason for reject in rejects} == {weigh.TOO_LONG}
    assert 0 < len(rows) < len(rows) + len(rejects) == 4, "the further back a span stands, the longer is its text"
    assert all(row.nats == row.n_tokens and not row.known for row in rows)
    monkeypatch.setattr(weigh, "VllmEngine", None)
    weigh_spans(job)


def test_a_reference_without_a_tokenizer_or_on_a_server_is_refused(reference, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(reference, bare)
    (bare / "tokenizer.json").unlink()
    with pytest.raises(BadInput, match=r"no tokenizer\.json, which the reference model needs"):
        weigh_spans(_job(tmp_path, str(bare)))
    job = _job(tmp_path, reference)
    remote = EngineRuntime(kind="remote", urls=["http://nowhere"])
    with pytest.raises(BadInput, match="must be vllm"):
        weigh_spans(job.model_copy(update={"engine": remote}))
