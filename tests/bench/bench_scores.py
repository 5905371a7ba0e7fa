"""The time from 50,000 ready answers to all metrics with intervals, as shares of the whole, in one run on one core.

    python -m tests.bench.bench_scores [ANSWERS]

Five contestants answer the same made-up questions of one to four hops, partly wrong. The answers are scored as texts,
written and read as Parquet, summarised with 10,000 resamples, and compared. The last lines compare the bootstrap with
drawing values instead of counts (numpy's `choice`), for the same intervals.
"""

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np

from schemas.records import Answer, EndReason, Question, Search
from tasks.agent.scoring import score
from tasks.evaluation.metrics import Columns
from tasks.evaluation.scores import comparisons_of, scores_of
from tasks.evaluation.statistics import mean_interval
from tasks.ledger import storage
from tests.support.examples import SNAPSHOT, qa_question

CONTESTANTS, RESAMPLES, DRAWN_RESAMPLES = 5, 10_000, 100
WORDS = ["Kalo", "Tovi", "the", "river", "of", "Arlen", "Brom", "1923", "old", "mill", "Great", "Tolm", "in", "a"]
Result = TypeVar("Result")


def made_up(count: int) -> list[tuple[Question, str, str]]:
    """(question, contestant, answer)"""
    draw = random.Random(1)

    def text(words: int) -> str:
        return " ".join(draw.choices(WORDS, k=words))

    found = []
    for number in range(count // CONTESTANTS):
        gold = text(draw.randint(1, 4))
        question = qa_question([gold], [[text(2) for _ in range(draw.randint(0, 5))]]).model_copy(
            update={"question_id": f"q{number}", "hops": 1 + number % 4}
        )
        for contestant in range(CONTESTANTS):
            told = gold if draw.random() < 0.2 + 0.1 * contestant else text(draw.randint(1, 12))
            found.append((question, f"model-{contestant}", told))
    return found


def scored(asked: list[tuple[Question, str, str]]) -> Iterator[Answer]:
    searches = [Search(queries=["q"], passage_ids=["1-0", "2-0", "3-0"], outcome="found")]
    for number, (question, model, told) in enumerate(asked):
        scores = score(question, told)
        yield Answer(
            snapshot=SNAPSHOT,
            model=model,
            retrieval="live",
            decoding="greedy",
            set="made-up",
            question_id=question.question_id,
            n_masks=0,
            gold=question.gold,
            answer=told,
            recall=scores.recall,
            f1=scores.f1,
            exact=scores.exact,
            searches=searches * (number % 4),
            n_tokens=500,
            end_reason=EndReason.ANSWERED,
            hops=question.hops,
            substring=scores.substring,
            support_recall=number % 3 / 2,
        )


def drawn(values: np.ndarray, resamples: int) -> None:
    """Means of drawn values, the usual bootstrap."""
    generator = np.random.default_rng(0)
    for _ in range(resamples):
        generator.choice(values, values.size).mean()


def timed(name: str, work: Callable[[], Result], seconds: dict[str, float]) -> Result:
    begun = time.process_time()
    result = work()
    seconds[name] = time.process_time() - begun
    return result


def main(count: int) -> None:
    asked = made_up(count)
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "answers.parquet")
        rows = timed("score the texts", lambda: list(scored(asked)), seconds)
        timed("write Parquet", lambda: storage.write_rows(path, Answer, rows), seconds)
        rows = timed("read Parquet", lambda: list(storage.read_rows(path, Answer)), seconds)
    scores = timed("all metrics with intervals", lambda: scores_of(rows, RESAMPLES), seconds)
    compared = timed("paired differences", lambda: comparisons_of(rows, RESAMPLES), seconds)
    whole = sum(seconds.values())
    print(f"load {os.getloadavg()[0]:.1f}; {count:,} answers, {len(scores)} intervals, {len(compared)} differences:")
    for name, value in {**seconds, "all": whole}.items():
        print(f"{name:28}{value:8.2f} CPU s {value / whole:8.1%}")
    values = Columns.of(row for row in rows if row.model == "model-0").values["f1"]
    one: dict[str, float] = {}
    timed("counts", lambda: mean_interval(values, RESAMPLES), one)
    timed("values", lambda: drawn(values, DRAWN_RESAMPLES), one)
    ratio = one["values"] * RESAMPLES / DRAWN_RESAMPLES / one["counts"]
    print(f"an interval of {values.size:,} values: drawing values takes {ratio:,.0f} times drawing counts")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
