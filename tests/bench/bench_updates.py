"""The cost of new weights for engines: by a folder, by broadcast, and by a shared buffer, in one run.

    python -m tests.bench.bench_updates [--millions 150] [--engines 2] [--updates 5]

Rank 0 and engines are processes of a local Ray cluster. The folder is on this machine's disk and stays in its page
cache; an engine on another machine would read it over the network. One process fills the shared buffer for all engines;
in a training every rank fills its own.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import ray
import torch
from torch import Tensor

from retrieval_index.opening import build_index
from schemas.corpus_settings import IndexSettings
from schemas.runtime import EngineRuntime, PlacementRuntime
from schemas.settings import AgentSettings, ModelSettings
from tasks.agent.tokenizer import train_tokenizer
from tasks.rollouts.pool import RolloutPool, start_pool
from tasks.rollouts.spots import Spot
from tasks.rollouts.worker import RolloutSetup
from tasks.weights.new_weights import NewWeights, SharedPack
from tasks.weights.packs import fill, packs, room_of, specs_of
from tasks.weights.shared_buffers import shared_buffer
from trainers.model.weights import load_model, new_model

_WIDTH, _LAYERS = 768, 6
_IN_LAYERS = _LAYERS * 12 * _WIDTH * _WIDTH
"""About so many weights are not in the embeddings, whose rows make up for the rest."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=int, default=150, help="weights of the model")
    parser.add_argument("--engines", type=int, default=2)
    parser.add_argument("--updates", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        setup = _setup(Path(folder), arguments.millions * 10**6)
        ray.init(num_cpus=arguments.engines + 2, log_to_driver=False)
        seconds = asyncio.run(_measure(setup, Path(folder), arguments.engines, arguments.updates))
    for way, values in seconds.items():
        print(f"{way:>10}: {statistics.median(values):.2f} s an update (median of {len(values)})")


def _setup(folder: Path, weights: int) -> RolloutSetup:
    tokenizer = train_tokenizer(["one two three"] * 9, 300)
    tokenizer.save(str(folder / "tokenizer"))
    build_index([("0-0", "one", "one two three")], str(folder / "index"), IndexSettings())
    shape = ModelSettings(hidden=_WIDTH, layers=_LAYERS, heads=12, intermediate=_WIDTH * 8 // 3, max_position=256)
    new_model(shape, max(300, (weights - _IN_LAYERS) // _WIDTH), str(folder / "model"))
    return RolloutSetup(
        model=str(folder / "model"),
        tokenizer=str(folder / "tokenizer"),
        index=str(folder / "index"),
        agent=AgentSettings(max_tokens=128),
        engine=EngineRuntime(in_flight=4, threads=1),
    )


async def _measure(setup: RolloutSetup, scratch: Path, engines: int, updates: int) -> dict[str, list[float]]:
    tensors = _weights(setup.model)
    size = sum(tensor.numel() * tensor.itemsize for tensor in tensors.values())
    print(f"{size / 1e6:.0f} MB of weights to {engines} engines")
    seconds: dict[str, list[float]] = {}
    here = [Spot(ray.get_runtime_context().get_node_id(), gpu=None)] * engines
    for way, spots in (("folder", []), ("broadcast", []), ("ipc", here)):
        layout = "shared" if spots else "distributed"
        placement = PlacementRuntime(layout=layout, engines=engines, weights=way, cpus_per_searcher=0)
        pool = await start_pool(setup, placement, spots)
        try:
            seconds[way] = [
                await _update(pool, NewWeights(str(scratch / way / str(version)), version, tensors), engines, way)
                for version in range(1, updates + 2)
            ][1:]
        finally:
            await pool.close()
    return seconds


def _weights(model: str) -> dict[str, Tensor]:
    return {name: weight for name, weight in load_model(model).state_dict().items() if name != "lm_head.weight"}


async def _update(pool: RolloutPool, weights: NewWeights, engines: int, way: str) -> float:
    began = time.perf_counter()
    if way == "ipc":
        await _show(pool, weights, engines)
    await pool.publish(weights)
    return time.perf_counter() - began


async def _show(pool: RolloutPool, weights: NewWeights, engines: int) -> None:
    assert weights.tensors is not None
    going = list(packs(specs_of(weights.tensors)))
    with shared_buffer(max(map(room_of, going)), torch.device("cpu")) as (place, handle):
        for pack in going:
            fill(place, {spec.name: weights.tensors[spec.name] for spec in pack})
            await pool.take(SharedPack(pack, [handle] * engines, is_last=pack is going[-1]), weights.version)


if __name__ == "__main__":
    main()
