"""New weights to engines that live where ranks do (layout ``shared``): each rank shows them to the one beside it."""

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
    """Have the engines take the weights, pack by pack; gives back a copy of all, as `TrainingEngine.whole_weights`.

    All ranks call this together; ``rollouts`` is used by rank 0 alone. An engine that dies over it has not taken them.
    """
    going = list(packs(trainer.specs(), pack_bytes))
    whole: dict[str, Tensor] = {}
    with shared_buffer(max(room_of(pack) for pack in going), trainer.device) as (place, handle):
        handles = trainer.of_all_ranks(handle)
        for number, pack in enumerate(going, start=1):
            with trainer.whole(pack) as weights:
                fill(place, weights)
            synchronise(trainer.device)
            trainer.barrier()  # every rank has it in its buffer
            shown = SharedPack(pack, handles, is_last=number == len(going))
            on_rank_0(trainer, partial(_have_it_taken, rollouts, shown, version))
            if trainer.rank == 0:
                whole |= {name: weight.to("cpu", copy=True) for name, weight in unpacked(place, pack)}
    return whole if trainer.rank == 0 else None


def _have_it_taken(rollouts: Rollouts | None, pack: SharedPack, version: int) -> None:
    assert rollouts is not None, "rank 0 has the engines"
    rollouts.take(pack, version)
