"""New weights for engines on the ranks' GPUs (layout ``shared``): each rank shares them with the engine beside it.

A rank copies a pack of weights into a buffer that the engine's process can map: CUDA IPC on a GPU, shared memory on
CPUs. One buffer is reused for all packs, so a GPU needs room for one pack only, not for a second model.
"""

from functools import partial

from torch import Tensor

from tasks.weights.new_weights import SharedPack
from tasks.weights.packs import PACK_BYTES, fill, packs, room_of, unpacked
from tasks.weights.shared_buffers import shared_buffer, synchronise
from trainers.ranks.deepspeed_engine import TrainingEngine
from trainers.ranks.rank_zero import on_rank_0
from trainers.rl.rollouts import Rollouts


def show(
    trainer: TrainingEngine, rollouts: Rollouts | None, version: int, pack_bytes: int = PACK_BYTES
) -> dict[str, Tensor] | None:
    """Have the engines take the weights, pack by pack; returns a copy of all, like `TrainingEngine.whole_weights`.

    All ranks call this together; only rank 0 uses ``rollouts``. An engine that dies meanwhile lacks the weights.
    """
    all_packs = list(packs(trainer.specs(), pack_bytes))
    whole: dict[str, Tensor] = {}
    with shared_buffer(max(room_of(pack) for pack in all_packs), trainer.device) as (buffer, handle):
        # Rank 0 sends the handles of all buffers to the engines: each engine maps the buffer on its own GPU.
        handles = trainer.of_all_ranks(handle)
        for number, pack in enumerate(all_packs, start=1):
            with trainer.whole(pack) as weights:
                fill(buffer, weights)
            # The copy is asynchronous on the trainer's CUDA stream, which the engine's process cannot wait for.
            synchronise(trainer.device)
            trainer.barrier()  # from here on every rank's buffer has the pack
            shared = SharedPack(pack, handles, is_last=number == len(all_packs))
            # Returns on all ranks only when the engines have taken the pack: then the buffers may be overwritten.
            on_rank_0(trainer, partial(_have_taken, rollouts, shared, version))
            if trainer.rank == 0:
                whole |= {name: weight.to("cpu", copy=True) for name, weight in unpacked(buffer, pack)}
    return whole if trainer.rank == 0 else None


def _have_taken(rollouts: Rollouts | None, pack: SharedPack, version: int) -> None:
    assert rollouts is not None, "rank 0 has the engines"
    rollouts.take(pack, version)
