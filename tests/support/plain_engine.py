"""A `trainers.ranks.deepspeed_engine.TrainingEngine` of one rank in plain torch, without DeepSpeed."""

import torch

from tasks.weights.sketches import Sketches, sketches_of
from trainers.model.language_model import LanguageModel
from trainers.model.weights import load_model


class PlainEngine:
    rank, ranks, device = 0, 1, torch.device("cpu")

    def __init__(self, model_folder: str) -> None:
        self.model = LanguageModel(load_model(model_folder))
        self._optimiser = torch.optim.AdamW(self.model.parameters(), weight_decay=0.0)
        self.steps = 0

    def score(self, *arguments, **options):
        return self.model(*arguments, **options)

    def backward(self, loss: torch.Tensor) -> None:
        loss.backward()

    def step(self, lr: float) -> float:
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._optimiser.param_groups[0]["lr"] = lr
        self._optimiser.step()
        self._optimiser.zero_grad()
        self.steps += 1
        return float(norm)

    def sum_over_ranks(self, *values: float) -> list[float]:
        return list(values)

    def sketches(self) -> Sketches:
        return sketches_of(self.model.model)

    def leave_room(self) -> None:
        """Main memory keeps nothing back."""

    def whole_weights(self) -> dict[str, torch.Tensor]:
        """As a folder has them: a tied head is left out."""
        tied = self.model.model.config.tie_word_embeddings
        named = self.model.model.state_dict()
        return {name: weight.clone() for name, weight in named.items() if not (tied and name == "lm_head.weight")}
