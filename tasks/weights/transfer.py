"""A vLLM weight-transfer backend: new weights from a folder, by broadcast or out of shared buffers, on CPUs and GPUs.

It stands beside vLLM's own backends, which need GPUs, under the same calls (``init_weight_transfer_engine``,
``start_weight_update``, ``update_weights``, ``finish_weight_update``). A folder can be read at any time by anybody
(``/dev/shm`` is a good place for one that one machine reads); a broadcast reaches at once all who wait for it; a shared
buffer is read where it is, by a process beside the one that fills it.
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

from tasks.weights.broadcast import Group, Meeting, meet
from tasks.weights.engine_sketches import sketches_of_engine
from tasks.weights.new_weights import SharedPack
from tasks.weights.packs import Spec
from tasks.weights.shared_buffers import Reader
from tasks.weights.sketches import Sketches

BACKEND = "masksearch"

# It warns at every update of layers that have nothing to load: rotary tables, a head tied to the embeddings.
logging.getLogger("vllm.model_executor.model_loader.reload.layerwise").setLevel(logging.ERROR)
# And on CPUs at every sleep that memory stays as it is.
logging.getLogger("vllm.v1.worker.cpu_worker").setLevel(logging.ERROR)


@dataclass
class Invitation(WeightTransferInitInfo):
    """To a group in which weights are broadcast; ``first``: the member that this engine's first process is."""

    meeting: Meeting
    first: int


@dataclass
class Update(WeightTransferUpdateInfo):
    """Where the new weights come from: a folder, a broadcast of what ``specs`` say, or, some of them, a shared pack."""

    folder: str | None = None
    specs: list[Spec] | None = None
    pack: SharedPack | None = None


def _tensors_of(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise FileNotFoundError(f"{folder}: no safetensors in it")
    for path in files:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - a handle, not a mapping
                yield name, file.get_tensor(name)


class MaskSearchTransferEngine(WeightTransferEngine[Invitation, Update]):
    init_info_cls = Invitation
    update_info_cls = Update
    _group: Group | None = None
    _reader: Reader | None = None

    def init_transfer_engine(self, init_info: Invitation) -> None:
        self.shutdown()
        self._group = meet(init_info.meeting, init_info.first + self.parallel_config.rank)

    def start_weight_update(self) -> None:
        initialize_layerwise_reload(self.model)

    def receive_weights(self, update_info: Update) -> None:
        load: Any = self.model.load_weights
        if update_info.folder is not None:
            load(_tensors_of(Path(update_info.folder)))
            return
        if update_info.pack is not None:
            self._reader = self._reader or Reader(self.device)
            load(self._reader.read(update_info.pack.handles[self.parallel_config.rank], update_info.pack.specs))
            return
        assert self._group is not None and update_info.specs is not None, "weights are broadcast to members of a group"
        load(self._group.receive(update_info.specs))

    def finish_weight_update(self) -> None:
        self._reader = None
        finalize_layerwise_reload(self.model, self.model_config)
        head = getattr(self.model, "lm_head", None)
        if current_platform.is_cpu() and head is not None and self.model_config.hf_config.tie_word_embeddings:
            # A tied head has no weights of its own in the folder, so the reload leaves its packed copy as it was.
            dispatch_cpu_unquantized_gemm(head, remove_weight=False)

    def shutdown(self) -> None:
        if self._group is not None:
            self._group.close()
            self._group = None


class Registered:
    """vLLM's worker extension: every worker process imports this module, and so knows the backend."""

    def sketches(self) -> Sketches:
        """Of the model that this process runs."""
        worker: Any = self
        return sketches_of_engine(worker.get_model())


WeightTransferEngineFactory.register_engine(BACKEND, MaskSearchTransferEngine)
