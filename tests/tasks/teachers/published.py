"""Questions and passages of published sets, as far as the scripted teacher reads them."""

import json
from pathlib import Path
from typing import Any

from schemas.records import Question, Split, Step, Support

Passage = tuple[str, str, str]
"""Id, title and text, as an index is built from."""


def hotpotqa(folder: Path) -> tuple[list[Question], list[Passage]]:
    """The 500 questions with the paragraphs of all of them; they name their support, and no steps."""
    lines = (folder / "qa" / "hotpotqa" / "dev_subsampled.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    questions = [
        _question(
            record["question_id"],
            record["question_text"],
            [record["answers_objects"][0]["spans"][0]],
            _support(record["contexts"]),
            [],
        )
        for record in records
    ]
    return questions, _passages(paragraph for record in records for paragraph in record["contexts"])


def musique(folder: Path) -> tuple[list[Question], list[Passage]]:
    """100 questions with their decompositions, and the paragraphs of all of them."""
    records = json.loads((folder / "qa" / "musique" / "train_100.json").read_text("utf-8"))
    questions = []
    for record in records:
        named = [paragraph for paragraph in record["paragraphs"] if paragraph["is_supporting"]]
        places = [paragraph["idx"] for paragraph in named]
        steps = [
            Step(question=step["question"], answer=step["answer"], support=places.index(step["paragraph_support_idx"]))
            for step in record["question_decomposition"]
        ]
        accepted = [record["answer"], *record["answer_aliases"]]
        questions.append(_question(record["id"], record["question"], accepted, _support(record["paragraphs"]), steps))
    return questions, _passages(paragraph for record in records for paragraph in record["paragraphs"])


def _question(
    question_id: str, prompt: str, accepted: list[str], support: list[Support], steps: list[Step]
) -> Question:
    return Question(
        snapshot="published-20260101",
        question_id=question_id,
        kind="qa",
        language="en",
        prompt=prompt,
        gold=accepted[:1],
        aliases=[accepted[1:]],
        n_masks=0,
        hops=len(steps),
        split=Split.TRAIN,
        source="published",
        support=support,
        steps=steps,
    )


def _support(paragraphs: list[dict[str, Any]]) -> list[Support]:
    return [Support(title=one["title"], text=one["paragraph_text"]) for one in paragraphs if one["is_supporting"]]


def _passages(paragraphs: Any) -> list[Passage]:
    distinct = dict.fromkeys((one["title"], one["paragraph_text"]) for one in paragraphs)
    return [(f"{number}-0", title, text) for number, (title, text) in enumerate(distinct)]
