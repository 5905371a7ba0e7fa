"""A finished run that never ran: a ledger of small made-up stages, for tests of what is read from one."""

import json
import math
import random
import time
from typing import Any

from schemas.manifest import Recipe
from schemas.records import Answer, Author, Passage, Question, Reject, Search, Trajectory, Verdict
from tasks.agent.protocol import answer_turn, search_turn
from tasks.ledger import storage
from tasks.ledger.ledger import STAGE, Ledger
from tests.support.examples import SNAPSHOT, ramp_question, trajectory

TEXT = "{name} was born in {town} in the year {year}. The {trade} worked for {firm} and was buried beside the old mill."
SKILL = {"untrained": 0.0, "base": 0.02, "ramp-sft": 0.72, "ramp-evolved": 0.8, "ramp-rl": 0.88, "control": 0.3}


class PretendRun:
    """Writes stages into a ledger, a minute apart."""

    def __init__(self, root: str, questions: int = 40) -> None:
        self.ledger = Ledger(root, SNAPSHOT)
        self._random = random.Random(7)
        self._minute = 0
        self.questions = [self._question(number) for number in range(questions)]

    def corpus(self) -> None:
        self._stage("pages", "v1", Reject, [], self._rejects("disambiguation", 14, "no_text", 5))
        passages = [self._passage(number) for number in range(len(self.questions))]
        self._stage("passages", "v1", Passage, passages, self._rejects("too_short", 31))
        figures = {
            "by_masks": {"1": 9, "2": 11, "3": 8, "4": 12},
            "by_split": {"dev": 2, "rl": 9, "test": 8, "train": 21},
            "masks_by_kind": {"date": 30, "entity": 50, "number": 23},
            "evidence_by_kind": {"date": 25, "entity": 41, "number": 20},
            "given_away": {"reference": 4, "text": 1},
            "by_difficulty": {"  0–5": 11, "  5–10": 20, " 10–15": 9},
            "evidence_by_hops": {"1": 60, "2": 22, "3": 4, "none": 17},
        }
        self._stage("questions", "v1", Question, self.questions, self._rejects("too_few_spans", 80), figures=figures)

    def trajectories(self, label: str, share_right: float) -> None:
        rows = [self._trajectory(question, label, share_right) for question in self.questions]
        counts: dict[str, dict[str, int]] = {}
        for row in rows:
            assert row.verdict is not None
            of_masks = counts.setdefault(str(row.n_masks), {})
            of_masks[row.verdict.status] = of_masks.get(row.verdict.status, 0) + 1
        self._stage("trajectories", label, Trajectory, rows, [], figures={"verdicts_by_level": counts})

    def model(self, label: str, lines: list[dict[str, float]], seconds: float = 200.0) -> None:
        folder = self.ledger.folder("models", label)
        text = "".join(json.dumps(line) + "\n" for line in lines)
        storage.write_bytes(storage.join(folder, "metrics.jsonl"), text.encode())
        self._stage("models", label, None, [], [], seconds=seconds)

    def answers(self, label: str, model: str, retrieval: str = "live") -> None:
        skill = SKILL[model] if retrieval == "live" else 0.02
        rows = [
            self._answer(question, model, retrieval, decoding, skill - 0.08 * (decoding == "sampled"))
            for question in self.questions
            for decoding in ("greedy", "sampled")
        ]
        self._stage("answers", label, Answer, rows, [], seconds=25.0)

    def asked(
        self, label: str, model: str, way: str = "agent", retrieval: str = "live", protocol: str | None = None
    ) -> None:
        """Answers to questions of one to three hops, of a set named worldqa."""
        rows = [
            self._answer(
                question, model, retrieval, "greedy", SKILL[model] if retrieval == "live" else 0.02
            ).model_copy(
                update={
                    "set": "worldqa",
                    "way": way,
                    "protocol": protocol,
                    "n_masks": 0,
                    "hops": 1 + number % 3,
                    "substring": 1.0,
                    "type": ("bridge", "comparison")[number % 2],
                    "support_recall": 0.5,
                }
            )
            for number, question in enumerate(self.questions)
        ]
        self._stage("answers", label, Answer, rows, [], seconds=25.0)

    def everything(self) -> None:
        self.corpus()
        self.trajectories("scripted", 0.9)
        self.model("base", supervised_lines(300, [(0, 300)], 6.5))
        self.model("ramp-sft", supervised_lines(400, [(1, 100), (2, 100), (4, 200)], 2.5))
        self.trajectories("ramp-evolved", 0.6)
        self.model("ramp-evolved", supervised_lines(120, [(4, 120)], 0.4))
        self.model("ramp-rl", rl_lines(25))
        for model in (model for model in SKILL if model != "control"):
            self.answers(f"ramp.{model}", model)
        self.answers("ramp.ramp-rl.none", "ramp-rl", "none")
        self.answers("ramp.ramp-rl.random", "ramp-rl", "random")

    def _stage(
        self,
        stage: str,
        label: str,
        model: Any,
        rows: list[Any],
        rejects: list[Reject],
        figures: dict[str, Any] | None = None,
        seconds: float = 12.0,
    ) -> None:
        settings = {"made": "up"}
        recipe = Recipe(
            stage=stage, label=label, snapshot=SNAPSHOT, version=1, settings=settings, given=settings, upstreams=[]
        )
        opened = self.ledger.open(recipe)
        parts = {}
        if model is not None:
            parts["000"] = opened.parts(model).commit("000", rows, rejects, {}, time.time())
        manifest = opened.finish(parts=parts, figures=figures, seconds=seconds)
        self._minute += 1
        finished = manifest.model_copy(update={"finished": f"2026-11-01T10:{self._minute:02d}:00+00:00"})
        storage.write_document(storage.join(opened.folder, STAGE), finished)

    def _rejects(self, *reasons: Any) -> list[Reject]:
        return [
            Reject(snapshot=SNAPSHOT, row_id=f"{reason}-{number}", reason=reason, failed=False, detail="")
            for reason, count in zip(reasons[::2], reasons[1::2], strict=True)
            for number in range(count)
        ]

    def _question(self, number: int) -> Question:
        values = {
            "name": f"Arlen Brom{number}",
            "town": f"Great Tolm{number}",
            "year": str(1800 + number),
            "trade": "potter",
            "firm": f"Osk{number} & Sons",
        }
        golds = [values[name] for name in ("town", "year", "trade", "firm")][: 1 + number % 4]
        question = ramp_question(TEXT.format(**values), golds, question_id=f"q{number:03d}")
        return question.model_copy(update={"title": values["name"], "passage_id": f"{number}-1"})

    def _passage(self, number: int) -> Passage:
        text = f"Arlen Brom{number}, potter for Osk{number} & Sons, came from Great Tolm{number} in {1800 + number}."
        return Passage(
            snapshot=SNAPSHOT,
            passage_id=f"{number}-0",
            page_id=number,
            revision_id=number,
            title=f"Arlen Brom{number}",
            section="",
            text=text,
            links=[],
            lost=[],
            n_words=len(text.split()),
        )

    def _written(self, question: Question, is_right: bool) -> str:
        text = question.text or ""
        return text if is_right else text.replace(question.gold[-1], "the <b>wrong</b> Kell")

    def _trajectory(self, question: Question, label: str, share_right: float) -> Trajectory:
        is_right = self._random.random() < share_right
        turns = [
            (Author.MODEL, search_turn("I need the birthplace", [question.title or ""])),
            (Author.ENVIRONMENT, f"<information>{question.title}: as {question.text}</information>"),
            (Author.MODEL, answer_turn("now I know", self._written(question, is_right))),
        ]
        status = "correct" if is_right else "wrong"
        row = trajectory(
            question, turns, answer=self._written(question, is_right), trajectory_id=f"{label}-{question.question_id}"
        )
        verdict = Verdict(judge="rule", status=status, recall=float(is_right))
        return row.model_copy(update={"label": label, "verdict": verdict})

    def _answer(self, question: Question, model: str, retrieval: str, decoding: str, skill: float) -> Answer:
        is_right = self._random.random() < skill
        recall = 1.0 if is_right else 1 - 1 / question.n_masks if skill > 0.1 else 0.0
        searched = Search(
            queries=[question.title or ""], passage_ids=[f"{question.question_id[1:].lstrip('0')}-0"], outcome="found"
        )
        is_answered = skill > 0.01
        return Answer(
            snapshot=SNAPSHOT,
            model=model,
            retrieval=retrieval,
            decoding=decoding,
            set="ramp",
            question_id=question.question_id,
            n_masks=question.n_masks,
            gold=question.gold,
            answer=self._written(question, is_right) if is_answered else None,
            recall=recall,
            f1=recall,
            exact=recall,
            searches=[searched] if retrieval != "none" and is_answered else [],
            n_tokens=200,
            end_reason="answered" if is_answered else "malformed",
        )


def supervised_lines(steps: int, curriculum: list[tuple[int, int]], first_loss: float) -> list[dict[str, float]]:
    """Lines of metrics.jsonl as the supervised loop writes them; the curriculum is (most masks, steps)."""
    noise = random.Random(3)
    phases = [masks for masks, count in curriculum for _ in range(count)]
    return [
        {
            "step": step + 1,
            "phase": phases[step],
            "loss": 0.05 + first_loss * math.exp(-5 * step / steps) * noise.uniform(0.8, 1.2),
            "lr": 1e-3,
            "tokens": 2048,
            "seconds": 0.2,
        }
        for step in range(steps)
    ]


def rl_lines(steps: int) -> list[dict[str, float]]:
    """Lines of metrics.jsonl as reinforcement learning writes them; the second step had nothing to learn from."""
    noise = random.Random(4)
    lines: list[dict[str, float]] = []
    for step in range(steps):
        line: dict[str, float] = {"step": step + 1, "phase": 1 + 3 * (step >= 5), "loss": noise.uniform(-0.01, 0.01)}
        if step != 1:
            line |= {"parity": 1e-5 * noise.random(), "entropy": 0.3 - 0.004 * step}
        lines.append(
            line
            | {
                "reward": 0.6 + 0.01 * step + noise.uniform(-0.03, 0.03),
                "recall": 0.55 + 0.01 * step + noise.uniform(-0.03, 0.03),
                "format": 0.97,
                "informative": 0.6 - 0.005 * step,
                "length": 250 + noise.uniform(-10, 10),
                "searches": 2.3,
                "grad_norm": 0.4 + noise.uniform(0, 0.2),
                "clip_share": 0.002,
                "importance_ess": 0.99,
                "sampler_gap": 0.0004,
            }
        )
    return lines
