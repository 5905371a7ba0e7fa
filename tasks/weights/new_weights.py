"""New weights for the engines of a pool, as every update of a training makes them: in memory, a folder, or buffers."""

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
    """Weights of the engines' architecture, and the version that is recorded with every token sampled by them."""

    def __init__(self, folder: str, version: int, tensors: "Mapping[str, Tensor] | None" = None) -> None:
        """Weights in a folder (safetensors), or ``tensors`` in main memory under the same names as in a folder.

        `folder` writes ``tensors`` to the folder when an engine has to read them. They must not change any more.
        """
        self.version, self.tensors = version, tensors
        self._folder, self._lock = Path(folder), threading.Lock()

    def folder(self) -> str:
        """The folder that has the weights as safetensors. The first call writes it and frees the tensors.

        Safe to call from any thread.
        """
        # Several workers may be replaced at once, each in its own thread: one thread writes, the others wait for it.
        with self._lock:
            if self.tensors is not None:
                _write(self._folder, self.tensors)
                self.tensors = None
        return str(self._folder)


@dataclass(frozen=True, slots=True)
class SharedPack:
    """Some complete tensors of the weights, in one buffer for each process of the engines, in process order."""

    specs: "list[Spec]"
    handles: "list[Handle]"
    is_last: bool

    def of_engine(self, number: int, processes: int) -> "SharedPack":
        """The pack with the buffers of one engine's processes."""
        return replace(self, handles=self.handles[number * processes : (number + 1) * processes])


def _write(folder: Path, tensors: "Mapping[str, Tensor]") -> None:
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(dict(tensors), folder / "model.safetensors", {"format": "pt"})
