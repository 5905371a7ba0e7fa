"""An engine of two processes, which takes the weights of another model from a buffer beside each; prints its scores.

    python -m tests.support.two_process_engine MODEL OTHER TOKEN…

A process of its own: vLLM forks its workers, and a process with many threads should not be forked.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from schemas.runtime import EngineRuntime
from tasks.engines.vllm_engine import VllmEngine
from tasks.weights.new_weights import SharedPack
from tasks.weights.packs import fill, packs, room_of, specs_of
from tasks.weights.shared_buffers import shared_buffer

CPU = torch.device("cpu")


def main(model: str, other: str, text: list[int]) -> list[list[float]]:
    weights = load_file(Path(other) / "model.safetensors")
    going = list(packs(specs_of(weights), pack_bytes=20_000))
    size = max(map(room_of, going))
    runtime = EngineRuntime(in_flight=4, threads=1, tensor_parallel=2)
    with (
        VllmEngine(model, runtime, max_tokens=256) as engine,
        shared_buffer(size, CPU) as (one, first),
        shared_buffer(size, CPU) as (two, second),
    ):
        before = engine.score(text)
        engine.sleep()
        for pack in going:
            for place in (one, two):
                fill(place, {spec.name: weights[spec.name] for spec in pack})
            engine.take(SharedPack(pack, [first, second], is_last=pack is going[-1]), version=7)
        return [before, engine.score(text)]


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:3], list(map(int, sys.argv[3:])))))
