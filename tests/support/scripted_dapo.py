"""DAPO whose agent follows a script, in the place of engine and search: as ``python -m trainers.dapo CONFIG.json``.

The weights are real, and so are the log probabilities of what the script says.
"""

import asyncio
from typing import Any

import numpy as np
import torch

from schemas.jobs import DapoJob
from schemas.records import Author, EndReason, Question, Segment, Trajectory
from tasks import jobs
from tasks.agent.protocol import answer_turn
from tasks.agent.tokenizer import AgentTokenizer
from tasks.rollouts.worker import Usage
from tasks.weights.new_weights import NewWeights, SharedPack
from tasks.weights.sketches import Sketches, sketches_of
from tests.support.examples import trajectory
from trainers import dapo
from trainers.model.batches import batch_of
from trainers.model.language_model import LanguageModel
from trainers.model.sequences import Sequence
from trainers.model.weights import load_model
from trainers.ranks import launch


class ScriptedRollouts:
    """Of a group the first rollout is right; the others say a number of their own. A rollout takes 20 ms.

    Where the job's index is "broken", every rollout fails.
    """

    def __init__(self, job: DapoJob, spots: object) -> None:
        self._end_reason = EndReason.TOOL_FAILED if job.index == "broken" else EndReason.ANSWERED
        self._tokenizer = AgentTokenizer.load(job.tokenizer)
        self._model = LanguageModel(load_model(job.start))

    async def roll(self, question: Question, rollout: int, seed: int) -> Trajectory:
        await asyncio.sleep(0.02)
        said = question.text if rollout == 0 else f"it is {seed}"
        turn = (Author.MODEL, answer_turn("so", said or ""))
        row = trajectory(question, [turn], self._end_reason, answer=said)
        prompt = self._tokenizer.encode(row.segments[0].text)
        spoken = self._tokenizer.encode(row.segments[1].text)
        logprobs = self._logprobs(prompt + spoken)[len(prompt) - 1 :]
        answer = Segment(author=Author.MODEL, text=row.segments[1].text, token_ids=spoken, logprobs=logprobs)
        return row.model_copy(update={"segments": [row.segments[0], answer], "rollout": rollout})

    def publish(self, weights: NewWeights) -> None:
        self._model.model.load_state_dict(weights.tensors or {}, strict=False)  # a tied head has none of its own

    def take(self, pack: SharedPack, version: int) -> None:
        raise NotImplementedError("it lives beside no rank")

    def sleep(self) -> None:
        raise NotImplementedError("it lives beside no rank")

    def score(self, token_ids: list[int]) -> list[list[float]]:
        return [self._logprobs(token_ids)]

    def sketches(self) -> list[list[Sketches]]:
        return [[sketches_of(self._model.model)]]

    def usage(self) -> list[Usage]:
        return [Usage(alive=1.0, sampling=0.5, rolling=1.0, searching=0.0, asleep=0.0)]

    def close(self) -> None:
        del self._model

    def _logprobs(self, token_ids: list[int]) -> list[float]:
        """Of every token but the first."""
        sequence = Sequence(np.array(token_ids, np.int32), np.ones(len(token_ids), np.bool_))
        with torch.no_grad():
            return self._model(*batch_of([sequence])).logprobs_N.tolist()


def train(job: DapoJob) -> dict[str, Any]:
    return dapo.train(job, ScriptedRollouts)


if __name__ == "__main__":
    jobs.main(DapoJob, lambda job: launch.on_ranks("tests.support.scripted_dapo", job, train))
