"""The overhead of the training loop over a bare loop: drawing, packing, DeepSpeed, figures."""

import os
import statistics
from itertools import islice

import torch
from torch.nn.utils import clip_grad_norm_

from schemas.training_settings import SftSettings
from tasks.capacity.processes import free_port
from tests.bench.training_timing import interleaved, ratio
from trainers.model.batches import Batch, batch_of, n_trained, packed
from trainers.model.language_model import LanguageModel
from trainers.model.losses import cross_entropy
from trainers.model.weights import load_model
from trainers.ranks.deepspeed_engine import TrainingEngine
from trainers.ranks.launch import environment_of
from trainers.supervised.course import Course
from trainers.supervised.loop import update

_LR = 1e-4
_STEPS = 10


def compare(course: Course, model_folder: str, settings: SftSettings, repeats: int) -> str:
    """A line: tokens a CPU second of one rank in this process, beside forward, backward and step on ready batches."""
    os.environ.update(environment_of(rank=0, ranks=1, port=free_port()))
    engine = TrainingEngine(model_folder, settings.optimiser, settings.engineering)
    budget, steps = settings.engineering.micro_batch_tokens, list(islice(course.steps(0), _STEPS))
    ready = [
        [(batch_of(part), n_trained(step.sequences)) for part in packed(step.sequences, budget, len)] for step in steps
    ]
    bare = _BareLoop(model_folder)
    seconds = interleaved(
        {
            "loop": lambda: [update(engine, step, budget, _LR) for step in islice(course.steps(0), _STEPS)],
            "bare": lambda: [bare.step(batches) for batches in ready],
        },
        repeats,
    )
    tokens = sum(len(sequence) for step in steps for sequence in step.sequences)
    return (
        f"one rank: {tokens / statistics.median(seconds['loop']):,.0f} tokens a CPU second, "
        f"{ratio(seconds['loop'], seconds['bare']):.2f} of a bare loop on ready batches"
    )


class _BareLoop:
    """AdamW in plain torch."""

    def __init__(self, model_folder: str) -> None:
        self._model = LanguageModel(load_model(model_folder)).train()
        self._optimiser = torch.optim.AdamW(self._model.parameters(), lr=_LR)

    def step(self, batches: list[tuple[Batch, int]]) -> None:
        for batch, trained in batches:
            cross_entropy(self._model(*batch).logprobs_N, trained).backward()
        clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimiser.step()
        self._optimiser.zero_grad()
