"""A vLLM weight-transfer backend that takes the new weights from a folder of safetensors: the way for CPUs.

It stands beside vLLM's own backends (nccl between GPUs, ipc on a shared one) under the same three calls
(``start_weight_update``, ``update_weights``, ``finish_weight_update``). ``/dev/shm`` is a good place for the folder.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from vllm.distributed.weight_transfer.base import (
    WeightTransferEngine,
    WeightTransferInitInfo,
    WeightTransferUpdateInfo,
)
from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory
from vllm.model_executor.layers.utils import dispatch_cpu_unquantized_gemm
from vllm.model_executor.model_loader.reload import finalize_layerwise_reload, initialize_layerwise_reload
from vllm.platforms import current_platform

from tasks.rollouts.engine_sketches import sketches_of_engine
from tasks.rollouts.sketches import Sketches

BACKEND = "folder"

# It warns at every update of layers that have nothing to load: rotary tables, a head tied to the embeddings.
logging.getLogger("vllm.model_executor.model_loader.reload.layerwise").setLevel(logging.ERROR)


@dataclass
class NoInit(WeightTransferInitInfo):
    """There is nothing to agree on beforehand."""


@dataclass
class Folder(WeightTransferUpdateInfo):
    folder: str


def _tensors_of(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise FileNotFoundError(f"{folder}: no safetensors in it")
    for path in files:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - a handle, not a mapping
                yield name, file.get_tensor(name)


class FolderTransferEngine(WeightTransferEngine[NoInit, Folder]):
    init_info_cls = NoInit
    update_info_cls = Folder

    def init_transfer_engine(self, init_info: NoInit) -> None:
        pass

    def start_weight_update(self) -> None:
        initialize_layerwise_reload(self.model)

    def receive_weights(self, update_info: Folder) -> None:
        load: Any = self.model.load_weights
        load(_tensors_of(Path(update_info.folder)))

    def finish_weight_update(self) -> None:
        finalize_layerwise_reload(self.model, self.model_config)
        head = getattr(self.model, "lm_head", None)
        if current_platform.is_cpu() and head is not None and self.model_config.hf_config.tie_word_embeddings:
            # A tied head has no weights of its own in the folder, so the reload leaves its packed copy as it was.
            dispatch_cpu_unquantized_gemm(head, remove_weight=False)

    def shutdown(self) -> None:
        pass


class Registered:
    """vLLM's worker extension: every worker process imports this module, and so knows the backend."""

    def sketches(self) -> Sketches:
        """Of the model that this process runs."""
        worker: Any = self
        return sketches_of_engine(worker.get_model())


WeightTransferEngineFactory.register_engine(BACKEND, FolderTransferEngine)
