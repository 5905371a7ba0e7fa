"""Paragraphs of the real English Wikipedia and the questions that people asked about them (HotpotQA)."""

import json
from pathlib import Path

from retrieval_index.hits import Query
from retrieval_index.opening import build_index, open_index
from schemas.corpus_settings import IndexSettings


def test_questions_find_the_paragraphs_that_answer_them(test_data: Path, tmp_path: Path) -> None:
    lines = (test_data / "qa" / "hotpotqa" / "dev_subsampled.jsonl").read_text().splitlines()
    questions = [json.loads(line) for line in lines]
    contexts = [context for question in questions for context in question["contexts"]]
    texts = {(context["title"], context["paragraph_text"]): str(n) for n, context in enumerate(contexts)}
    build_index(((key, *text) for text, key in texts.items()), str(tmp_path / "index"), IndexSettings())
    searcher = open_index(str(tmp_path / "index"))

    found = searcher.search([Query(question["question_text"]) for question in questions], 10)
    wanted = reached = 0
    for question, hits in zip(questions, found, strict=True):
        ids = {hit.passage_id for hit in hits}
        support = [context for context in question["contexts"] if context["is_supporting"]]
        wanted += len(support)
        reached += sum(texts[context["title"], context["paragraph_text"]] in ids for context in support)
    assert len(texts) > 4000
    assert reached / wanted > 0.88, f"{reached} of {wanted} supporting paragraphs among the first ten hits"

    (title, text), key = next(iter(texts.items()))
    first = searcher.search([Query(f"{title} {text}")], 1)[0][0]
    assert (first.passage_id, first.title, first.text) == (key, title, text)
