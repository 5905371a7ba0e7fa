"""Weights for the engines of a pool, as training makes them again and again: in main memory, a folder, or buffers."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.weights.packs import Spec
    from tasks.weights.shared_buffers import Handle


class NewWeights:
    """Weights of the engines' architecture, and the version as which tokens tell that they were sampled by them."""

    def __init__(self, folder: str, version: int, tensors: "Mapping[str, Tensor] | None" = None) -> None:
        """Those of a folder of safetensors; or ``tensors`` in main memory, by the names that a folder has them under,
        which `folder` writes there when an engine must read them. They must not change any more.
        """
        self.version, self.tensors = version, tensors
        self._folder, self._lock = Path(folder), threading.Lock()

    def folder(self) -> str:
        """Where they lie as safetensors, and from then on only there. May be asked from any thread."""
        with self._lock:
            if self.tensors is not None:
                _write(self._folder, self.tensors)
                self.tensors = None
        return str(self._folder)


@dataclass(frozen=True, slots=True)
class SharedPack:
    """Some of the weights, whole, in a buffer beside every process of the engines, in the order of these."""

    specs: "list[Spec]"
    handles: "list[Handle]"
    is_last: bool

    def of_engine(self, number: int, processes: int) -> "SharedPack":
        """For the processes of one engine."""
        return replace(self, handles=self.handles[number * processes : (number + 1) * processes])


def _write(folder: Path, tensors: "Mapping[str, Tensor]") -> None:
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(dict(tensors), folder / "model.safetensors", {"format": "pt"})
