"""DeepSpeed behind five calls: score, backward, step, save and load. The same code runs on CPUs and GPUs.

Gradients are summed over micro-batches and ranks without averaging: the caller divides its loss by the normaliser. The
learning rate is an argument of `step`, so there is no scheduler whose state a checkpoint would have to keep.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from schemas.training_settings import EngineeringSettings, OptimiserSettings
from tasks.weights.packs import Spec, packs
from tasks.weights.sketches import Sketches, sketches_of
from trainers.model.language_model import LanguageModel, TokenScores
from trainers.model.weights import load_model, load_sharded, save_model
from trainers.ranks.launch import COLLECTIVE_TIMEOUT

WAITING_TIMEOUT = timedelta(hours=24)
"""How long ranks wait for work that rank 0 does alone: the rollouts of a step take hours with a large model."""

_TAG = "state"


def learning_rate(step: int, steps: int, optimiser: OptimiserSettings) -> float:
    """The rate of step ``step`` (from 0) of ``steps``: linear warm-up, constant, linear decay to ``floor`` of it."""
    warm = min(1.0, (step + 1) / (optimiser.warmup_steps + 1))
    decay_steps = optimiser.decay_share * steps
    left = 1.0 if decay_steps == 0 else min(1.0, (steps - step) / decay_steps)
    return optimiser.lr * warm * (optimiser.floor + (1 - optimiser.floor) * left)


class TrainingEngine:
    """One rank of a model in training.

    All ranks must call every method together, because the methods communicate; `score` only with ZeRO stage 3. If the
    process already has a torch.distributed group (Ray Train creates one), the engine uses it.
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
        # A separate gloo group for control messages between ranks: a rank that waits in nccl keeps its GPU busy, and in
        # layout `shared` an engine samples on that GPU meanwhile.
        self._control_group = torch.distributed.new_group(backend="gloo", timeout=WAITING_TIMEOUT)

    @property
    def rank(self) -> int:
        return torch.distributed.get_rank()

    @property
    def ranks(self) -> int:
        return torch.distributed.get_world_size()

    @property
    def device(self) -> torch.device:
        device: torch.device = self._engine.device
        return device

    def score(
        self,
        tokens_BT: Tensor,
        marked_BT: Tensor,
        lengths: Sequence[int] | None = None,
        temperature: float = 1.0,
        with_entropy: bool = False,
    ) -> TokenScores:
        """`LanguageModel.forward`; differentiable unless called under ``torch.no_grad()``."""
        scores: TokenScores = self._engine(tokens_BT, marked_BT, lengths, temperature, with_entropy)
        return scores

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of this micro-batch's loss; losses of all micro-batches and ranks add up."""
        self._engine.backward(loss * self.ranks)  # DeepSpeed takes the mean over ranks

    def step(self, lr: float) -> float:
        """Clip the gradient, update the weights, and reset the gradient. Returns its norm before clipping."""
        for group in self._engine.optimizer.param_groups:
            group["lr"] = lr
        self._engine.step()
        return float(self._engine.get_global_grad_norm())

    def sum_over_ranks(self, *values: float) -> list[float]:
        """The sum of each value over all ranks, on all ranks."""
        sums = torch.tensor(values, dtype=torch.float64)
        torch.distributed.all_reduce(sums, group=self._control_group)
        return sums.tolist()

    def from_rank_0(self, value: Any) -> Any:
        """Broadcast rank 0's value by pickle; the values of other ranks are ignored."""
        values = [value]
        torch.distributed.broadcast_object_list(values, src=0, group=self._control_group)
        return values[0]

    def of_all_ranks(self, value: Any) -> list[Any]:
        """Gather the values of all ranks by pickle, in the order of ranks."""
        values: list[Any] = [None] * self.ranks
        torch.distributed.all_gather_object(values, value, group=self._control_group)
        return values

    def barrier(self) -> None:
        torch.distributed.barrier(group=self._control_group)

    def save(self, folder: Path) -> None:
        """Write this rank's share of weights and optimiser into a folder that all ranks share."""
        self._engine.save_checkpoint(str(folder), tag=_TAG, save_latest=False)

    def load(self, folder: Path) -> None:
        """Load what `save` wrote with the same number of ranks."""
        self._engine.load_checkpoint(str(folder), tag=_TAG)

    @staticmethod
    def state_in(folder: Path) -> Path:
        """The subfolder with the state, as `save`, `load` and `load_universal` use it."""
        return folder / _TAG

    def load_universal(self, folder: Path) -> None:
        """Load the output of `trainers.ranks.universal.convert`, with any number of ranks."""
        config = self._engine._config  # private: the public config is read only when the engine is created
        config.load_universal_checkpoint = True
        try:
            self._engine.load_checkpoint(str(folder), tag=_TAG)
        finally:
            config.load_universal_checkpoint = False

    def specs(self) -> list[Spec]:
        """Name, type and full shape of each weight; tied weights appear once, as in a Hugging Face folder."""
        return [
            # Under ZeRO 3 a sharded weight has an empty shape; DeepSpeed keeps the full one in `ds_shape`.
            Spec(name, weight.dtype, tuple(getattr(weight, "ds_shape", weight.shape)))
            for name, weight in self._named_weights().items()
        ]

    @contextmanager
    def whole(self, pack: Sequence[Spec]) -> Iterator[dict[str, Tensor]]:
        """Context with the full weights of a pack by name, on this rank's device, which must have room for them."""
        named = self._named_weights()
        weights = {spec.name: named[spec.name] for spec in pack}
        with self._gathered([weight for weight in weights.values() if isinstance(weight, nn.Parameter)]):
            yield {name: weight.detach() for name, weight in weights.items()}

    def whole_weights(self) -> dict[str, Tensor] | None:
        """A copy of all weights by name in rank 0's main memory, which must have room for it; None on other ranks."""
        whole: dict[str, Tensor] = {}
        for pack in packs(self.specs()):
            with self.whole(pack) as weights:
                if self.rank == 0:
                    whole |= {name: weight.to("cpu", copy=True) for name, weight in weights.items()}
        return whole if self.rank == 0 else None

    def save_weights(self, folder: str) -> None:
        """Write the model as a Hugging Face folder; rank 0 writes."""
        weights = self.whole_weights()
        if weights is not None:
            save_model(self._language_model.model, folder, weights)
        self.barrier()

    def sketches(self) -> Sketches:
        """Sketches of every layer's output for a fixed input (tasks.weights.sketches)."""
        return sketches_of(self._language_model.model, self._gathered)

    def leave_room(self) -> None:
        """Release cached GPU memory that is unused now, so that an engine on the same GPU can use it."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _named_weights(self) -> dict[str, Tensor]:
        """Each weight once, by its first name."""
        once: dict[int, str] = {}
        named = self._language_model.model.state_dict(keep_vars=True)
        for name, weight in named.items():
            once.setdefault(id(weight), name)
        return {name: named[name] for name in once.values()}

    def _gathered(self, weights: list[nn.Parameter]) -> AbstractContextManager[None]:
        """Context in which these weights are whole on every rank."""
        import deepspeed

        gathered: AbstractContextManager[None] = deepspeed.zero.GatheredParameters(
            weights if self._sharded else [], enabled=self._sharded
        )
        return gathered


def _deepspeed() -> Any:
    """Import DeepSpeed. On CPUs it must not search for MPI or compile an extension, which takes a minute or two."""
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
        "train_micro_batch_size_per_gpu": 1,  # required, but without effect: trainers.model.batches builds batches
        "managed_gradient_accumulation": False,  # the caller of `step` decides when an update is due
        "gradient_clipping": optimiser.clip,
        "zero_optimization": {"stage": engineering.zero_stage},
        "zero_force_ds_cpu_optimizer": False,
        # In bf16 a sum over 8 micro-batches has an error of 0.4%, over 128 micro-batches of 1.3%.
        "data_types": {"grad_accum_dtype": "fp32"},
        # Add each gradient immediately. Otherwise stage 1 adds it again with every later micro-batch: DeepSpeed detects
        # the start of a backward pass by tensors in the model's output, and does not look into a TokenScores.
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
