"""A ledger of made-up answers to one set, for tests of what compares contestants."""

import json
import time
from pathlib import Path
from typing import Any

from schemas.manifest import Recipe, StageManifest, Upstream
from schemas.records import Answer, EndReason
from tasks.ledger.ledger import Ledger
from tests.support.examples import SNAPSHOT

AGENT = {"max_searches": 4, "max_tokens": 4096}


class AnsweredRun:
    """A ledger with one index, one stage of questions, and what a test adds."""

    def __init__(self, root: Path, hits: int = 2) -> None:
        self.ledger = Ledger(str(root), SNAPSHOT)
        self.index = self._finish("index", "v1", {"hits": hits}, [], {"seconds": time.time()})
        self.questions = self._finish("questions", "worldqa", {"seed": 1}, [])

    def answers(
        self,
        label: str,
        right: set[int],
        seed: int = 1,
        rate: float = 0.1,
        agent: Any = AGENT,
        count: int = 40,
        protocol: Any = None,
    ) -> str:
        """Answers of a model that is trained with this seed and rate, right on these questions."""
        given = {"optimiser": {"lr": rate}, **({"seed": seed} if seed != 1 else {})}
        model = self._finish("models", label, given, [])
        settings = {"agent": agent, "retrieval": "live", "evaluation": {"temperature": 1.0, "bootstrap": seed}}
        settings |= {} if protocol is None else {"protocol": protocol}
        upstreams = [self.index.as_upstream, self.questions.as_upstream, model.as_upstream]
        rows = [_answer(label, number, float(number in right)) for number in range(count)]
        self._finish("answers", label, settings, upstreams, rows=rows)
        return self.ledger.folder("answers", label)

    def _finish(
        self,
        stage: str,
        label: str,
        settings: Any,
        upstreams: list[Upstream],
        figures: Any = None,
        rows: list[Answer] | None = None,
    ) -> StageManifest:
        opened = self.ledger.open(
            Recipe(
                stage=stage,
                label=label,
                snapshot=SNAPSHOT,
                version=1,
                settings=settings,
                given=settings,
                upstreams=upstreams,
            )
        )
        parts = {"0": opened.parts(Answer).commit("0", rows, [], {}, 0.0)} if rows else {}
        if not parts:
            (Path(opened.folder) / "content").write_text(json.dumps(figures))
        return opened.finish(parts=parts, figures=figures)


def _answer(model: str, number: int, exact: float) -> Answer:
    return Answer(
        snapshot=SNAPSHOT,
        model=model,
        retrieval="live",
        decoding="greedy",
        set="worldqa",
        question_id=f"q{number}",
        n_masks=0,
        gold=[f"gold {number}"],
        answer="x",
        recall=exact,
        f1=exact,
        exact=exact,
        searches=[],
        n_tokens=9,
        end_reason=EndReason.ANSWERED,
        hops=1 + number % 2,
        substring=exact,
    )
