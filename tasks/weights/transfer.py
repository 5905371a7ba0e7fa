"""A vLLM weight-transfer backend: new weights from a folder, by broadcast, or from shared buffers, on CPUs and GPUs.

It implements the calls of vLLM's own backends, which need GPUs (``init_weight_transfer_engine``,
``start_weight_update``, ``update_weights``, ``finish_weight_update``). Any engine can read a folder at any time
(``/dev/shm`` is a good place if only one machine reads it). A broadcast reaches all waiting members of a group at once.
A shared buffer is read by a process on the machine of the process that fills it.
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

# vLLM warns at every update about layers that have nothing to load: rotary tables, a head tied to the embeddings.
logging.getLogger("vllm.model_executor.model_loader.reload.layerwise").setLevel(logging.ERROR)
# On CPUs it warns at every sleep that no memory is freed.
logging.getLogger("vllm.v1.worker.cpu_worker").setLevel(logging.ERROR)


@dataclass
class Invitation(WeightTransferInitInfo):
    """An invitation to a group in which weights are broadcast. ``first`` is the member number of this engine's first
    process; its other processes have the following numbers."""

    meeting: Meeting
    first: int


@dataclass
class Update(WeightTransferUpdateInfo):
    """The source of new weights, exactly one of: a folder, a broadcast of tensors with these ``specs``, or a shared
    pack with some of the weights."""

    folder: str | None = None
    specs: list[Spec] | None = None
    pack: SharedPack | None = None


def _tensors_of(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise FileNotFoundError(f"{folder}: no *.safetensors in this folder")
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
        self.shutdown()  # the former group, if any, is unusable: a member died, or the trainer left it
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
        assert self._group is not None and update_info.specs is not None, "only members of a group receive a broadcast"
        load(self._group.receive(update_info.specs))

    def finish_weight_update(self) -> None:
        self._reader = None
        finalize_layerwise_reload(self.model, self.model_config)
        head = getattr(self.model, "lm_head", None)
        if current_platform.is_cpu() and head is not None and self.model_config.hf_config.tie_word_embeddings:
            # A folder has no weights for a tied head, so the reload leaves vLLM's packed copy of it unchanged.
            dispatch_cpu_unquantized_gemm(head, remove_weight=False)

    def shutdown(self) -> None:
        if self._group is not None:
            self._group.close()
            self._group = None


class Registered:
    """vLLM's worker extension. Its purpose: every worker process imports this module, which registers the backend."""

    def sketches(self) -> Sketches:
        """The sketches of the model in this process."""
        worker: Any = self
        return sketches_of_engine(worker.get_model())


WeightTransferEngineFactory.register_engine(BACKEND, MaskSearchTransferEngine)
