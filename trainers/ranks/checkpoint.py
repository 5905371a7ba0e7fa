"""Checkpoints with digests, written atomically; a damaged one is set aside, and the one before it is used.

    checkpoints/step-00000100/state/         weights and optimiser, one share for each rank, by DeepSpeed
                             /rng-0.pt       random state of each rank
                             /progress.json  state of the training loop: step, position in the data
                             /manifest.json  size and sha256 of each file, the number of ranks, and the origin
    checkpoints/damaged-step-00000120/       set aside until the training has passed its step again

A checkpoint is written under a temporary name that readers ignore, and renamed when it is complete.

If the number of ranks has changed, the shares are first converted into DeepSpeed's universal format
(trainers.ranks.universal).
"""

import json
import logging
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from schemas.errors import RunFailed
from tasks.ledger import storage
from trainers.ranks import universal
from trainers.ranks.deepspeed_engine import TrainingEngine
from trainers.ranks.origin import MANIFEST, ORIGIN
from trainers.ranks.rank_zero import on_rank_0

_PROGRESS = "progress.json"
_SET_ASIDE = "damaged-"
_MOST_NAMED = 3
_log = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints of one training, in ``folder``; the newest ``keep`` are kept.

    ``origin`` identifies the model and the training (trainers.ranks.origin). It is written into each checkpoint.
    """

    def __init__(self, folder: Path, engine: TrainingEngine, keep: int, origin: dict[str, Any]) -> None:
        self._folder, self._engine, self._keep, self._origin = folder, engine, keep, origin

    def save(self, step: int, progress: dict[str, Any]) -> None:
        """Write a checkpoint after ``step`` steps. All ranks call this together, with the same ``progress``."""
        engine, target = self._engine, self._path(step)
        temporary = self._folder / f".{target.name}.tmp"
        if engine.rank == 0:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
        engine.barrier()
        engine.save(temporary)
        torch.save(_random_state(), temporary / f"rng-{engine.rank}.pt")
        engine.barrier()
        if engine.rank == 0:
            # Written after the barrier, when all ranks' files are complete; the manifest has their digests.
            (temporary / _PROGRESS).write_text(json.dumps({"step": step, **progress}))
            manifest = {**_manifest(temporary, engine.ranks), ORIGIN: self._origin}
            storage.write_bytes(str(temporary / MANIFEST), json.dumps(manifest).encode())
            shutil.rmtree(target, ignore_errors=True)
            temporary.rename(target)
            self._drop_old(target)
        engine.barrier()

    def restore(self) -> dict[str, Any] | None:
        """Load the newest undamaged checkpoint and return its progress; None if there is no checkpoint.

        All ranks call this together. With the same number of ranks the training continues bit for bit. With another
        number the weights and the optimiser are the same, but later sums are rounded in another order.

        Raises:
            RunFailed: all checkpoints are damaged; or another number of ranks wrote it, and DeepSpeed cannot convert
                it.
        """
        path = on_rank_0(self._engine, self._newest_whole)
        if path is None:
            return None
        ranks = json.loads((path / MANIFEST).read_text())["ranks"]
        if ranks == self._engine.ranks:
            self._engine.load(path)
        else:
            self._load_converted(path, ranks)
        # If there are more ranks than before, the additional ones reuse the random states of the others.
        state = path / f"rng-{self._engine.rank % ranks}.pt"
        _set_random_state(torch.load(state, weights_only=False))
        progress: dict[str, Any] = json.loads((path / _PROGRESS).read_text())
        return progress

    def _newest_whole(self) -> Path | None:
        """The newest undamaged checkpoint.

        Newer damaged ones are set aside: otherwise they would count among the newest ``keep`` and displace good ones.
        """
        damaged: list[tuple[Path, str]] = []
        for path in sorted(self._folder.glob("step-*"), reverse=True):
            damage = _damage(path)
            if damage is None:
                for newer, its_damage in damaged:
                    self._set_aside(newer, its_damage)
                return path
            damaged.append((path, damage))
        if damaged:
            newest, damage = damaged[0]
            raise RunFailed(
                f"{self._folder}: all {len(damaged)} checkpoints are damaged ({newest.name}: {damage}): restore an "
                "undamaged one, or remove that folder to begin again at step 0"
            )
        return None

    def _set_aside(self, path: Path, damage: str) -> None:
        aside = path.with_name(f"{_SET_ASIDE}{path.name}")
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
        _log.warning("%s is damaged (%s): renamed to %s, using the checkpoint before it", path, damage, aside.name)

    def _load_converted(self, path: Path, ranks: int) -> None:
        engine, temporary = self._engine, self._folder / f".{path.name}.universal"
        if engine.rank == 0:
            shutil.rmtree(temporary, ignore_errors=True)
        on_rank_0(engine, lambda: universal.convert(engine.state_in(path), engine.state_in(temporary)))
        engine.load_universal(temporary)
        engine.barrier()
        if engine.rank == 0:
            shutil.rmtree(temporary)
            _log.warning(
                "%s was written by %d ranks and is loaded by %d: converted, with the same weights and optimiser; "
                "sums are rounded in another order, so losses differ slightly",
                path,
                ranks,
                engine.ranks,
            )

    def _path(self, step: int) -> Path:
        return self._folder / f"step-{step:08d}"

    def _drop_old(self, written: Path) -> None:
        # The checkpoint just written is never dropped, even if there is a folder of a later step.
        newest_last = sorted(self._folder.glob("step-*"), key=lambda path: (path == written, path))
        passed = [path for path in self._folder.glob(f"{_SET_ASIDE}*") if path.name <= f"{_SET_ASIDE}{written.name}"]
        for path in [*newest_last[: -self._keep], *passed]:
            shutil.rmtree(path)


def _files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return sorted(str(path.relative_to(folder)) for path in found)


def _manifest(folder: Path, ranks: int) -> dict[str, Any]:
    def entry(name: str) -> dict[str, Any]:
        path = str(folder / name)
        return {"bytes": storage.size_of(path), "sha256": storage.digest_of_file(path)}

    return {"ranks": ranks, "files": {name: entry(name) for name in _files(folder)}}


def _damage(folder: Path) -> str | None:
    """A description of a checkpoint's damage; None if it is undamaged."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        found = _manifest(folder, manifest["ranks"])
    except (OSError, ValueError, KeyError) as error:
        return f"manifest unreadable: {error!r}"
    names = sorted(name for name, entry in manifest["files"].items() if found["files"].get(name) != entry)
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"missing or changed: {', '.join(names[:_MOST_NAMED])}{more}" if names else None


def _random_state() -> dict[str, Any]:
    return {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state()}


def _set_random_state(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
