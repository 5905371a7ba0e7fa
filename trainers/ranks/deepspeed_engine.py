"""DeepSpeed behind five calls: score, backward, step, save and load. The same code on CPUs and GPUs.

Gradients are summed over micro-batches and ranks as they are: a loss is divided by what it is a mean over by whoever
computes it. The learning rate of a step is given to it, so that there is no scheduler whose state could be lost.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from schemas.settings import EngineeringSettings, OptimiserSettings
from tasks.weights.packs import Spec, packs
from tasks.weights.sketches import Sketches, sketches_of
from trainers.model.language_model import LanguageModel, TokenScores
from trainers.model.weights import load_model, load_sharded, save_model
from trainers.ranks.launch import COLLECTIVE_TIMEOUT

WAITING_TIMEOUT = timedelta(hours=24)
"""How long ranks wait for what rank 0 does alone: rollouts of a step, hours with a large model."""

_TAG = "state"


def learning_rate(step: int, steps: int, optimiser: OptimiserSettings) -> float:
    """Of step ``step`` (from 0) of ``steps``: linear warm-up, constant, linear decay to ``floor`` of the rate."""
    warm = min(1.0, (step + 1) / (optimiser.warmup_steps + 1))
    decay_steps = optimiser.decay_share * steps
    left = 1.0 if decay_steps == 0 else min(1.0, (steps - step) / decay_steps)
    return optimiser.lr * warm * (optimiser.floor + (1 - optimiser.floor) * left)


class TrainingEngine:
    """One rank of a model in training. All ranks call every method together; `score` too where ZeRO is of stage 3.

    Where the process has a torch.distributed group already (Ray Train makes one), the ranks are those of that group.
    """

    def __init__(self, model_folder: str, optimiser: OptimiserSettings, engineering: EngineeringSettings) -> None:
        deepspeed = _deepspeed()
        config = _config(optimiser, engineering)
        dtype = torch.bfloat16 if engineering.dtype == "bf16" else torch.float32
        self._sharded = engineering.zero_stage == 3
        model = load_sharded(model_folder, dtype, config) if self._sharded else load_model(model_folder, dtype)
        if engineering.activation_checkpointing:
            model.gradient_checkpointing_enable()
        self._language_model = LanguageModel(model)
        self._engine, *_ = deepspeed.initialize(
            model=self._language_model,
            model_parameters=[weight for weight in model.parameters() if weight.requires_grad],
            config=config,
        )
        self._language_model.train()
        # A group of its own for what ranks tell each other: with nccl whoever waits would keep a GPU busy, on which in
        # layout `shared` an engine samples meanwhile.
        self._telling = torch.distributed.new_group(backend="gloo", timeout=WAITING_TIMEOUT)

    @property
    def rank(self) -> int:
        return torch.distributed.get_rank()

    @property
    def ranks(self) -> int:
        return torch.distributed.get_world_size()

    @property
    def device(self) -> torch.device:
        return self._engine.device

    def score(
        self,
        tokens_BT: Tensor,
        marked_BT: Tensor,
        lengths: Sequence[int] | None = None,
        temperature: float = 1.0,
        with_entropy: bool = False,
    ) -> TokenScores:
        """See `LanguageModel.forward`; differentiable unless inside ``torch.no_grad()``."""
        return self._engine(tokens_BT, marked_BT, lengths, temperature, with_entropy)

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of this micro-batch's loss; losses of all micro-batches and ranks add up."""
        self._engine.backward(loss * self.ranks)  # DeepSpeed takes the mean over ranks

    def step(self, lr: float) -> float:
        """Clip, update, forget the gradient. Gives back its norm before clipping."""
        for group in self._engine.optimizer.param_groups:
            group["lr"] = lr
        self._engine.step()
        return float(self._engine.get_global_grad_norm())

    def sum_over_ranks(self, *values: float) -> list[float]:
        """Of numbers, on all ranks."""
        sums = torch.tensor(values, dtype=torch.float64)
        torch.distributed.all_reduce(sums, group=self._telling)
        return sums.tolist()

    def from_rank_0(self, value: Any) -> Any:
        """The value that rank 0 called this with, pickled; what the other ranks call it with is not read."""
        values = [value]
        torch.distributed.broadcast_object_list(values, src=0, group=self._telling)
        return values[0]

    def of_all_ranks(self, value: Any) -> list[Any]:
        """What every rank called this with, pickled, in their order."""
        values: list[Any] = [None] * self.ranks
        torch.distributed.all_gather_object(values, value, group=self._telling)
        return values

    def barrier(self) -> None:
        torch.distributed.barrier(group=self._telling)

    def save(self, folder: Path) -> None:
        """Write this rank's share of weights and optimiser into a folder that all ranks share."""
        self._engine.save_checkpoint(str(folder), tag=_TAG, save_latest=False)

    def load(self, folder: Path) -> None:
        """Go on from what `save` wrote, with as many ranks as there were."""
        self._engine.load_checkpoint(str(folder), tag=_TAG)

    @staticmethod
    def state_in(folder: Path) -> Path:
        """Where `save`, `load` and `load_universal` find the state in a folder."""
        return folder / _TAG

    def load_universal(self, folder: Path) -> None:
        """Go on, with any number of ranks, from what `trainers.ranks.universal.convert` made of what `save` wrote."""
        config = self._engine._config  # read at every load; its public form is read only when the engine is made
        config.load_universal_checkpoint = True
        try:
            self._engine.load_checkpoint(str(folder), tag=_TAG)
        finally:
            config.load_universal_checkpoint = False

    def specs(self) -> list[Spec]:
        """Of the model's weights, whole; one that is tied to another is left out, as it is in a Hugging Face folder."""
        return [
            Spec(name, weight.dtype, tuple(getattr(weight, "ds_shape", weight.shape)))  # ZeRO 3 leaves no other shape
            for name, weight in self._named_weights().items()
        ]

    @contextmanager
    def whole(self, pack: Sequence[Spec]) -> Iterator[dict[str, Tensor]]:
        """Inside it these weights by name, whole on this rank's device, which must have room for them."""
        named = self._named_weights()
        weights = {spec.name: named[spec.name] for spec in pack}
        with self._gathered([weight for weight in weights.values() if isinstance(weight, nn.Parameter)]):
            yield {name: weight.detach() for name, weight in weights.items()}

    def whole_weights(self) -> dict[str, Tensor] | None:
        """A copy of all weights by name, on rank 0 in main memory, which must have room; None on other ranks."""
        whole: dict[str, Tensor] = {}
        for pack in packs(self.specs()):
            with self.whole(pack) as weights:
                if self.rank == 0:
                    whole |= {name: weight.to("cpu", copy=True) for name, weight in weights.items()}
        return whole if self.rank == 0 else None

    def save_weights(self, folder: str) -> None:
        """Write the model as a Hugging Face folder, by rank 0."""
        weights = self.whole_weights()
        if weights is not None:
            save_model(self._language_model.model, folder, weights)
        self.barrier()

    def sketches(self) -> Sketches:
        """What every layer makes of a fixed input (tasks.rollouts.sketches)."""
        return sketches_of(self._language_model.model, self._gathered)

    def leave_room(self) -> None:
        """Give back what of a GPU's memory is kept for the next step and holds nothing now."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _named_weights(self) -> dict[str, Tensor]:
        """Each once, by its first name."""
        once: dict[int, str] = {}
        named = self._language_model.model.state_dict(keep_vars=True)
        for name, weight in named.items():
            once.setdefault(id(weight), name)
        return {name: named[name] for name in once.values()}

    def _gathered(self, weights: list[nn.Parameter]) -> AbstractContextManager:
        """Inside it these weights are whole on every rank."""
        import deepspeed

        return deepspeed.zero.GatheredParameters(weights if self._sharded else [], enabled=self._sharded)


def _deepspeed() -> Any:
    """Import DeepSpeed so that on CPUs it neither looks for MPI nor compiles an extension (a minute or two)."""
    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    os.environ.setdefault("DS_SKIP_CUDA_CHECK", "1")
    import deepspeed
    from deepspeed.ops import __compatible_ops__

    __compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(auto_mpi_discovery=False, verbose=False, timeout=COLLECTIVE_TIMEOUT)
    return deepspeed


def _config(optimiser: OptimiserSettings, engineering: EngineeringSettings) -> dict[str, Any]:
    return {
        "train_micro_batch_size_per_gpu": 1,  # of no effect: batches are made by trainers.batches
        "managed_gradient_accumulation": False,  # `step` says when an update is due
        "gradient_clipping": optimiser.clip,
        "zero_optimization": {"stage": engineering.zero_stage},
        "zero_force_ds_cpu_optimizer": False,
        # In bf16 a sum over 8 micro-batches is off by 0.4%, one over 128 by 1.3%.
        "data_types": {"grad_accum_dtype": "fp32"},
        # Each gradient is added once, as it comes: stage 1 else adds it again with every later micro-batch, for
        # DeepSpeed finds no tensor in a TokenScores by which to tell where a backward pass begins.
        "bf16": {"enabled": engineering.dtype == "bf16", "immediate_grad_update": True},
        "optimizer": {
            "type": "AdamW",
            "params": {
                "lr": optimiser.lr,
                "betas": list(optimiser.betas),
                "weight_decay": optimiser.weight_decay,
                "torch_adam": True,
            },
        },
    }
